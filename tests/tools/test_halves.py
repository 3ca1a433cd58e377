"""Two halves of an entry's trainings: what they say of each other, and of which methods may be the best."""

import pytest

from benchmark.records import pack
from tests.benchmark.report.made_up import training
from tools import halves

HITS = {"cam": 11, "layercam": 11, "gradcam": 2}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Six trainings of two networks; under AVG the last three hit eight cases more, as if by another recipe."""
    folder = tmp_path_factory.mktemp("results")
    for pooling, shift in {"AVG": 8, "PCAM": 0}.items():
        for method, count in HITS.items():
            for seed in range(6):
                training(folder / "six", method, seed, count + shift * (seed > 2), pooling)
    pack(folder / "six")
    return folder


@pytest.mark.planted
def test_halves_of_one_recipe_do_not_differ_and_name_the_same_best_and_those_of_two_do(results, capsys):
    assert halves.main(["--suite", "six", "--results", str(results), "--trainings", "3"]) == 0
    of_avg, of_pcam = capsys.readouterr().out.split("custom PCAM: 3 trainings and 3 others")
    assert "3 of 3 differences exclude 0." in of_avg
    assert "0 of 3 differences exclude 0. May be the best: cam, layercam | cam, layercam." in of_pcam


def test_too_few_trainings_are_said_to_be_too_few(results, capsys):
    assert halves.main(["--suite", "six", "--results", str(results)]) == 2
    assert "has 10 trainings" in capsys.readouterr().err
