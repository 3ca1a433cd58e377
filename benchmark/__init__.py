"""The benchmark: the only package that combines models, methods and data sets.

A suite uses these packages in order. ``suite`` plans its models and cells, ``training`` trains the models, ``explain``
computes heat maps of all methods from one forward pass, and ``maps`` stores them and makes cases of them. ``scoring``
scores the cases: ``surface`` and ``pixels`` prepare heat maps, ``localize`` converts them to boxes, ``protocols``
defines the metrics, ``thresholds`` chooses cut-offs and ``statistics`` computes intervals and tests. ``records`` stores
the results, and ``report`` makes the tables from records alone.

Other packages: ``validity`` checks whether heat maps and tables can be trusted, ``check`` examines a method, a data set
or a network before use, ``external`` scores maps and boxes made elsewhere and packs submissions, ``evaluation`` is the
benchmark in one call from Python, and ``pictures`` draws heat maps, galleries and figures.
"""

import core  # noqa: F401 - before the large libraries, so that Ctrl-C ends a command quietly
