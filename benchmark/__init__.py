"""The benchmark: the only package that combines models, methods and data sets.

A suite passes through these packages in order. ``suite`` plans its models and cells. ``training`` trains the models.
``engine`` explains them: one forward pass, all methods. ``maps`` stores the raw maps and makes cases of them.
``scoring`` scores the cases: ``surface`` and ``pixels`` prepare heat maps, ``localize`` turns them into boxes,
``protocols`` defines the metrics, ``thresholds`` chooses cut-offs and ``statistics`` summarises. ``records`` stores the
results, and ``report`` makes the tables from records alone.

Other packages answer one question each. ``validity`` tests whether heat maps follow the network. ``check`` examines a
method, a data set or a network. ``search`` looks for better flags. ``external`` scores maps and boxes of others and
packs submissions. ``models`` loads networks of others. ``evaluation`` is the benchmark in one call from Python.
``heatmap`` and ``gallery`` draw images. Python users call ``explain`` and ``localize``.
"""

import core  # noqa: F401 - before the large libraries, so that Ctrl-C ends a command quietly
