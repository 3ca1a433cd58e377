"""Only settings that the table lacks are simulated."""

import pandas as pd
import pytest

from tools.coverage.__main__ import main
from tools.coverage.worlds import NAME, settings


@pytest.mark.commands
def test_only_the_missing_setting_is_simulated(tmp_path, capsys):
    table = pd.read_csv("tools/coverage/coverage.csv", dtype=str)
    missing = table[list(NAME)].eq(settings()[0].name).all(axis=1)
    table[~missing].to_csv(tmp_path / "table.csv", index=False)
    assert main(["--worlds", "2", "--table", str(tmp_path / "table.csv"), "--output", str(tmp_path / "page.md")]) == 0
    again = pd.read_csv(tmp_path / "table.csv", dtype=str)
    assert again[: (~missing).sum()].equals(table[~missing].reset_index(drop=True))
    assert set(again[(~missing).sum() :].worlds) == {"2"}
    assert len(again) == len(table)
    assert capsys.readouterr().out.count("Simulation(") == 1
    assert "## Training runs" in (tmp_path / "page.md").read_text()


def test_there_are_at_most_60_settings_and_no_two_are_the_same():
    names = [setting.name for setting in settings()]
    assert len(names) == len(set(names)) <= 60
