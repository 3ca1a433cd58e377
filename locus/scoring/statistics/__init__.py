"""Statistics of scores: resamples, intervals, tests, ranks and groups of cases."""
