"""Every place that opens a file of others states which formats it reads: nothing else is even tried."""

import ast
from collections.abc import Iterator

import pytest

from datasets.io import images
from tests.warm import ROOT

CODE = [file for part in ("core", "datasets", "backbones", "methods", "benchmark", "tools/serve") for file in (ROOT / part).rglob("*.py")]
STATED = {
    "Image.open": {"formats"},
    "torch.load": {"weights_only"},
    "pd.read_csv": {"dtype"},
    "parquet.read_table": set(),
    "np.load": set(),
}
"""Who opens files -> the arguments by which a call says what it reads."""
NEVER = ("cv2.imread", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "pickle.load", "pickle.loads", "pd.read_pickle", "torch.jit.load")
ONLY = {"torch.load": ["backbones/torch_files.py"], "Image.open": ["benchmark/report/charts/figures.py", "datasets/io/images.py"]}
"""The one place for each; charts open the pictures that they have just drawn."""
pytestmark = pytest.mark.structure


def calls() -> Iterator[tuple[str, str, dict[str, str]]]:
    """File, function, and its arguments by name, of each call in the product."""
    for file in CODE:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                words = {word.arg or "": ast.unparse(word.value) for word in node.keywords}
                yield str(file.relative_to(ROOT)), ast.unparse(node.func), words


def test_whoever_opens_a_file_says_which_formats_it_reads():
    seen = [(file, name, words) for file, name, words in calls() if name in STATED]
    assert len(seen) > 5
    assert [
        (file, name) for file, name, words in seen if not STATED[name] <= {*words} and "**AS_TEXT" not in words and "" not in words
    ] == []
    assert [(file, name) for file, name, words in seen if "True" in (words.get("allow_pickle"), words.get("force"))] == []
    assert [(file, name) for file, name, words in seen if words.get("weights_only", "True") != "True"] == []
    for name, files in ONLY.items():
        assert sorted({file for file, called, _ in seen if called == name}) == files


def test_nothing_is_opened_by_what_runs_code_or_guesses():
    assert [(file, name) for file, name, _ in calls() if name in NEVER] == []


def test_an_image_of_another_format_is_not_even_tried(tmp_path, monkeypatch):
    """An EPS named .png: Pillow's reader of EPS would start Ghostscript where it is installed."""
    from PIL import Image

    from benchmark.external import arrays
    from core.errors import DataError

    asked = []
    monkeypatch.setitem(Image.OPEN, "EPS", (lambda *words: asked.append(words), lambda start: True))
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n(%stdin) (r) file\n%%EOF\n")
    for read in (arrays.read, images.decode, images.frame):
        with pytest.raises(DataError, match=r"a\.png"):
            read(tmp_path / "a.png")
    assert asked == []
