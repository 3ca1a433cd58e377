"""The overview of all suites: rank agreement of two suites."""

import pytest

from locus.benchmark.records import load, pack
from locus.benchmark.report import tables
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.leaderboard import leaderboards
from locus.benchmark.report.page import DatasetTables
from tests.benchmark.report.made_up import training

UP = {"cam": 2, "gradcam": 6, "hirescam": 10, "xgradcam": 14, "layercam": 18}
DOWN = dict(zip(UP, [*UP.values()][::-1], strict=True))
FEW = {"cam": 2, "layercam": 18}


def suite(folder, seeds=(0, 1, 2), dataset="phantom", **networks):
    """The tables of a suite whose networks, by pooling, hit so often by each method."""
    for pooling, methods in networks.items():
        for method, count in methods.items():
            for seed in seeds:
                training(folder, method, seed, count, pooling, dataset=dataset)
    pack(folder)
    return {folder: [DatasetTables(board) for board in leaderboards(load(folder), CaseFolders(folder))]}


@pytest.mark.planted
def test_methods_are_compared_on_each_network_of_two_suites_without_common_images(tmp_path):
    one, other = suite(tmp_path / "a", PCAM=UP, AVG=UP, LSE=FEW), suite(tmp_path / "b", [0], "NIH", PCAM=UP, AVG=DOWN, LSE=FEW)
    tables.index(tmp_path, {**other, **one, **suite(tmp_path / "c", PCAM=DOWN)})
    text = (tmp_path / "README.md").read_text()
    assert "| a | b | small CNN with AVG | 5 | −1.00 [−1.00, −0.80] | 0.017 |" in text  # 2 of the 120 orders
    assert "| a | b | small CNN with PCAM | 5 | 1.00 [0.80, 1.00] | 0.017 |" in text
    assert "small CNN with LSE" not in text.split("## Rank agreement")[1]  # two methods
    assert "| a | c |" not in text  # both have images of the phantom
    assert "Rank agreement between suites" in (tmp_path / "index.html").read_text()


def test_a_single_suite_has_no_rank_agreement(tmp_path):
    tables.index(tmp_path, suite(tmp_path / "a", [0], PCAM=FEW))
    for file in ("README.md", "index.html"):
        assert "Rank agreement" not in (tmp_path / file).read_text()
    assert (
        "| [a](a/leaderboard.md) | – | `layercam` on small CNN with PCAM (one run): .900 [.010, .990] |"
        in (tmp_path / "README.md").read_text()
    )
