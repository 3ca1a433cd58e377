"""How long scoring takes, here and as others do it: measured in one run, recorded, shown in ``docs/scoring_speed.md``.

``__main__`` (the door) -> ``run`` -> ``surfaces``, ``sweeps`` (ours and each peer as its users run it, on the maps of ``maps``),
``truth`` and ``suite`` (all of NIH's boxes through the protocols) -> ``record`` -> ``goals`` and ``page``.
"""
