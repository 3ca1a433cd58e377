"""The overview of all suites: rank agreement of two suites."""

import re
from dataclasses import replace

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
    text = (tmp_path / "rank_agreement.md").read_text()
    assert "| a | b | small CNN with AVG | 5 | −1.00 [−1.00, −0.80] | 0.017 |" in text  # 2 of the 120 orders
    assert "| a | b | small CNN with PCAM | 5 | 1.00 [0.80, 1.00] | 0.017 |" in text
    assert "small CNN with LSE" not in text  # two methods
    assert "| a | c |" not in text  # both have images of the phantom
    page, overview = ((tmp_path / name).read_text() for name in ("rank_agreement.html", "index.html"))
    assert "−1.00 [−1.00, −0.80]" in page
    assert "−1.00 [−1.00, −0.80]" not in overview
    assert '<a href="rank_agreement.html">' in overview


def test_a_single_suite_has_no_rank_agreement(tmp_path):
    tables.index(tmp_path, suite(tmp_path / "a", [0], PCAM=FEW))
    for file in ("README.md", "index.html"):
        assert "Rank agreement" not in (tmp_path / file).read_text()
    assert not (tmp_path / "rank_agreement.html").exists()
    assert "| [a](a/leaderboard.md) | – | `layercam` .900 |" in (tmp_path / "README.md").read_text()


def test_radiographs_come_first_and_each_suite_has_one_line(tmp_path):
    with_prior = FEW | {"prior": 2, "fixed_box": 1}
    drawn, radiographs = suite(tmp_path / "a", PCAM=with_prior), suite(tmp_path / "b", dataset="NIH", PCAM=with_prior)
    (of_drawn,) = drawn[tmp_path / "a"]
    by_code = [record.model_copy(update={"data": {"source": "drawn by code"}}) for record in of_drawn.leaderboard.records]
    drawn = {tmp_path / "a": [DatasetTables(replace(of_drawn.leaderboard, records=by_code))]}
    tables.index(tmp_path, {**drawn, **radiographs})
    text = (tmp_path / "README.md").read_text()
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == ["## Radiographs", "## Images drawn by code"]
    lines = [line for line in text.splitlines() if line.startswith("| [")]
    assert [line[:5] for line in lines] == ["| [b]", "| [a]"]
    assert all(re.search(r"\| `layercam` \.900, \+\.800 \[.*\], above \|$", line) for line in lines)
