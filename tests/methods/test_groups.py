"""The groups all, fast and slow, and methods defined outside the package."""

import logging
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from locus import methods
from locus.config import CheckConfig, HeatmapConfig
from locus.core import registry
from locus.core.errors import BadValueError, DataError, NotAvailableError, UnknownNameError
from locus.explaining.batch import explain
from locus.flags import cli, parser
from locus.methods import FAST_NEEDS
from tests.warm import Running

ROOT = Path(__file__).resolve().parents[2]
MINE = """
from locus import GradientMethod


class Mine(GradientMethod):
    '''A method of a plugin folder.'''

    name = {name!r}
    source = "test"

    def weights(self, A, G):
        return G.mean((-2, -1), keepdim=True)
"""


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Return a function that writes files into a plugin folder, ``methods`` of a new working folder."""

    def write(**files):
        (tmp_path / "methods").mkdir()
        for name, text in files.items():
            (tmp_path / "methods" / f"{name}.py").write_text(text)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("LOCUS_PLUGINS", "methods")
        return tmp_path

    return write


def test_groups_contain_every_method_once_and_fast_ones_need_one_forward_pass():
    assert methods.expand(["all"]) == methods.names()
    fast, slow = methods.expand(["fast"]), methods.expand(["slow"])
    assert sorted(fast + slow) == methods.names()
    assert all(methods.get(word).needs <= FAST_NEEDS and not methods.get(word).costly for word in fast)
    assert {"cam", "gradcam", "gradcampp", "center", "noise"} <= set(fast)
    assert not methods.is_fast("gradcam:smooth=eigen")


def test_expanding_keeps_the_order_and_drops_duplicates():
    words = methods.expand(["gradcampp", "noise:seed=3", "fast", "gradcampp", "all"])
    assert words[:2] == ["gradcampp", "noise:seed=3"]
    assert sorted(words) == sorted({"noise:seed=3", *methods.names()})


def test_names_are_accepted_in_any_spelling_in_python():
    assert methods.expand(["Grad-CAM++", "score cam:masks=3", "ALL"])[:2] == ["gradcampp", "scorecam:masks=3"]
    assert methods.build("Integrated-Gradients").name == "integrated_gradients"


def test_a_method_of_the_plugin_folder_is_listed_built_and_in_its_group_without_running_others(written):
    folder = written(mine=MINE.format(name="theirs"), torn="class Torn(:")
    assert methods.names()[-2:] == ["theirs", "torn"]
    assert not [name for name in sys.modules if name.startswith("outside_mine_") and str(folder) in str(sys.modules[name])]
    assert methods.is_fast("theirs")
    assert methods.build("Theirs").name == "theirs"
    assert "theirs" in methods.expand(["fast"])
    assert parser.checked(HeatmapConfig, "method", ("theirs",)) == ("theirs",)


def test_the_command_line_lists_methods_of_the_plugin_folder_without_torch(written):
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.modules['torch'] = None; import heatmap; heatmap.main(['--help'])"
    folder = written(mine=MINE.format(name="theirs"))
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert re.search("One of: all, fast, slow, ablationcam, .*, xgradcam, theirs[.]", " ".join(done.stdout.split()))


def test_a_folder_called_methods_in_the_working_folder_is_not_read(written, monkeypatch):
    folder = written(mine=MINE.format(name="theirs"))
    monkeypatch.delenv("LOCUS_PLUGINS")
    assert "theirs" not in methods.names()
    with pytest.raises(UnknownNameError, match="--plugins FOLDER"):
        parser.checked(HeatmapConfig, "method", ("theirs",))
    monkeypatch.setenv("LOCUS_PLUGINS", "")  # the flag below sets the variable, and this test restores it
    config, _ = cli.parse(CheckConfig, ["--method", "theirs", "--plugins", str(folder / "methods")], "check")
    assert config.method == ("theirs",)


def test_a_plugin_folder_that_does_not_exist_raises_an_error_with_its_path(monkeypatch, tmp_path):
    monkeypatch.setenv("LOCUS_PLUGINS", str(tmp_path / "absent"))
    with pytest.raises(DataError, match="/absent of --plugins"):
        methods.names()


def test_a_file_of_flags_cannot_set_a_plugin_folder(tmp_path):
    (tmp_path / "flags.yaml").write_text("plugins: elsewhere\n")
    with pytest.raises(BadValueError, match=r"sets plugins.*use --plugins"):
        cli.parse(CheckConfig, ["--config", str(tmp_path / "flags.yaml")], "check")


@pytest.fixture
def declared(tmp_path, monkeypatch):
    """declared(name): an installed package whose entry point ``name`` is a method called ``theirs``."""

    def declare(name):
        (tmp_path / "their_package.py").write_text(MINE.format(name="theirs"))
        (tmp_path / "their_package-1.dist-info").mkdir()
        (tmp_path / "their_package-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: their_package\nVersion: 1\n")
        (tmp_path / "their_package-1.dist-info/entry_points.txt").write_text(f"[locus.methods]\n{name} = their_package:Mine\n")
        monkeypatch.syspath_prepend(tmp_path)
        return registry.Registry("locus.methods", "method", group="locus.methods")

    yield declare
    sys.modules.pop("their_package", None)


def test_an_entry_point_of_an_installed_package_is_a_method_and_is_imported_on_use(declared, tmp_path):
    found = declared("theirs")
    assert found.names()[-1] == "theirs"
    assert "their_package" not in sys.modules
    assert found.get("theirs").name == "theirs"
    assert found.file_of("theirs") == tmp_path / "their_package.py"


def test_an_entry_point_with_the_name_of_a_method_of_locus_raises_an_error(declared):
    with pytest.raises(DataError, match="cam = their_package:Mine"):
        declared("cam").names()


def test_an_entry_point_whose_class_has_another_name_raises_an_error(declared):
    with pytest.raises(NotAvailableError, match=r"their_package:Mine.*'other'"):
        declared("other").get("other")


def test_a_broken_file_counts_as_slow_and_does_not_affect_others(written, caplog):
    written(torn="class Torn(:")
    with caplog.at_level(logging.WARNING):
        assert "cam" in methods.expand(["fast"])
    assert "SyntaxError" in caplog.text
    assert "torn" in methods.expand(["slow"])


def test_a_method_named_like_a_group_raises_an_error_with_its_file(written):
    written(fast=MINE.format(name="fast"))
    with pytest.raises(DataError, match=r"'fast' \(.*/methods/fast\.py\)"):
        methods.names()


def test_a_method_from_a_file_works(written, model, images):
    maps = explain(model, images, ["cam", f"{written(mine=MINE.format(name='mine'))}/methods/mine.py:Mine"])
    assert maps["mine"].shape == maps["cam"].shape
    assert not torch.equal(maps["mine"], maps["cam"])


@pytest.mark.structure
def test_a_new_file_in_methods_is_a_method_without_other_edits(written):
    folder = written(mine=MINE.format(name="mine"))
    shutil.copytree(ROOT / "locus", folder / "locus")
    (folder / "methods" / "mine.py").rename(folder / "locus" / "methods" / "mine.py")
    code = "import locus; assert 'mine' in locus.methods.names(); print(locus.methods.build('mine').name, locus.methods.__file__)"
    (folder / "ask.py").write_text(code)
    done = Running("ask.py", [], folder, root=folder).done()
    assert done.stdout == f"mine {folder}/locus/methods/__init__.py\n", done.stderr


@pytest.mark.parametrize("body", ["class X: pass", "import locus\nclass X(locus.Method): pass"])
def test_a_class_that_is_not_a_method_raises_a_clear_error(written, body):
    with pytest.raises(BadValueError, match=r"x\.py:X.*import GradientMethod"):
        methods.build(f"{written(x=body)}/methods/x.py:X")


PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCKS = [block for page in PAGES for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)]
WRITTEN = [block for block in BLOCKS if re.search(r"^class \w+\(.*Method\):", block, re.MULTILINE)]


@pytest.mark.parametrize("block", WRITTEN, ids=lambda block: re.search(r"class (\w+)", block)[1])
def test_a_method_of_the_pages_works_as_a_file_of_the_working_folder(written, model, images, block):
    written(mine="import locus\n" + block.split("\n\n\nmine = ")[0])
    (name,) = [name for name in methods.names() if name not in methods.registry.packaged]
    assert explain(model, images[:1], [name])[name].shape[:2] == (1, 3)
