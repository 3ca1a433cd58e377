"""The hall: the only place where a model, a method and a dataset meet.

The way of a number, file by file: ``plan`` (a suite and its models) -> ``cells`` (which cells it has) -> ``suite`` (which
of them are missing) -> ``score`` (the cells of one model, record by record) -> ``stages`` (train, explain, cases) ->
``orders`` (which maps are owed, under which key) -> ``harvest`` (maps of the images in ``trained``, batch by batch) ->
``engine`` (one forward pass, all methods) -> ``maps`` (raw maps on disk) -> ``protocols`` on ``surface`` (boxes, scores)
-> ``records`` -> ``report`` (tables). ``explain``, ``heatmaps`` and ``pictured`` serve single images; ``training`` makes the
models.
"""
