"""Pictures of a suite: the page of selected cases, and figures for a paper."""
