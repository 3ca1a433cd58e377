"""Malformed files are read or raise a clear error, quickly and with little memory."""

import contextlib
import json
import multiprocessing
import resource
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import locus
from locus.core.errors import LocusError
from tests.fuzz import corpus
from tests.fuzz.readers import READERS

FEW = settings(max_examples=12, deadline=None, suppress_health_check=[*HealthCheck])
MANY = settings(FEW, max_examples=300, derandomize=False)
SECONDS, MEBIBYTES = 10, 1024
TEXTS = [name for name in READERS if name.endswith((".json", ".yaml"))]


def read(name: str, content: bytes, folder: Path) -> str:
    """Return the message of a clear error, or None; other errors fail the test."""
    (folder / name).write_bytes(content)
    try:
        READERS[name].read(folder / name)
    except LocusError as error:
        sentence = str(error)
        return sentence if len(sentence) < 3000 else pytest.fail(sentence[:3000])
    return ""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return name -> a folder with a valid file."""
    made = {name: tmp_path_factory.mktemp(name.replace(".", "-")) for name in READERS}
    for name, folder in made.items():
        READERS[name].good(folder / name)
    return made


@pytest.fixture(scope="module")
def good(folders):
    return {name: (folder / name).read_bytes() for name, folder in folders.items()}


@pytest.mark.parametrize("name", [name for name in READERS if name != "record.json"])
def test_the_valid_file_is_read(folders, good, name):
    assert read(name, good[name], folders[name]) == ""


def _all_cases(folders: dict[str, Path], good: dict[str, bytes], pipe: Connection) -> None:
    for name, content in corpus.cases():
        start = time.process_time()
        said = read(name, content, folders[name])
        pipe.send((name, content[:60], said, time.process_time() - start))
        (folders[name] / name).write_bytes(good[name])
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def test_hard_cases_raise_errors_quickly_and_with_little_memory(folders, good):
    """Measure the additional memory in a new process."""
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
    pipe, theirs = multiprocessing.get_context("fork").Pipe()
    process = multiprocessing.get_context("fork").Process(target=_all_cases, args=(folders, good, theirs))
    process.start()
    theirs.close()
    answers = []
    with contextlib.suppress(EOFError):
        while pipe.poll(120):
            answers.append(pipe.recv())
    process.kill()
    process.join()
    *read_, most = answers
    assert isinstance(most, float), f"ended after {answers[-1]}"
    assert [(name, content) for name, content, _, seconds in read_ if seconds > SECONDS] == []
    assert most - before < MEBIBYTES
    assert len({name for name, *_ in read_}) > 15
    whole = [(name, content) for name, content, said, _ in read_ if not said]
    assert len(whole) < len(read_) / 5, whole


def changed(data: st.DataObject, whole: bytes) -> bytes:
    """Truncate ``whole`` or change, remove or insert bytes."""
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(len(content) - 1, 0)))
        match data.draw(st.sampled_from(["change", "cut", "drop", "insert"])):
            case "change" if content:
                content[at] = data.draw(st.integers(0, 255))
            case "cut":
                del content[at:]
            case "drop":
                del content[at : at + data.draw(st.integers(1, 20))]
            case _:
                content[at:at] = data.draw(st.binary(max_size=20))
    return bytes(content)


WORDS = st.sampled_from([
    "images", "categories", "annotations", "id", "name", "file_name", "image_id", "category_id", "bbox", "score", "a.png", "Mass",
    "size", "counts", "stride", "offset", "schema_version", "cell", "scores", "train", "models", "methods", "title", "about", "dataset",
])  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=20,
)


@pytest.mark.parametrize("times", [FEW, pytest.param(MANY, marks=pytest.mark.slow)], ids=["few", "many"])
def test_changed_files_and_any_json_and_yaml_are_read_or_raise_a_clear_error(folders, good, times):
    for name in READERS:
        _check(times, st.data(), lambda data, name=name: read(name, changed(data, good[name]), folders[name]))
    for name in TEXTS:
        _check(times, VALUES, lambda value, name=name: read(name, json.dumps(value).encode(), folders[name]))


def _check(times: settings, values: st.SearchStrategy, ask: Callable[..., object]) -> None:
    @times
    @given(values)
    def check(value: object) -> None:
        ask(value)

    check()


NUMBERS = st.sampled_from([0, 1, -1, 3, 0.5, 2.5, 1e308, float("nan"), float("inf"), None, "1", 1j, True, np.datetime64("2020-01-01")])
PAIRS = st.tuples(NUMBERS, NUMBERS)
GOOD = {"values": [[1, 2], [3, 4]], "boxes": [[10, 20, 60, 80]], "frame": (100, 100), "grid": "conventional", "finding": "Mass"}
GOOD |= {"probability": 0.5, "protocol": "single_box"}
ODD = {
    "values": st.lists(PAIRS, min_size=1, max_size=2) | NUMBERS | st.just(np.ma.masked_array([[1.0, 2.0]], [[True, False]])),
    "boxes": st.lists(st.tuples(*[NUMBERS] * 4), max_size=2) | NUMBERS,
    "frame": PAIRS | NUMBERS,
    "grid": st.tuples(PAIRS, PAIRS, PAIRS) | st.sampled_from(["x", None]),
    "finding": st.sampled_from(["mean", "", ".hidden", "a/b", "7.0", 3]),
    "probability": NUMBERS,
    "protocol": st.sampled_from(["pointing", "maxbox", "detection", "x", None]),
}


@settings(FEW, max_examples=150)
@given(st.fixed_dictionaries({}, optional=ODD))
def test_any_arrays_are_scored_with_shares_or_raise_a_clear_error(changes):
    odd = GOOD | changes
    pair, grid = ("a", odd["finding"]), odd["grid"]
    given_to_score = {"frames": odd["frame"], "protocol": odd["protocol"], "probabilities": {pair: odd["probability"]}}
    try:
        placed = locus.Grid(*grid) if isinstance(grid, tuple) else grid
        result = locus.score({pair: odd["values"]}, {pair: odd["boxes"]}, grids=placed, **given_to_score)
    except LocusError:
        return
    shares = [score.value for score in result.scores if score.value is not None and score.metric.startswith(("hit", "pointing"))]
    assert all(0 <= share <= 1 for share in shares)
    assert {row["finding"] for row in result.rows} <= {odd["finding"]}
