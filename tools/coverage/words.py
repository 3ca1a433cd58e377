"""The sentences of the page; names in braces are figures of the table."""

COLUMNS = {
    "row": "row",
    "paired": "paired difference",
    "nested": "nested difference",
    "effect": "effect of a method",
    "exclusion": "best method kept",
    "one more run": "one more run",
}
ABOUT = """# Do the intervals contain the true value?

**With five training runs: yes.** The 95 % intervals contain the true value in {five} of 100 simulated worlds.

**With three runs: nearly.** Intervals of rows contain it in {row_3} of 100 worlds, paired differences in {paired_3},
nested differences in {nested_3}. In up to {wrong_3} of 100 worlds a best method of a network is wrongly called worse.
The low figures come from 500 patients and scores that vary much between runs (standard deviations of .05 to .10).

**With two runs: not reliably.** Intervals of rows contain it in {row_2} of 100 worlds and paired differences in
{paired_2}. In up to {wrong_2} of 100 worlds a best method is wrongly called worse. Add a third run before you say which
method is best.

**Two networks with different numbers of runs** (two against five): {nested_253} of 100 worlds. The low figure comes
from two runs with a standard deviation of .10 against five with .02.

An interval is about the recipe: another training run and other patients. Only simulated worlds have a known true value.
`python -m tools.coverage` simulates {worlds} worlds per setting on one core and resumes after an interruption: it skips
the settings that are in `tools/coverage/coverage.csv`. The standard error of a figure is at most .8. Each world has
three networks. The first has seven methods, the others have two. Scores are shares of hits, so they are discrete.
`tools/coverage/worlds.py` describes the model.

- `row`: the interval of one entry.
- `paired difference`: two methods on the same training runs.
- `nested difference`: one method on two networks, which have training runs of their own and share the patients.
- `effect of a method`: the mean difference of two methods over three networks.
- `best method kept`: seven methods of a network are equally good, so each is a best one. The column counts how often a
  method is not called worse than another one (Holm over its six comparisons).
- `one more run`: the prediction band contains the score of the next training run on the same images.
"""
BAND = """## One more training run

With three or five runs, the prediction band contains the score of the next run in {band_3} of 100 worlds. With two runs
it contains it in {band_2}. Two runs on few patients often agree by chance, so the tables print no band for fewer than
{band_runs} runs.
"""
REASONS = """## Why this rule

The variance of a mean over runs has two parts: the mean square over runs and the covariance over patients between
runs. Both can be 0 by chance, and then an interval has zero width and p is 0. Four rules were compared:

- `nothing`: the two parts alone, with Hillis' degrees of freedom.
- `floor`: the variance is at least the jackknife variance over patients of the mean over runs.
- `cap`: at most 2 (S − 1) degrees of freedom for S runs.
- `floor and cap`: both.

**Locus uses the floor alone.**

- `nothing` is out. With three runs a best method is wrongly called worse in up to {nothing_3} of 100 worlds, with two
  in up to {nothing_2}.
- `cap` is out. It does not change a variance of 0, so it leaves intervals of zero width and a p of 0. With two runs it
  still wrongly calls a best method worse in up to {cap_2} of 100 worlds, and it has less power than the floor.
- `floor and cap` has the best coverage and hardly any power. With three runs and 30 or 60 patients it finds
  {power_both} of 100 worse methods, the floor alone {power_floor}. With two runs it finds {power_both_2}.
- `floor` costs hardly any power with 500 patients and three runs: it finds {floor_500} of 100 worse methods, `nothing`
  {nothing_500}. With 30 patients it costs some: {floor_30} against {nothing_30}.

The floor has a price. With few patients, or runs that hardly differ, its intervals are too wide and contain the true
value in up to {high} of 100 worlds. If scores vary much between two or three runs, it falls short, as stated above.
Only a cap repairs that, at the price of power. More training runs are the better remedy.

Power is the share of worlds in which a true advantage is found. The advantage is .10 with 30 and 60 patients, .05 with
500. For `best method kept`, power is the share of worse methods that are called worse than the better one.
"""
LIMITS = """\
The figures are those of the simulated model. It has normal effects of patients, cases, runs and methods. Networks that
fail in one run of five, or patients from several hospitals, are not in it.
"""
