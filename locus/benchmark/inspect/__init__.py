"""Check a method, a network or a data set before use: ``python -m benchmark.check``.

``method``, ``model`` and ``dataset`` each print a table of questions with verdicts (``question.AnswerRow``). What a
score depends on is checked by ``locus.benchmark.checks``.
"""
