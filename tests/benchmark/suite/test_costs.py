"""Cost of a method: known work and known memory are measured."""

import pytest
import torch

import backbones
import methods
from benchmark.explain import cost
from benchmark.records import costs
from benchmark.suite import costs as suite_costs
from benchmark.suite import selection
from config import RunConfig
from core.errors import DataError, NotAvailableError
from methods.base import Method

MIB = 2**18
"""Floats of a MiB."""


class Busy(Method):
    """Holds 64 MiB for a while; the sum of each MiB is work."""

    name = "busy"

    def maps(self, evidence):
        held = torch.ones(64, MIB)
        return evidence.A.new_zeros(len(evidence.images), len(evidence.findings), 4, 4) + held.sum()


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return backbones.build("custom", 3, "AVG").eval()


@pytest.fixture(scope="module")
def images():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def test_memory_is_that_of_the_tensors_alive_at_once(network, images):
    forward, busy = cost.spent(network, images, methods.build("center")), cost.spent(network, images, Busy())
    assert busy["mib"] == pytest.approx(64, abs=forward["mib"])
    assert forward["mib"] < 8


def test_all_forward_passes_are_measured(network, images):
    four = methods.build("occlusion:window=32,stride=32")  # and one that hides nothing
    spent = {part.name: cost.spent(network, images, part) for part in (methods.build("center"), methods.build("gradcam"), four)}
    assert spent["occlusion"]["ms"] > 2 * spent["gradcam"]["ms"]
    assert spent["gradcam"]["ms"] > 0.5 * spent["center"]["ms"] > 0  # both are mostly the one forward pass


def test_unsupported_method_has_no_cost(network, images):
    with pytest.raises(NotAvailableError):
        cost.spent(network, images, methods.build("pcam"))


@pytest.fixture
def planned(tmp_path):
    """Three methods that serve its network, one that does not; two trainings."""
    (tmp_path / "tiny.yaml").write_text(
        "title: Tiny\nabout: Of a test.\ntrain: {dataset: 'phantom:train=4,val=4,test=4', img_size: 64, pretrained: false}\n"
        "models: [{backbone: custom, global_pool: AVG}]\nseeds: [0, 1]\nmethods: [cam, pcam]\n"
    )
    config = RunConfig(suites=str(tmp_path), cache_dir=str(tmp_path / "cache"))
    return selection.planned_cells(selection.read_suite("tiny", config)), config


def test_each_network_and_method_is_measured_once_and_again_on_another_machine(planned, tmp_path):
    folder, text = tmp_path / "results", []

    def measured():
        suite_costs.measure(*planned[:1], tmp_path / "runs", folder, planned[1], text.append)
        return costs.read(folder)

    rows = measured()
    assert [(row.model, row.method) for row in rows] == [("custom-AVG-64px", word) for word in ("cam", "center", "noise")]
    assert {row.weights for row in rows} == {"random"}
    assert measured() == rows
    costs.write([row.model_copy(update={"processor": "another", "ms": 0.0}) for row in rows], folder)
    assert [row.model_copy(update={"ms": 0.0}) for row in measured()] == [row.model_copy(update={"ms": 0.0}) for row in rows]
    assert [line.split(" methods")[0] for line in text] == [f"costs of custom-AVG-64px: {n}" for n in (3, 0, 3)]
    assert [file.name for file in folder.iterdir()] == [costs.FILE]


def test_damaged_cost_file_is_an_error(tmp_path):
    (tmp_path / costs.FILE).write_bytes(b"PAR1")
    with pytest.raises(DataError, match="--costs"):
        costs.read(tmp_path)
