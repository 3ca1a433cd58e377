"""The notebook of the documentation: its cells run in order, and what is stored with them is small and names no folder."""

import json
import re

import pytest

from tools.notebook import FILE, executed

NOTEBOOK = json.loads(FILE.read_text(encoding="utf-8"))


def kinds(notebook):
    """The types of the outputs of each code cell."""
    codes = (cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    return [[sorted(output.get("data", {output.get("name"): ""})) for output in cell["outputs"]] for cell in codes]


@pytest.mark.commands
def test_every_cell_runs_and_gives_what_is_stored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    again = executed(NOTEBOOK)
    assert kinds(again) == kinds(NOTEBOOK)
    assert [kind for of_cell in kinds(again) for kind in of_cell] == [
        ["stdout"], *[["image/png", "text/plain"]] * 2, ["text/html", "text/plain"], ["image/png", "text/plain"],
    ]  # fmt: skip
    (table,) = (o["data"]["text/html"] for cell in again["cells"] for o in cell.get("outputs", ()) if "text/html" in o.get("data", {}))
    assert {"squarecam", "gradcampp", "cam", "prior"} <= {*re.findall(r"\w+", table)}


def test_stored_notebook_is_small_and_names_no_folder_of_its_machine():
    assert FILE.stat().st_size <= 300_000
    assert len(NOTEBOOK["cells"]) <= 12
    assert not re.search(r"/(root|home|tmp|work|Users)/", FILE.read_text(encoding="utf-8"))
