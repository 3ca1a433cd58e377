"""The hall: the only place where a model, a method and a data set meet.

The way of a number, room by room. ``suite`` plans its models and cells, and has each model trained (``training``),
explained (``engine``: one forward pass, all methods; ``maps``: the raw maps on disk and the cases that they make),
scored (``protocols`` on the ``surface`` or on ``pixels``, at ``thresholds``, with ``statistics``) and recorded
(``records``). ``report`` makes the tables, from records alone.

Beside it, one question of a user each: ``validity`` asks what the maps are worth, ``verify`` whether the records hold,
``compare`` by how much two differ, ``check`` what is wrong with a method or a data set, ``search`` for better flags;
``heatmap`` draws single images. ``explain`` and ``localize`` are for Python users.
"""

import core  # noqa: F401 - before the large libraries: Ctrl-C ends a command quietly from here on
