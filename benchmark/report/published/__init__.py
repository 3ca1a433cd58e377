"""Published numbers: of this suite, compared with another run, and of papers."""
