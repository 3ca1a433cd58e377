import numpy as np
import pytest

import locus
from locus.benchmark.baselines.fixed_box import FixedBox
from locus.benchmark.maps.cases import baseline_cases, box_cases
from locus.core.errors import BadValueError, NotAvailableError
from locus.core.frames import conventional, iou
from locus.core.types import Sample, patient_folds


def sample(patient, boxes, frame=(64, 64)):
    boxes = {finding: np.array(b, dtype=np.float64) for finding, b in boxes.items()}
    return Sample(patient, patient, frame, np.ones(1, np.float32), boxes, lambda: np.zeros((8, 8), np.uint8))


@pytest.mark.byhand
def test_the_box_is_the_one_that_all_other_patients_have():
    samples = [sample(str(n), {"Mass": [[8, 16, 24, 48]]}) for n in range(20)]
    assert {tuple(chosen["Mass"]) for chosen in FixedBox().boxes(samples, ["Mass"])} == {(8, 16, 24, 48)}


def test_the_box_of_a_patient_is_chosen_on_other_patients():
    patients = [str(n) for n in range(20)]
    fold = patient_folds(patients, 5, 0)
    odd, usual = [[40, 40, 60, 60]], [[4, 4, 20, 20]]
    samples = [sample(name, {"Mass": odd if number == 0 else usual}) for name, number in zip(patients, fold, strict=True)]
    boxes = [chosen["Mass"] for chosen, number in zip(FixedBox().boxes(samples, ["Mass"]), fold, strict=True) if number == 0]
    hits = [iou([box], odd).max() > 0.3 for box in boxes]
    assert hits
    assert not any(hits)


def test_the_box_scales_with_the_frame():
    samples = [sample(str(n), {"Mass": [[8, 16, 24, 48]]}) for n in range(19)] + [sample("wide", {"Mass": [[16, 8, 48, 24]]}, (32, 128))]
    assert FixedBox().boxes(samples, ["Mass"])[-1]["Mass"].tolist() == [16, 8, 48, 24]


def test_the_box_is_not_larger_than_half_of_the_image():
    samples = [sample(str(n), {"Mass": [[0, 0, 64, 64]]}) for n in range(20)]
    x0, y0, x1, y1 = FixedBox().boxes(samples, ["Mass"])[0]["Mass"]
    assert (x1 - x0) * (y1 - y0) < 64 * 64 / 2
    assert x1 - x0 < 48


def test_a_finding_of_four_patients_has_no_fixed_box():
    samples = [sample(str(n), {"Mass": [[8, 16, 24, 48]]}) for n in range(4)]
    with pytest.raises(NotAvailableError, match="Mass has boxes of 4 patients"):
        FixedBox().boxes(samples, ["Mass"])


def test_the_box_hits_as_many_of_nihs_boxes_as_computed_elsewhere():
    data = locus.load_dataset("NIH", images=False)
    cases = [case for case in box_cases(FixedBox(), [sample for sample in data if sample.boxes], data) if len(case.boxes)]
    overlap = np.array([iou(case.submitted_boxes[:, :4], case.boxes).max() for case in cases])
    findings = np.array([case.finding for case in cases])

    def mean(level, without=""):
        return np.mean([(overlap[findings == name] > level).mean() for name in data.findings if name != without])

    assert len(cases) == 984
    reference = {0.1: 0.460, 0.2: 0.369, 0.3: 0.276, 0.4: 0.207, 0.5: 0.153, 0.6: 0.093, 0.7: 0.048}
    assert {level: mean(level) for level in reference} == pytest.approx(reference, abs=0.015)  # another draw of folds
    assert mean(0.5, without="Cardiomegaly") == pytest.approx(0.053, abs=0.015)
    assert (overlap[findings == "Cardiomegaly"] > 0.3).mean() == pytest.approx(0.993, abs=0.005)


def test_unknown_patients_have_no_fixed_box():
    data = locus.load_dataset("NIH", images=False)
    data.describe["patients"] = "unknown: each image counts as one"
    with pytest.raises(NotAvailableError, match="patients of these images are unknown"):
        box_cases(FixedBox(), [], data)


def test_a_row_that_needs_a_network_has_no_maps_without_one():
    data = locus.load_dataset("phantom:train=2,val=2,test=2", img_size=32)
    with pytest.raises(BadValueError, match="untrained has no maps without a network"):
        baseline_cases("untrained", [data[0]], data, conventional((32, 32), (4, 4)), (4, 4))
