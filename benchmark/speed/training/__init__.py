"""How many images a second training gets through, stage by stage: measured in one run, recorded, shown in ``docs/training_speed.md``.

``__main__`` (the door) -> ``run`` -> ``decoding`` (files into the cache), ``stages`` (each part of a step alone), ``epochs`` (a real
training beside the network alone), ``flags`` (what flags change), ``long`` (the memory of a long run) -> ``record`` -> ``goals``, ``page``.
"""
