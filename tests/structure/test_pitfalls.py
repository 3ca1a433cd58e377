"""Data is never run as code."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [path for part in ("core", "datasets", "backbones", "methods", "benchmark") for path in sorted((ROOT / part).rglob("*.py"))]


def calls(path):
    """Return the calls of functions with dangerous names."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return [node for node in nodes if getattr(node.func, "attr", getattr(node.func, "id", "")) in {"eval", "exec", "load", "loads"}]


@pytest.mark.structure
def test_no_eval_of_a_csv_cell_and_no_pickle_checkpoints():
    """Pitfall: eval on a CSV cell, pickle checkpoints."""
    found = [(path.name, node) for path in SOURCES for node in calls(path)]
    named = {(name, ast.unparse(node.func)) for name, node in found}
    assert not {pair for pair in named if pair[1] in {"eval", "exec", "pickle.load", "pickle.loads"}}
    loads = [node for _, node in found if ast.unparse(node.func) == "torch.load"]
    assert loads
    assert all("weights_only=True" in ast.unparse(node) for node in loads)
