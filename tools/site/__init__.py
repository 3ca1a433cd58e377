"""The documentation site: docs/, the results' tables, and a page per method and protocol from their docstrings.

Built by Zensical. mkdocs-material, of the same authors, gets repairs only since 2025; Sphinx wants its own roles in
Markdown; Zensical reads these pages as GitHub shows them, needs no network and builds in seconds.
"""
