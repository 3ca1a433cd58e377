"""``locus.metrics.LocalizationAccuracy`` equals ``locus.score``, in one process and in two."""

import multiprocessing

import numpy as np
import pytest
import torch
import torch.distributed

import locus
from locus.core.errors import BadValueError, LocusError
from locus.metrics import LocalizationAccuracy

FINDINGS = ["Mass", "Nodule"]
COUNT, FRAME = 40, (100, 120)


@pytest.fixture(scope="module")
def cases():
    """Maps (40,6,7), boxes, findings and patients."""
    random = np.random.default_rng(0)
    maps = torch.from_numpy(random.random((COUNT, 6, 7)))
    corners = random.integers(0, 60, (COUNT, 2))
    boxes = [torch.tensor([[x, y, x + 40, y + 35]]) for x, y in corners]
    return maps, boxes, [FINDINGS[n % 2] for n in range(COUNT)], [n // 2 for n in range(COUNT)]


def updated(cases, start=0, step=1):
    """A metric of every ``step``-th case, in batches of 7."""
    metric, chosen = LocalizationAccuracy(FINDINGS), [*range(start, COUNT, step)]
    for batch in (chosen[n : n + 7] for n in range(0, len(chosen), 7)):
        maps, boxes, findings, patients = (part[batch] if torch.is_tensor(part) else [part[n] for n in batch] for part in cases)
        metric.update(maps, boxes, findings, FRAME, patients)
    return metric


@pytest.mark.oracle
def test_the_metric_equals_locus_score(cases):
    maps, boxes, findings, patients = cases
    names = [(str(n), finding) for n, finding in enumerate(findings)]
    of_images = {str(n): str(patient) for n, patient in enumerate(patients)}
    arrays, truth = dict(zip(names, maps.numpy(), strict=True)), {name: box.numpy() for name, box in zip(names, boxes, strict=True)}
    result = locus.score(arrays, truth, frames=FRAME, grids="conventional", patients=of_images)
    computed = updated(cases).compute()
    assert {"hit@iou.1", "hit@iou.3", "hit@iobb.5", "pointing"} <= {*computed}
    assert computed.pop("n") == COUNT
    for metric, value in computed.items():
        (of,) = [s for s in result.scores if (s.finding, s.metric) == ("mean", metric) and s.threshold_source in ("none", "cross-fitted")]
        assert value.item() == of.value


def gathered(rank, store, cases, queue):
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    queue.put({name: value.item() for name, value in updated(cases, rank, 2).compute().items()})
    torch.distributed.destroy_process_group()


def test_two_processes_compute_what_one_does(cases, tmp_path):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [context.Process(target=gathered, args=(rank, tmp_path / "store", cases, queue)) for rank in range(2)]
    for process in processes:
        process.start()
    results = [queue.get(timeout=300) for _ in processes]
    for process in processes:
        process.join()
    assert results[0] == results[1] == {name: value.item() for name, value in updated(cases).compute().items()}


@pytest.mark.parametrize("with_patients", [True, False])
def test_the_order_of_cases_does_not_change_the_values(cases, with_patients):
    order = np.random.default_rng(1).permutation(COUNT)
    values = []
    for chosen in (range(COUNT), order):
        maps, boxes, findings, patients = (
            torch.stack([part[n] for n in chosen]) if torch.is_tensor(part) else [part[n] for n in chosen] for part in cases
        )
        metric = LocalizationAccuracy(FINDINGS)
        metric.update(maps, boxes, findings, FRAME, patients if with_patients else None)
        values.append({name: value.item() for name, value in metric.compute().items()})
    assert values[0] == values[1]


def test_an_unknown_finding_is_an_error(cases):
    with pytest.raises(BadValueError, match="'Edema'"):
        LocalizationAccuracy(FINDINGS).update(cases[0][:1], cases[1][:1], ["Edema"], FRAME)


def test_patients_of_some_cases_only_are_refused(cases):
    metric, (maps, boxes, findings, _) = updated(cases), cases
    metric.update(maps[:1], boxes[:1], findings[:1], FRAME)
    with pytest.raises(BadValueError, match="patients"):
        metric.compute()


def test_a_change_of_the_callers_maps_changes_no_state(cases):
    maps = cases[0].clone()
    metric = LocalizationAccuracy(FINDINGS)
    metric.update(maps, *cases[1:3], FRAME, cases[3])
    maps.zero_()
    assert torch.equal(metric.values[0], cases[0].flatten())


def test_without_cases_the_value_is_nan_and_n_is_0():
    computed = LocalizationAccuracy(FINDINGS).compute()
    assert computed["n"] == 0
    assert torch.isnan(computed["hit@iou.3"])


def gathered_by_one(rank, store, cases, queue):
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    metric = updated(cases) if rank else LocalizationAccuracy(FINDINGS)
    queue.put({name: value.item() for name, value in metric.compute().items()})
    torch.distributed.destroy_process_group()


def test_a_process_without_cases_computes_what_the_other_does(cases, tmp_path):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [context.Process(target=gathered_by_one, args=(rank, tmp_path / "store", cases, queue)) for rank in range(2)]
    for process in processes:
        process.start()
    results = [queue.get(timeout=300) for _ in processes]
    for process in processes:
        process.join()
    assert results[0] == results[1] == {name: value.item() for name, value in updated(cases).compute().items()}


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"maps": torch.zeros(2, 4)}, r"maps is torch.float32 of shape \(2, 4\)"),
        ({"maps": torch.zeros(1, 4, 4, dtype=torch.int64)}, "maps is torch.int64"),
        ({"boxes": [torch.zeros(8, 5)]}, r"shape \(8, 5\)"),
        ({"boxes": [torch.zeros(8)]}, r"shape \(8,\)"),
        ({"boxes": []}, "boxes has 0 values for 1 maps"),
        ({"findings": ["Mass", "Mass"]}, "findings has 2 values"),
        ({"frames": (100.5, 100)}, "frames"),
        ({"frames": (100, 100, 3)}, "frames"),
        ({"patients": [1.5]}, "patient 1.5"),
        ({"patients": [-1]}, "patient -1"),
        ({"patients": [True]}, "patient True"),
    ],
)
def test_wrong_arguments_are_refused_in_update(change, fact):
    right = {"maps": torch.rand(1, 4, 4), "boxes": [[[0, 0, 50, 50]]], "findings": ["Mass"], "frames": FRAME, "patients": ["p1"]}
    with pytest.raises(BadValueError, match=fact):
        LocalizationAccuracy(FINDINGS).update(**{**right, **change})


