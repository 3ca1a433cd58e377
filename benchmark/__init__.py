"""The hall: the only place where a model, a method and a dataset meet.

The way of a number, file by file: ``plan`` (a suite and its models) -> ``cells`` (which cells it has) -> ``suite`` (which
of them are missing) -> ``score`` (the cells of one model, record by record) -> ``stages`` (train, explain, cases) ->
``orders`` (which maps are owed, under which key) -> ``harvest`` (maps of the images in ``trained``, batch by batch) ->
``engine`` (one forward pass, all methods) -> ``maps`` (raw maps on disk) -> ``shown`` (the cases of a method, made once) ->
``protocols`` on the ``surface`` or on ``pixels`` (boxes, scores), at ``thresholds`` that ``optimum`` and ``listed`` find ->
``statistics`` and ``strata`` -> ``records`` -> ``settle`` (strangers go, methods against each other) -> ``report`` (tables).

Beside it: ``validity`` asks what the maps are worth, ``verify`` whether the records hold, ``compare`` by how much two differ,
``published`` what papers report; ``explain``, ``heatmaps`` and ``pictured`` serve single images; ``training`` makes the models.
"""
