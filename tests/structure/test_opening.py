"""All code that opens files of users names the formats that it reads."""

import ast
from collections.abc import Iterator

import pytest
import yaml

from locus.datasets.io import images
from locus.flags.parser import CoreLoader
from tests.warm import ROOT

CODE = [file for part in ("locus", "tools/serve") for file in (ROOT / part).rglob("*.py")]
STATED = {"Image.open": {"formats"}, "torch.load": {"weights_only"}, "pd.read_csv": {"dtype"}}
STATED |= {"parquet.read_table": set(), "np.load": set(), "yaml.load": set()}
"""Function that opens files -> the arguments that name the format."""
NEVER = ["eval", "exec", "cv2.imread", "pickle.load", "pickle.loads", "pd.read_pickle", "torch.jit.load"]
NEVER += ["yaml.unsafe_load", "yaml.full_load"]
ONLY = {
    "torch.load": ["locus/backbones/weight_files.py"],
    "Image.open": ["locus/datasets/io/images.py"],
    "yaml.load": ["locus/flags/cli.py"],  # by a loader that is safe, see below
}
"""The only allowed call of each function."""
pytestmark = pytest.mark.structure


def calls() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield file, function and named arguments of all calls."""
    for file in CODE:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                words = {word.arg or "": ast.unparse(word.value) for word in node.keywords}
                yield str(file.relative_to(ROOT)), ast.unparse(node.func), words


def test_every_call_that_opens_an_image_names_the_formats():
    seen = [(file, name, words) for file, name, words in calls() if name in STATED]
    assert len(seen) > 5
    assert [
        (file, name) for file, name, words in seen if not STATED[name] <= {*words} and "**AS_TEXT" not in words and "" not in words
    ] == []
    assert [(file, name) for file, name, words in seen if "True" in (words.get("allow_pickle"), words.get("force"))] == []
    assert [(file, name) for file, name, words in seen if words.get("weights_only", "True") != "True"] == []
    for name, files in ONLY.items():
        assert sorted({file for file, called, _ in seen if called == name}) == files


def test_unsafe_readers_are_not_used_and_data_is_never_run_as_code():
    """Pitfall: eval on a CSV cell, pickle checkpoints."""
    assert [(file, name) for file, name, _ in calls() if name in NEVER] == []
    assert issubclass(CoreLoader, yaml.SafeLoader)


def test_images_of_other_formats_are_not_opened(tmp_path, monkeypatch):
    """An EPS file named .png: Pillow's EPS reader would start Ghostscript."""
    from PIL import Image

    from locus.benchmark.entries import files
    from locus.core.errors import DataError

    asked = []
    monkeypatch.setitem(Image.OPEN, "EPS", (lambda *words: asked.append(words), lambda start: True))
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n(%stdin) (r) file\n%%EOF\n")
    for read in (files.read_arrays, images.decode, images.frame):
        with pytest.raises(DataError, match=r"a\.png"):
            read(tmp_path / "a.png")
    assert asked == []
