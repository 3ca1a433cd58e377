"""The comparison that a suite makes before all others: its correction, its statuses, and its errors."""

import numpy as np
import pytest
import yaml

from locus.benchmark.records import Cell, Record
from locus.benchmark.report import comparisons, primary
from locus.benchmark.report.grouping import Row
from locus.benchmark.report.primary import Analysis, Contrast, Primary
from locus.benchmark.suite import plan
from locus.core.errors import DataError, UnknownNameError
from locus.core.scores import Difference, Estimate
from locus.scoring.statistics.mrmc import MrmcEstimate, RowSamples

PATIENTS, RUNS, DRAWS = 40, 3, 500
METHODS = ("fullgrad", "cam", "gradcam", "layercam")
EFFECT = 0.6


def row(name, scores):
    """A row of scores (runs, patients): each run's score is their mean."""
    count = scores.shape[1]
    jackknife = (scores.sum(axis=1, keepdims=True) - scores) / (count - 1)
    cells = [Cell(dataset="phantom", backbone="custom", model_id=f"net-seed{seed}", seed=seed, method=name) for seed in range(len(scores))]
    samples = RowSamples(tuple(f"run {seed}" for seed in range(len(scores))), scores.mean(axis=1), jackknife)
    return Row("method", name, tuple(Record(cell=cell) for cell in cells), by_patient=samples)


def draw(random, gains):
    """Rows of a network whose methods have these gains over both baselines."""
    images = random.normal(size=PATIENTS) * 0.5
    means = {**dict.fromkeys(("prior", "fixed_box"), 0.0), **gains}
    noise = {name: random.normal(size=(1 if name in ("prior", "fixed_box") else RUNS, PATIENTS)) for name in means}
    wide = {name: np.broadcast_to(images + means[name] + noise[name], (RUNS, PATIENTS)) for name in means}
    return [row(name, np.ascontiguousarray(scores)) for name, scores in wide.items()]


def is_primary(tested):
    return tested.name == "fullgrad"


def significant(gains):
    """Share of draws in which the primary row, and in which any other row, is significantly above both baselines."""
    random, first, others = np.random.default_rng(0), 0, 0
    for _ in range(DRAWS):
        (group,) = comparisons.primary_first([compared(draw(random, gains))], is_primary)
        above = {one.name for one in group if one.above_baselines}
        first += "fullgrad" in above
        others += bool(above - {"fullgrad"})
    return first / DRAWS, others / DRAWS


def compared(rows):
    return comparisons.within_network(rows, column=object())


@pytest.mark.parametrize("baselines", [("prior", "fixed_box"), ("fixed_box", "prior")])
def test_a_row_with_an_undefined_p_value_of_one_baseline_has_no_p(baselines):
    first, second = baselines
    gaps = {first: MrmcEstimate(0.1, 0.0, 0.2, 1.0, 0.01), second: MrmcEstimate(0.1, 0.0, 0.2, 1.0)}
    differences = comparisons._adjusted({"cam": gaps}, ["cam"])["cam"]
    assert [difference.p for difference in differences] == [None, None]


@pytest.mark.planted
def test_without_an_effect_at_most_five_percent_of_draws_have_a_finding():
    first, others = significant(dict.fromkeys(METHODS, 0.0))
    assert first <= 0.05
    assert others <= first


@pytest.mark.planted
def test_effect_in_the_primary_row_is_found_and_the_other_rows_stay_below_five_percent():
    first, others = significant({**dict.fromkeys(METHODS, 0.0), "fullgrad": EFFECT})
    assert first > 0.5
    assert others <= 0.05


@pytest.mark.byhand
def test_primary_rows_are_corrected_alone_and_the_others_count_only_after_them():
    def with_p(name, p):
        gaps = tuple(Difference(floor, Estimate(0.2, 0.1, 0.3), 1.0, single) for floor, single in (("prior", p / 2), ("fixed_box", p)))
        return Row("method", name, (Record(cell=Cell(dataset="phantom", method=name)),), over_baselines=gaps)

    groups = [[with_p("fullgrad", 0.01), with_p("cam", 0.001)], [with_p("fullgrad", 0.03), with_p("cam", 0.04), with_p("gradcam", 0.02)]]
    found = [[(one.name, one.over_baselines[0].p) for one in group] for group in comparisons.primary_first(groups, is_primary)]
    assert found == [
        [("fullgrad", pytest.approx(0.02)), ("cam", pytest.approx(0.03))],
        [("fullgrad", pytest.approx(0.03)), ("cam", pytest.approx(0.04)), ("gradcam", pytest.approx(0.04))],
    ]


