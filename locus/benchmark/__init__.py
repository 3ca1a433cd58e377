"""The benchmark: the only package that combines models, methods and data sets.

A suite passes through these packages in order. ``suite`` plans its models and cells, and ``executors`` run its steps.
``training`` trains the models. ``locus.explaining`` explains them, with one forward pass for all methods. ``maps``
stores the raw maps and builds cases from them. ``locus.scoring`` scores the cases: ``surface`` and ``pixels`` prepare
heat maps and turn them into boxes, ``protocols`` defines the metrics, ``score_thresholds`` chooses thresholds and
``statistics`` summarises. ``records`` stores the results, and ``report`` writes tables and pages from records.

A training run is one seed on one fold (or on the only split). A model is a network with one seed: the training runs of
all its folds. An entry, the row of a table, is a method averaged over the models that differ only by their seed. In
tables, where folds are pooled, the models of an entry are called its training runs.

Other packages have one task each. ``baselines`` makes the rows that see no image. ``checks`` tests whether heat maps
depend on the network. ``inspect`` examines a method, a data set or a network. ``evaluation`` runs the benchmark in one
call from Python. ``entries`` scores maps and boxes of other projects. ``pictures`` draws cases, and ``heatmaps`` is the
engine of ``heatmap.py``.
"""
