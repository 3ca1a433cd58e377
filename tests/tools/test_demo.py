"""The last step of ``make demo``."""

from pathlib import Path

import pytest

from locus.core.errors import DataError
from tools.demo import best_run

ROOT = Path(__file__).resolve().parents[2]


def test_the_best_row_of_the_suite_demo_names_the_run_and_the_method_that_are_drawn():
    first = next(line for line in (ROOT / "results/demo/leaderboard.md").read_text().splitlines() if line.startswith("**Best**"))
    run, method = best_run(ROOT / "results/demo", Path("runs/suites/demo"))
    assert first.startswith(f"**Best**: `{method}` on small CNN with PCAM")
    assert run.as_posix().startswith("runs/suites/demo/custom-PCAM-fold0-")


def test_results_without_a_method_are_one_sentence(tmp_path):
    with pytest.raises(DataError, match="no scored method: run `make demo` again"):
        best_run(tmp_path, tmp_path)
