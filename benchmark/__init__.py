"""The hall: the only place where a model, a method and a dataset meet.

The way of a number, file by file: ``plan`` (which cells a suite has) -> ``suite`` (which of them are missing) -> ``score``
(the cells of one model, record by record) -> ``stages`` (train, explain, cases) -> ``harvest`` (maps of all held-out images)
-> ``explain`` (one forward pass, all methods) -> ``maps`` (raw maps on disk) -> ``protocols`` on ``surface`` (boxes, scores)
-> ``records`` -> ``report`` (tables). ``heatmaps`` and ``pictured`` serve single images; ``training`` makes the models.
"""
