"""Pictures: heat maps, overlays, the gallery of a suite, and figures for a paper."""
