"""Run the cells of a notebook and store their outputs: ``python -m tools.notebook [FILE]``, default docs/locus.ipynb.

Jupyter is not required: cells run in order in this process, and outputs are texts, HTML and PNG pictures.
"""

import ast
import base64
import contextlib
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")

from matplotlib import pyplot
from matplotlib.figure import Figure
from PIL import Image

FILE = Path(__file__).resolve().parents[1] / "docs/locus.ipynb"
DPI, COLOURS = 72, 200
"""Resolution and number of colours of the stored pictures, so that the file stays small."""


def executed(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook with the outputs of its code cells, which run in order in one name space."""
    pyplot.close("all")  # figures that are open in this process are not the notebook's
    space: dict[str, Any] = {"__name__": "notebook"}
    cells = []
    count = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            count += 1
            cell = {
                **cell,
                "execution_count": count,
                "outputs": _outputs("".join(cell["source"]), space),
            }
        cells.append(cell)
    return {**notebook, "cells": cells}


def _outputs(source: str, space: dict[str, Any]) -> list[dict[str, Any]]:
    """Run a cell; return what it printed, its open figures, and the value of its last expression."""
    tree = ast.parse(source)
    printed = io.StringIO()
    values = []
    last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "cell", "exec"), space)
        if last is not None:
            values.append(eval(compile(last, "cell", "eval"), space))
    outputs = (
        [{"output_type": "stream", "name": "stdout", "text": printed.getvalue()}]
        if printed.getvalue()
        else []
    )
    for value in [
        *map(pyplot.figure, pyplot.get_fignums()),
        *(value for value in values if value is not None),
    ]:
        outputs.append({"output_type": "display_data", "metadata": {}, "data": _data(value)})
    pyplot.close("all")
    return outputs


def _data(value: Any) -> dict[str, str]:
    """Return a value as Jupyter shows it: type -> content."""
    if isinstance(value, Figure):
        drawn = io.BytesIO()
        content = io.BytesIO()
        value.savefig(drawn, format="png", dpi=DPI, bbox_inches="tight")
        Image.open(drawn).convert("RGB").quantize(COLOURS).save(content, "PNG", optimize=True)
        return {
            "image/png": base64.b64encode(content.getvalue()).decode(),
            "text/plain": "a figure",
        }
    html = {"text/html": value._repr_html_()} if hasattr(value, "_repr_html_") else {}
    return {**html, "text/plain": repr(value)}


if __name__ == "__main__":
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    content = executed(json.loads(file.read_text(encoding="utf-8")))
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{file}: {time.process_time():.0f} s of CPU time")