def finding(status, p, low=0.1):
    analysis = Analysis(status=status, chosen="Before.")
    gaps = (Difference("prior", Estimate(0.2, low, 0.3), p, p),)
    return primary.Finding(analysis, Row("method", "cam", (Record(cell=Cell(dataset="phantom", method="cam")),)), gaps, p, p)


def test_only_what_was_fixed_before_scoring_is_called_confirmed():
    assert finding("confirmation", 0.01).status == "confirmed"
    assert finding("confirmation", 0.2).status == "not confirmed"
    assert finding("confirmation", 0.01, low=-0.1).status == "not confirmed"
    assert finding("evidence", 0.01).status == "evidence, not confirmation"
    assert finding("evidence", 0.2).status == "not shown"


def test_rows_are_tested_first_only_where_an_analysis_has_all_floors():
    first = {"contrasts": [{"network": "net", "method": "cam"}], "analyses": []}
    fitted, crossed = (
        Row("method", "cam", (Record(cell=Cell(dataset="phantom", model_id="net-seed0", seed=0, method="cam", data=data)),))
        for data in ({"fitted_on": "other"}, {})
    )
    both, one = {"status": "evidence", "chosen": "", "fitted_on": "other"}, {"status": "confirmation", "chosen": "", "floors": ["prior"]}
    stated = Primary(**{**first, "analyses": [both, one]})
    assert (stated.is_tested_first(fitted), stated.is_tested_first(crossed)) == (True, False)
    assert Primary(**{**first, "analyses": [one]}).is_tested_first(crossed) is False


CONTRAST = {"network": "custom-PCAM-128px", "method": "cam"}
ANALYSIS = {"status": "evidence", "chosen": "Afterwards."}


def load(folder, contrasts, analyses=(ANALYSIS,)):
    suite = {"title": "t", "about": "a", "train": {"dataset": "phantom"}, "models": [{"backbone": "custom"}], "methods": ["cam"]}
    stated = {"contrasts": contrasts, "analyses": [*analyses]}
    (folder / "tiny.yaml").write_text(yaml.safe_dump({**suite, "primary": stated}))
    return plan.load("tiny", folder)


@pytest.mark.parametrize(
    ("contrasts", "analyses", "kind", "facts"),
    [
        ([{**CONTRAST, "network": "custom-LSE-128px"}], [ANALYSIS], UnknownNameError, "network.*custom-LSE-128px.*custom-PCAM-128px"),
        ([{**CONTRAST, "method": "gradcam"}], [ANALYSIS], UnknownNameError, "method.*'gradcam'.*cam"),
        ([{**CONTRAST, "metod": "cam"}], [ANALYSIS], (DataError, UnknownNameError), "metod"),
        ([CONTRAST] * 4, [ANALYSIS], DataError, "primary.contrasts.* 3 "),
        ([CONTRAST], [{**ANALYSIS, "fitted_on": "nih-sample"}], UnknownNameError, "fitted_on.*nih-sample"),
        ([CONTRAST], [{**ANALYSIS, "floors": ["center"]}], DataError, "primary.*prior.*fixed_box"),
    ],
)
def test_primary_with_an_unknown_row_or_too_many_contrasts_is_refused(tmp_path, contrasts, analyses, kind, facts):
    with pytest.raises(kind, match=facts):
        load(tmp_path, contrasts, analyses)


def test_primary_of_a_suite_is_read_from_its_file(tmp_path):
    assert load(tmp_path, [CONTRAST]).primary == Primary(contrasts=[Contrast(**CONTRAST)], analyses=[Analysis(**ANALYSIS)])
