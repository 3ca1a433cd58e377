"""The one scorer: a network, or maps and boxes in arrays or files, with cases and protocols -> scores and records."""
