"""How fast it is, beside whom: ``python -m tools.speed methods|scoring|training`` measures, records and writes a page of ``docs/``.

Each subject is a package that lists its flags, contenders, goals and tables; what they share lies here. The product
imports nothing of it.
"""
