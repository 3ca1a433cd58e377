"""Comparison of two sets of training runs."""

import pytest

from benchmark.records import pack
from tests.benchmark.report.made_up import training
from tools import halves

HITS = {"cam": 11, "layercam": 11, "gradcam": 2}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Write six training runs of two networks; with AVG the last three hit eight more cases, as if by another recipe."""
    folder = tmp_path_factory.mktemp("results")
    for pooling, shift in {"AVG": 8, "PCAM": 0}.items():
        for method, count in HITS.items():
            for seed in range(6):
                training(folder / "six", method, seed, count + shift * (seed > 2), pooling)
    pack(folder / "six")
    return folder


@pytest.mark.planted
def test_halves_differ_only_if_the_recipes_differ(results, capsys):
    assert halves.main(["--suite", "six", "--results", str(results), "--trainings", "3"]) == 0
    of_avg, of_pcam = capsys.readouterr().out.split("custom PCAM: 3 trainings and 3 others")
    assert "3 of 3 differences exclude 0." in of_avg
    assert "0 of 3 differences exclude 0. May be the best: cam, layercam | cam, layercam." in of_pcam


def test_too_few_training_runs_raise_an_error(results, capsys):
    assert halves.main(["--suite", "six", "--results", str(results)]) == 2
    assert "has 10 training runs" in capsys.readouterr().err
