"""How fast it is, beside whom: ``python -m tools.speed methods|scoring|training``.

Each measures, records and writes a page of ``docs/``: a package that lists its flags, contenders, goals and tables.
What they share lies here. The product imports nothing of it.
"""
