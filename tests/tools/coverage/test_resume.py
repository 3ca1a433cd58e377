"""A table that lacks a setting is completed, and nothing else is simulated again."""

import pandas as pd
import pytest

from tools.coverage.__main__ import main


@pytest.mark.doors
def test_only_the_missing_setting_is_simulated(tmp_path, capsys):
    table = pd.read_csv("tools/coverage/coverage.csv")
    table[3:].to_csv(tmp_path / "table.csv", index=False)
    assert main(["--worlds", "2", "--table", str(tmp_path / "table.csv"), "--output", str(tmp_path / "page.md")]) == 0
    again = pd.read_csv(tmp_path / "table.csv")
    assert again[:-3].equals(table[3:].reset_index(drop=True))
    assert again[-3:]["worlds"].tolist() == [2, 2, 2]
    assert capsys.readouterr().out.count("Simulation(") == 1
    assert "## In short" in (tmp_path / "page.md").read_text()