@pytest.mark.parametrize("options", [{"grid": "aligned"}, {"grid": 5}, {"findings": ["Mass", "mean"]}, {"protocol": "energi"}])
def test_wrong_arguments_are_refused_in_the_constructor(options):
    with pytest.raises(LocusError):
        LocalizationAccuracy(**{"findings": FINDINGS, **options})


def test_the_state_of_other_findings_is_refused(cases):
    with pytest.raises(BadValueError, match="findings"):
        updated(cases).merge_state(LocalizationAccuracy(["Nodule", "Mass"]))


def test_names_of_patients_give_what_their_numbers_give(cases):
    maps, boxes, findings, patients = cases
    named = LocalizationAccuracy(FINDINGS)
    named.update(maps, boxes, findings, FRAME, [f"p{patient}" for patient in patients])
    assert named.compute()["pointing"] == updated(cases).compute()["pointing"]


def test_the_metric_can_be_plotted(cases):
    figure, _ = updated(cases).plot()
    assert figure.axes


def test_states_keep_their_types(cases):
    assert updated(cases).set_dtype(torch.float16).compute() == updated(cases).compute()


def test_a_map_without_boxes_is_no_case(cases):
    metric, (maps, _, findings, patients) = updated(cases), cases
    metric.update(maps[:1], [torch.zeros(0, 4)], findings[:1], FRAME, patients[:1])
    assert metric.compute() == updated(cases).compute()
    only = LocalizationAccuracy(FINDINGS)
    only.update(maps[:1], [[]], findings[:1], FRAME)
    assert only.compute()["n"] == 0
