"""The first table and the answer of suites that score the same maps by several protocols."""

import pytest

from locus.benchmark.records import Record, Score, pack, write
from locus.benchmark.report import detail_tables
from locus.benchmark.report.leaderboard import leaderboards
from locus.benchmark.report.table import WIDTH, as_text
from locus.benchmark.scoring import protocols
from tests.benchmark.report.made_up import cell

METHODS = ("cam", "layercam", "gradcam", "xgradcam", "hirescam")
VALUES = {"single_box": (0.9, 0.8, 0.7, 0.6, 0.5), "pointing": (0.9, 0.8, 0.7, 0.6, 0.5), "energy": (0.1, 0.2, 0.3, 0.4, 0.5)}
BASELINES = {"prior": 0.3, "truth": 1.0}


def records(protocol):
    scored_by = protocols.get(protocol)
    for name, value in {**dict(zip(METHODS, VALUES[protocol], strict=True)), **BASELINES}.items():
        score = Score(finding="mean", metric=scored_by.main, value=value, n=8, threshold_source=scored_by.main_source)
        of = cell(name, 0).model_copy(update={"protocol": protocol})
        yield Record(cell=of, scores=(score,))


@pytest.fixture
def board(tmp_path):
    """Two protocols of a suite, and the main protocol of the suite whose maps it scores."""
    for record in records("single_box"):
        write(record, tmp_path)
    pack(tmp_path)
    (board,) = leaderboards([*records("pointing"), *records("energy")], maps_of=tmp_path)
    return board


def test_table_has_a_column_per_protocol_and_the_best_methods_by_the_main_one(board):
    table = detail_tables.by_protocol(board)
    assert table.header[2:] == ("IoU > .3", "pointing", "energy")
    network = "small CNN with PCAM"
    assert table.rows[:3] == (
        (network, "cam", ".900", ".900", ".100"),
        (network, "layercam", ".800", ".800", ".200"),
        (network, "gradcam", ".700", ".700", ".300"),
    )
    assert table.rows[3:] == (("small CNN", "prior", ".300", ".300", ".300"), ("small CNN", "truth", "1.00", "1.00", "1.00"))
    assert table.footnote.startswith("2 more rows")
    assert max(map(len, as_text(table).splitlines())) <= WIDTH


@pytest.mark.byhand
def test_answer_counts_who_leads_and_gives_the_agreement_with_the_main_protocol(board):
    leads, order = detail_tables.protocol_sentences(board)
    assert leads == "`cam` leads in 1 of 2 combinations of network and protocol, `hirescam` in 1."
    assert order.endswith("mean over 1 network): pointing +1.00, energy −1.00.")
