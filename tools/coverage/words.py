"""Text of the page; names in braces are figures of the table."""

COLUMNS = {
    "row": "row",
    "paired": "paired difference",
    "nested": "nested difference",
    "effect": "effect of a method",
    "exclusion": "best method kept",
    "one more run": "one more run",
}
ABOUT = """# Do the intervals contain the true value?

**With five training runs: yes.** The 95% intervals contain the true value in {five} of 100 simulated data sets.

**With three runs: nearly.** Intervals of rows contain it in {row_3} of 100 data sets. Of seven equally
good methods, up to {wrong_3} of 100 are wrongly called worse. The low figures come from 500 patients and scores that
vary much between runs (standard deviations of .05 to .10).

**With two runs: not reliably.** Intervals of rows contain it in {row_2} of 100 data sets. Of seven
equally good methods, up to {wrong_2} of 100 are wrongly called worse. Add a third run before you say which method is
best.

An interval covers another training run and other patients. `python -m tools.coverage` simulates {worlds} data sets for
each setting: 30, 60 or 500 patients, standard deviations over runs of .01 to .10, three networks. The standard error of
a figure is at most .8. `tools/coverage/worlds.py` describes the model, `tools/coverage/coverage.csv` has every setting.
The model has normal effects of patients, cases, runs and methods. It has no networks that fail in some runs, and no
patients from several hospitals.

- `row`: the interval of one entry.
- `paired difference`: two methods on the same training runs.
- `nested difference`: one method on two networks with different training runs and the same patients.
- `effect of a method`: the mean difference of two methods over three networks.
- `best method kept`: seven methods of a network are equally good. The column counts how often a method is not called
  worse than another one (Holm over its six comparisons).
- `one more run`: the prediction band contains the score of the next training run on the same images. Two runs often
  agree by chance, so the tables print no band below {band_runs} runs.
"""
REASONS = """## Why this rule

The variance of a mean over runs has two parts: the mean square over runs and the covariance over patients between
runs. Both can be 0 by chance, and then an interval has zero width and p is 0. Four rules were compared:

- `nothing`: the two parts alone, with Hillis' degrees of freedom.
- `floor`: the variance is at least the jackknife variance over patients of the mean over runs.
- `cap`: at most 2 (S − 1) degrees of freedom for S runs.
- `floor and cap`: both.

**Locus uses the floor alone.**

- `nothing` wrongly calls a best method worse in up to {nothing_3} of 100 data sets with three runs.
- `cap` does not change a variance of 0, so it leaves intervals of zero width and a p of 0.
- `floor and cap` has the best coverage but hardly any power. With three runs and 30 or 60 patients it finds
  {power_both} of 100 worse methods, the floor alone {power_floor}.
- `floor` costs little power. With three runs it finds {floor_500} of 100 worse methods with 500 patients (`nothing`
  {nothing_500}) and {floor_30} with 30 patients (`nothing` {nothing_30}).

If runs hardly differ, the floor makes intervals too wide: up to {high} of 100 contain the true value. If scores vary
much between two or three runs, its intervals are too narrow. More training runs are the remedy.

Power is the share of data sets in which a true advantage is detected. The advantage is .10 with 30 and 60 patients, .05
with 500. For `best method kept`, power is the share of worse methods that are called worse than the better one.
"""
