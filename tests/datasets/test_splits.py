"""Splits by patient, reproducible and without leaks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locus.core.errors import BadValueError, LeakError
from locus.datasets import splits
from locus.datasets.base import Request

PATIENTS = st.lists(st.integers(0, 30).map(str), min_size=10, max_size=80).filter(lambda p: len(set(p)) >= 5)


@given(PATIENTS, st.integers(0, 5))
def test_no_patient_is_in_two_splits(patients, seed):
    """Pitfall: a random split has patients on both sides."""
    for partition in ("patient", "kfold"):
        names = splits.assign(patients, Request(partition=partition, fold=1, seed=seed))
        sides = [set(np.asarray(patients)[np.asarray(names) == name]) for name in ("train", "val", "test")]
        assert sum(map(len, sides)) == len(set(patients)) == len(set.union(*sides))


@given(PATIENTS, st.integers(0, 5))
def test_every_image_is_held_out_in_exactly_one_fold(patients, seed):
    held_out = sum((splits.kfold(patients, 5, fold, seed) == "test").astype(int) for fold in range(5))
    assert (np.asarray(held_out) == 1).all()


@settings(max_examples=30)
@given(PATIENTS, st.integers(0, 5))
def test_a_left_out_fold_is_in_no_split_and_the_test_fold_is_unchanged(patients, seed):
    """Pitfall: a recipe is chosen on patients who are scored later."""
    names = splits.kfold(patients, 5, 1, seed, leave_out_fold=3)
    splits.check_patients(patients, names)
    assert ((names == splits.LEFT_OUT) == (splits.kfold(patients, 5, 3, seed) == "test")).all()
    assert ((names == "test") == (splits.kfold(patients, 5, 1, seed) == "test")).all()


@pytest.mark.parametrize("wrong", [{"leave_out_fold": 1}, {"leave_out_fold": 5}, {"partition": "patient"}])
def test_only_another_fold_can_be_left_out(wrong):
    with pytest.raises(BadValueError, match=r"^leave_out_fold is \d: "):
        Request(**{"partition": "kfold", "fold": 1, "leave_out_fold": 3, **wrong})


@given(PATIENTS)
def test_a_patients_split_does_not_depend_on_the_order_of_the_images(patients):
    forward = dict(zip(patients, splits.by_patient(patients, 0), strict=True))
    backward = dict(zip(patients[::-1], splits.by_patient(patients[::-1], 0), strict=True))
    assert forward == backward


def test_partition_all_has_every_image_in_training_and_says_so_for_test(caplog):
    for split in ("train", "val", "test"):
        assert (splits.assign(["a", "b", "a"], Request(partition="all", split=split)) == split).all()
    assert [record.message for record in caplog.records if "scores only show the fit" in record.message]


def test_a_tenth_of_the_training_patients_is_validation():
    names = splits.hold_out_val([str(i) for i in range(100)], np.arange(100) < 80, seed=0)
    assert [(names == n).sum() for n in ("train", "val", "test")] == [72, 8, 20]


def test_a_single_patient_is_in_training():
    assert splits.hold_out_val(["a", "a"], np.array([True, False]), 0).tolist() == ["train", "test"]
    assert set(splits.hold_out_val(["a", "b"], np.array([True, True]), 0)) == {"train", "val"}


def test_a_leak_raises_an_error_with_count_and_three_examples():
    patients = [f"p{i}" for i in range(5)] * 2
    with pytest.raises(LeakError, match=r"\(5\): p0 \(train and test\).* 2 more.*--partition patient"):
        splits.check_patients(patients, ["train"] * 5 + ["test"] * 5)
    with pytest.raises(LeakError, match=r"'001' \(train\) and '1' \(test\)"):
        splits.check_patients(["001", "2", "1"], ["train", "train", "test"])
    with pytest.raises(LeakError, match=r"train\.csv \(2\): a, c; .*--partition patient"):
        splits.check_unboxed(["a", "b", "c"], {"a", "c", "d"}, "train.csv")


@pytest.mark.parametrize(("folds", "facts"), [(1, r"\b1\b.*folds.*\b2$"), (4, r"folds.*\b4\b.*\b3\b")])
def test_an_impossible_number_of_folds_raises_a_clear_error(folds, facts):
    with pytest.raises(BadValueError, match=facts):
        splits.assign(["a", "b", "c"], Request(partition="kfold", folds=folds))
