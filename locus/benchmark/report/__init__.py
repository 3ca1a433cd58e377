"""Tables, charts and pages from records. No model or data set is loaded."""

import tomllib
from pathlib import Path

NOTES: dict[str, str] = tomllib.loads(
    (Path(__file__).parent / "templates/notes.toml").read_text(encoding="utf-8")
)
"""Explanations of tables, by name."""
