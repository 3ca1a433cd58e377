"""Numbers that are published: of this suite, beside a run on another machine, and of papers."""
