"""Comparisons of rows from per-case rows: intervals, verdicts, and agreement of metrics."""
