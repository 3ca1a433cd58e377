"""The structure of the code: imports, names and sizes."""

import ast
import collections
import functools
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from locus.backbones import TOKEN
from locus.backbones.pooling import ATTENTIONS, POOLINGS
from locus.benchmark.executors import EXECUTORS
from locus.benchmark.training.losses import LOSSES
from locus.config import RunConfig, TrainConfig
from locus.core import errors
from locus.core.registry import DATASETS, METHODS, PROTOCOLS, module_name
from locus.flags import parser
from locus.flags.parser import Named

ROOT = Path(__file__).resolve().parents[2]
FILES = [*sorted(path for package in ("locus", "tools") for path in (ROOT / package).rglob("*.py")), ROOT / "main.py", ROOT / "heatmap.py"]
TEXTS = [p for p in subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n") if p]
REGISTRIES = (METHODS, DATASETS, PROTOCOLS)
ENTRY_POINTS = (
    "main", "heatmap", "benchmark.run", "benchmark.check", "benchmark.export",
    "benchmark.score", "benchmark.compare", "benchmark.gallery",
    "benchmark.audit.__main__",
)  # fmt: skip
pytestmark = pytest.mark.structure


@functools.cache
def parsed(path):
    return ast.parse(path.read_text())


@pytest.fixture(scope="module", autouse=True)
def _nothing_stays_in_memory():
    yield
    parsed.cache_clear()


def python(code, *words):
    return subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=False)


def test_imports_point_to_lower_packages_and_parts_do_not_import_each_other():
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_there_are_no_circular_imports():
    """The ``__init__`` of a package is excluded, because it re-exports names of its modules."""
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in FILES if path.name != "__init__.py"}
    graph = {}
    for name, path in modules.items():
        imports = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.ImportFrom) and node.module]
        graph[name] = {
            part for node in imports for part in (node.module, *(f"{node.module}.{each.name}" for each in node.names))
        } & modules.keys()
    graphlib.TopologicalSorter(graph).prepare()  # CycleError names the files


@pytest.mark.slow
def test_other_libraries_can_be_imported_despite_the_name_datasets():
    libraries = "datasets, timm, lightning, torchmetrics, captum, torchvision"
    done = python(f"import {libraries}, locus.datasets; assert locus.datasets.names(); print('fine')")
    assert done.stdout == "fine\n", done.stderr


def test_the_flags_import_only_their_parser_and_core():
    modules = {node.module for node in ast.walk(ast.parse((ROOT / "config.py").read_text())) if isinstance(node, ast.ImportFrom)}
    assert {module for module in modules if module.startswith("locus") and not module.startswith(("locus.core", "locus.flags"))} == set()


def test_class_names_are_unique():
    """Parts may share the name of their paper: attention ``CAM``, method ``CAM``."""
    parts = {"locus/datasets", "locus/methods", "locus/scoring/protocols", "locus/backbones"}
    names = collections.Counter(
        node.name
        for path in FILES
        if str(path.parent.relative_to(ROOT)) not in parts
        for node in parsed(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_the_file_of_a_part_has_its_name_in_lower_case():
    for registry in (METHODS, DATASETS):
        assert [word for word, path in registry.files.items() if module_name(path) != word.lower()] == []


@pytest.mark.parametrize(
    ("flag", "parts"),
    [("global_pool", (*POOLINGS, TOKEN)), ("attention_map", {"none": None, **ATTENTIONS}), ("loss", LOSSES), ("executor", EXECUTORS)],
)
def test_a_flag_names_the_parts_that_there_are(flag, parts):
    marks = parser.constraints_of(RunConfig if flag == "executor" else TrainConfig, flag)
    assert [mark.known() for mark in marks if isinstance(mark, Named)] == [[*parts]]


@pytest.mark.parametrize("name", PROTOCOLS.names())
def test_a_protocol_sets_only_attributes_that_a_base_class_declares(name):
    protocol = PROTOCOLS.get(name)
    declared = {attribute for base in protocol.__mro__[1:] for attribute in [*vars(base), *vars(base).get("__annotations__", {})]}
    values = {attribute for attribute, value in vars(protocol).items() if isinstance(value, str | bool)}
    assert {value for value in values if not value.startswith("_")} <= declared


def test_no_code_catches_all_exceptions_without_raising_them_again():
    handlers = [(path, node) for path in FILES for node in ast.walk(parsed(path)) if isinstance(node, ast.ExceptHandler)]
    swallowing = [(path, node) for path, node in handlers if not isinstance(node.body[-1], ast.Raise)]
    assert [f"{p}:{n.lineno}" for p, n in swallowing if n.type is None or ast.unparse(n.type) in ("Exception", "BaseException")] == []


def test_every_error_is_one_sentence():
    """Neither a line break nor the end of a sentence stands in the text of an error."""
    classes = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, errors.LocusError)}
    nodes = [(path, node) for path in FILES for node in ast.walk(parsed(path))]
    calls = [(path, node) for path, node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) in classes]
    words = [(path, word) for path, call in calls for word in ast.walk(call) if isinstance(word, ast.Constant)]
    texts = [(path, word.lineno, word.value) for path, word in words if isinstance(word.value, str)]
    assert len(texts) > 100
    assert [(str(path), line, text) for path, line, text in texts if re.search(r"\n|[a-z)]\. [A-Z]|[a-z)]\.$", text)] == []


def test_no_committed_text_contains_a_local_path():
    pattern = re.compile(r"(?<![\w.])/(?:home|root|work|Users)/\w")
    binary = (".png", ".npz", ".parquet", ".ckpt", ".safetensors", ".zip", ".gz", ".xz")
    suspicious = [p for p in TEXTS if not p.endswith(binary) and (ROOT / p).is_file()]
    assert [
        p for p in suspicious if pattern.search((ROOT / p).read_text(encoding="utf-8")) and p != "tests/structure/test_structure.py"
    ] == []


HELP = """
import importlib, io, sys
from contextlib import redirect_stdout
sys.modules["torch"] = None
for name in sys.argv[1:]:
    with redirect_stdout(io.StringIO()) as said:
        try:
            importlib.import_module(name).main(["--help"])
        except SystemExit as end:
            assert not end.code, name
    assert "--" in said.getvalue(), name
"""


def test_help_does_not_import_torch():
    done = python(HELP, *ENTRY_POINTS)
    assert done.returncode == 0, done.stderr
