"""The groups all, fast and slow, and methods of installed packages."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

import methods
from config import HeatmapConfig
from core.cli.constraints import Named, constraints_of
from core.errors import DataError
from core.registry import Registry
from methods.base import FAST

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = '''
import methods


class {kind}(methods.GradientMethod):
    """A method of an installed package."""

    name = "{name}"
    source = "test"

    def weights(self, A, G):
        return G.mean((-2, -1), keepdim=True)
'''


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return a function that installs a distribution with one method per module."""

    def install(**modules):
        info = tmp_path / "site" / "plugins-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugins\nVersion: 1.0\n")
        points = [f"{name} = plugin_{name}:{name.title()}" for name in modules]
        (info / "entry_points.txt").write_text("\n".join(["[locus.methods]", *points]))
        for name, text in modules.items():
            (info.parent / f"plugin_{name}.py").write_text(text)
        monkeypatch.syspath_prepend(info.parent)
        monkeypatch.setattr(methods, "registry", Registry("methods", "method", "locus.methods"))
        return info.parent

    return install


def plugin(name):
    return PLUGIN.format(name=name, kind=name.title())


def test_groups_contain_every_method_once_and_fast_ones_need_one_forward_pass():
    assert methods.expand(["all"]) == methods.names()
    fast, slow = methods.expand(["fast"]), methods.expand(["slow"])
    assert sorted(fast + slow) == methods.names()
    assert all(methods.get(word).needs <= FAST and not methods.get(word).costly for word in fast)
    assert {"cam", "gradcam", "gradcampp", "center", "noise"} <= set(fast)


def test_expanding_keeps_the_order_and_drops_duplicates():
    words = methods.expand(["gradcampp", "noise:seed=3", "fast", "gradcampp", "all"])
    assert words[:2] == ["gradcampp", "noise:seed=3"]
    assert sorted(words) == sorted({"noise:seed=3", *methods.names()})


def test_names_are_accepted_in_any_spelling_in_python():
    assert methods.expand(["Grad-CAM++", "score cam:masks=3", "ALL"])[:2] == ["gradcampp", "scorecam:masks=3"]
    assert methods.build("Integrated-Gradients").name == "integrated_gradients"


def test_a_method_of_an_installed_package_is_listed_built_and_in_its_group(installed):
    installed(theirs=plugin("theirs"))
    assert "theirs" in methods.names()
    assert "plugin_theirs" not in sys.modules
    assert methods.build("theirs").name == "theirs"
    assert "theirs" in methods.expand(["fast"])


def test_the_command_line_accepts_installed_methods_and_groups_without_torch(installed):
    site = installed(theirs=plugin("theirs"))
    code = f"import sys; sys.path.insert(0, {str(site)!r}); sys.modules['torch'] = None; import heatmap; heatmap.main(['--help'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    told = " ".join(done.stdout.split())
    assert "One of: all, fast, slow, " in told
    assert "theirs" in told


def test_the_flag_accepts_all_groups():
    named = next(mark for mark in constraints_of(HeatmapConfig, "method") if isinstance(mark, Named))
    assert (named.also, named.group) == (methods.GROUPS, methods.registry.group)


def test_a_broken_package_counts_as_slow_and_does_not_affect_others(installed, caplog):
    installed(torn="import a_library_that_nobody_has", nomethod="class Nomethod:\n    name = 'nomethod'\n")
    with caplog.at_level(logging.WARNING):
        assert "cam" in methods.expand(["fast"])
    assert "a_library_that_nobody_has" in caplog.text
    assert {"torn", "nomethod"} <= set(methods.expand(["slow"]))


def test_a_method_named_like_a_group_raises_an_error_with_its_file(installed):
    installed(fast=plugin("fast"))
    with pytest.raises(DataError, match=r"'fast' \(plugin_fast:Fast\)"):
        methods.names()
