"""Layouts of the protocols' tables, on the surface and on pixels."""
