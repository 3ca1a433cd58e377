"""Pages for a browser: ``index.html`` of a suite, from the same tables as all other reports."""
