"""Build the documentation site: docs/, the tables of results, and a page per method and protocol from docstrings.

It is built with Zensical, which reads Markdown as GitHub does, needs no network and takes seconds. mkdocs-material, by
the same authors, has received only fixes since 2025.
"""
