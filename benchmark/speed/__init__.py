"""How long maps take, here and with the packages that people use: measured in one run, recorded, shown in ``docs/speed.md``.

``methods`` (the door) -> ``plan`` (what is timed on what) -> ``contenders`` (each as its users call it) -> ``agreement`` (they
make the same map) -> ``timing`` and ``memory`` -> ``record`` -> ``goals`` and ``page``.
"""
