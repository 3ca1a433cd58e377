"""A new file with one class is a baseline: it is listed, planned in suites and scored."""

import re
from pathlib import Path

import numpy as np
import pytest

import locus
from locus.benchmark import baselines
from locus.benchmark.maps import method_code
from locus.benchmark.suite import cells, plan
from locus.config import RunConfig
from locus.core.baseline import Baseline, MapBaseline
from locus.core.errors import BadValueError, DataError, LocusError, UnknownNameError
from locus.core.registry import BASELINES, METHODS
from locus.flags import cli
from locus.methods.base import Method

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "add_a_baseline.md").read_text(), re.DOTALL)
FLAT = """
import numpy as np

from locus.core.baseline import MapBaseline


class Flat(MapBaseline):
    name = "{name}"
    why_unranked = "baseline: the same value everywhere"
    in_every_suite = {in_every_suite}

    def maps(self, samples, findings, grid, shape):
        return np.{values}((len(samples), len(findings), *shape))
"""


@pytest.fixture
def add(tmp_path, monkeypatch):
    """add(name, text): a file of the registry's folder, as if it had always been there."""

    def write(name, text):
        file = tmp_path / f"{name}.py"
        file.write_text(text)
        monkeypatch.setitem(BASELINES.packaged, name, file)

    return write


@pytest.fixture(scope="module")
def evaluated():
    """A network of the phantom and its images."""
    data = locus.load_dataset("phantom:train=32,val=16,test=12,prevalence=0.5", split="test")
    model = locus.build("custom", len(data.findings), findings=data.findings, pretrained=False, img_size=64)
    return model, data


def flat(name="flat", in_every_suite=True, values="ones"):
    return FLAT.format(name=name, in_every_suite=in_every_suite, values=values)


@pytest.mark.parametrize("name", BASELINES.names())
def test_a_baseline_sets_only_attributes_that_a_base_class_declares(name):
    baseline = baselines.get(name)
    declared = set()
    for base in baseline.__mro__[1:]:
        declared |= {*vars(base), *vars(base).get("__annotations__", {})}
    values = {attribute for attribute, value in vars(baseline).items() if isinstance(value, str | bool | int)}
    assert {value for value in values if not value.startswith("_")} <= declared
    assert issubclass(baseline, Baseline)
    assert baseline.why_unranked


def test_tables_list_baselines_in_this_order():
    assert baselines.names() == [
        *("fixed_box", "prior", "center", "noise", "untrained", "shuffled", "truth"),
        *("supervised", "supervised:boxes=5", "readers", "second readers"),
        *("fixed_point", "fixed_region", "empty_mask"),
    ]
    assert baselines.blind() == ["prior", "fixed_box"]
    assert baselines.in_every_suite() == ["fixed_box", "prior", "center", "noise", "untrained", "truth"]
    assert baselines.without_training() == ["fixed_box", "prior", "center", "noise", "truth"]
    assert baselines.beside_prior() == ["center", "noise", "untrained", "shuffled", "truth"]


def test_a_baseline_whose_maps_come_from_a_method_has_its_code_and_others_that_of_their_file():
    assert method_code("center") == method_code("center:sigma=0.25")
    assert method_code("untrained") == method_code("shuffled") == method_code("gradcam")
    assert len({method_code(name) for name in ("prior", "fixed_box", "truth", "supervised", "readers", "empty_mask")}) == 6


def test_a_new_file_is_in_every_suite_and_an_unlisted_one_only_on_request(add):
    add("flat", flat())
    add("asked", flat(name="asked", in_every_suite=False))
    suite = plan.load("demo")
    model = plan.models(suite)[0]
    planned = [cell.method for cell in cells.cells(suite, model) if cell.protocol == "single_box"]
    assert "flat" in planned
    assert "asked" not in planned
    requested = [cell.method for cell in cells.cells(suite, model, ["asked"]) if cell.protocol == "single_box"]
    assert "asked" in requested
    assert cli.build(RunConfig, {"suite": ("demo",), "method": ("flat", "asked")}).method == ("flat", "asked")


def test_evaluate_scores_the_maps_and_boxes_of_the_page_about_baselines(evaluated):
    model, data = evaluated
    classes = []
    for text in EXAMPLES:
        made = {"__name__": "example"}
        exec(compile(text, "example.py", "exec"), made)
        classes += [value for value in made.values() if getattr(value, "__module__", "") == "example"]
    with BASELINES.adding(classes):
        result = locus.evaluate(model, data, ["gradcam", "middle_box"], protocols=["pointing"], progress=False)
        table = result.table().set_index("method")
    rows = {record.cell.method: record for record in result.records}
    assert rows["brightness"].status == rows["middle_box"].status == "ok"
    assert 0 <= table.loc["brightness", "pointing"] <= 1
    assert 0 <= table.loc["middle_box", "pointing"] <= 1


def test_maps_of_another_shape_are_one_sentence(add, evaluated):
    add("flat", flat().replace("*shape", "3, 3"))
    _, data = evaluated
    samples = [sample for sample in data if sample.boxes]
    grid = locus.core.frames.conventional((64, 64), (8, 8))
    with pytest.raises(BadValueError, match=r"'flat' have the shape .*3, 3.*8, 8"):
        baselines.maps_of(baselines.build("flat"), samples, data.findings, grid, (8, 8))


def test_a_baseline_and_a_method_with_one_name_are_one_clear_error(add):
    add("cam", flat(name="cam"))
    with pytest.raises(DataError, match="'cam' is the name of a baseline and of a method"):
        baselines.names()


def test_a_method_with_the_name_of_a_baseline_is_the_same_error():
    class Prior(Method):
        name = "prior"

        def maps(self, evidence):
            return evidence.A[:, :1]

    with METHODS.adding([Prior]), pytest.raises(DataError, match="'prior' is the name of a baseline and of a method"):
        baselines.names()


def test_a_broken_file_disables_only_its_own_baseline(add, caplog):
    add("torn", "import a_library_that_nobody_has\n" + flat(name="torn"))
    assert "torn" not in baselines.names()
    assert "prior" in baselines.names()
    assert "a_library_that_nobody_has" in caplog.text


@pytest.mark.parametrize("name", ["supervised", "supervised:boxes=5", "readers", "second readers", "fixed_point"])
def test_evaluate_refuses_rows_that_only_a_suite_can_score(name, evaluated):
    model, data = evaluated
    with pytest.raises(BadValueError, match=f"only a suite can score the baseline '{name}'"):
        locus.evaluate(model, data, ["gradcam", name])


def test_rows_that_suites_have_by_themselves_cannot_be_selected():
    with pytest.raises(BadValueError, match="'readers' cannot be selected"):
        baselines.require_selectable(["cam", "prior", "readers"])


def test_an_unknown_baseline_and_one_that_cannot_be_created_are_sentences():
    class Broken(MapBaseline):
        name = "broken"
        why_unranked = "baseline"

        def __init__(self):
            raise RuntimeError("no table")

        def maps(self, samples, findings, grid, shape):
            return np.zeros((len(samples), len(findings), *shape))

    with pytest.raises(UnknownNameError, match=r"baseline.*'priro'.*'prior'"):
        baselines.get("priro")
    with BASELINES.adding([Broken]), pytest.raises(LocusError, match="'broken' cannot be created: RuntimeError: no table"):
        baselines.build("broken")
