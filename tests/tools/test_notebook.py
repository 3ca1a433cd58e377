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


def printed(notebook):
    """The texts that the cells print."""
    return [output["text"] for cell in notebook["cells"] for output in cell.get("outputs", ()) if output.get("name") == "stdout"]


def table_cells(notebook):
    """The cells of the table, row by row: numbers as floats."""
    (table,) = (o["data"]["text/html"] for cell in notebook["cells"] for o in cell.get("outputs", ()) if "text/html" in o.get("data", {}))
    texts = re.findall(r"<t[dh]>(.*?)</t[dh]>", table)
    return [float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else text for text in texts]


@pytest.mark.commands
def test_every_cell_runs_and_gives_what_is_stored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    again = executed(NOTEBOOK)
    assert kinds(again) == kinds(NOTEBOOK)
    assert [kind for of_cell in kinds(again) for kind in of_cell] == [
        ["stdout"], *[["image/png", "text/plain"]] * 2, ["text/html", "text/plain"], ["image/png", "text/plain"],
    ]  # fmt: skip
    assert printed(again) == printed(NOTEBOOK)
    stored = table_cells(NOTEBOOK)
    numbers = [cell for cell in stored if isinstance(cell, float)]
    assert len(numbers) > 100
    assert table_cells(again) == [pytest.approx(cell, abs=0.0011) if isinstance(cell, float) else cell for cell in stored]
    assert {"squarecam", "gradcampp", "cam", "prior"} <= {*stored}


def test_stored_notebook_is_small_and_names_no_folder_of_its_machine():
    assert FILE.stat().st_size <= 300_000
    assert len(NOTEBOOK["cells"]) <= 12
    assert not re.search(r"/(root|home|tmp|work|Users)/", FILE.read_text(encoding="utf-8"))
