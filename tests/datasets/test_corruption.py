"""Broken and malicious files of every data set raise clear errors; nothing outside the folder is read or written."""

import contextlib
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from locus import datasets
from locus.core.errors import DataError, LocusError
from locus.datasets.io.tables import inside

pytestmark = pytest.mark.contract
TABLES, IMAGES = (".csv", ".txt", ".json"), (".png", ".jpg", ".jpeg", ".dcm", ".dicom")
WATCHED: dict[str, list[str]] = {}
"""Paths opened during a test."""


def _opened(event, values):
    if event == "open" and WATCHED and isinstance(values[0], str | Path):
        WATCHED["open"].append(str(values[0]))


sys.addaudithook(_opened)


@pytest.fixture
def apart(tiny, tmp_path_factory):
    """Return the name of a data set and a tiny copy in a folder next to files that must not be read."""
    name, tree = tiny
    if tree is None:
        pytest.skip("no files")
    root = tmp_path_factory.mktemp("apart") / "root"
    shutil.copytree(tree, root)
    for path in list(files(root, IMAGES))[:1]:
        shutil.copy(path, root.parent / f"outside{path.suffix}")
    return name, root


def some(root, suffixes):
    found = list(files(root, suffixes))
    return found or pytest.skip(f"no {' '.join(suffixes)}")


def files(root, suffixes):
    return (path for path in sorted(root.rglob("*")) if path.suffix.lower() in suffixes and path.is_file())


def walk(name, root):
    """Read everything that a run would read; check that errors are clear and that only files in the folder are read."""
    before = {path: path.lstat().st_mtime_ns for path in root.parent.rglob("*")}
    told: list[LocusError] = []
    WATCHED["open"] = []
    try:
        for split in ("train", "val", "test"):
            told += _walk(name, root, split)
    finally:
        opened = WATCHED.pop("open")
    assert {path: path.lstat().st_mtime_ns for path in root.parent.rglob("*")} == before
    outside = (path for path in {Path(path).resolve() for path in opened} if not path.is_relative_to(root))
    assert [path for path in outside if path.is_relative_to(root.parent)] == []
    for error in told:
        assert "Traceback" not in str(error)
        assert len(str(error)) < 3000
    return told


def _walk(name, root, split):
    try:
        data = list(datasets.load(name, root, split))
    except LocusError as error:
        yield error
        return
    for sample in data:
        for pixels in ("image", "masks"):
            try:
                getattr(sample, pixels)
            except LocusError as error:
                yield error


def empty(path):
    path.write_bytes(b"")


def halved(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other_encoding(path):
    path.write_bytes(path.read_bytes().decode("latin-1").encode("utf-16"))


def duplicated(path):
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *rows, *rows]) + "\n")


def a_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [empty, halved, duplicated, other_encoding, a_folder])
def test_a_broken_table_raises_a_clear_error(apart, damage):
    name, root = apart
    for path in list(files(root, TABLES)):
        whole = path.read_bytes()
        damage(path)
        walk(name, root)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        path.write_bytes(whole)


@pytest.mark.parametrize("damage", [empty, halved, a_folder])
def test_broken_images_raise_clear_errors(apart, damage, caplog):
    name, root = apart
    for path in list(files(root, IMAGES)):
        damage(path)
    assert walk(name, root) or "cannot be read and are left out" in caplog.text  # where headers are read on loading


def test_a_table_of_a_million_columns_after_a_quoted_line_end_raises_an_error_without_being_read(apart):
    name, root = apart
    content = ",".join(['"\n"', *(f"c{i}" for i in range(1_000_000))]) + "\n1\n"
    for path in some(root, (".csv",)):
        path.write_text(content, newline="")
    assert any("columns" in str(error) for error in walk(name, root))


@pytest.mark.parametrize("path", ["../outside", "{outside}", "a\\u0000b"])
def test_a_path_in_a_table_never_leads_out_of_the_folder(apart, path):
    name, root = apart
    image = next(files(root, IMAGES))
    bad = path.format(outside=root.parent / "outside")
    for table in files(root, TABLES):
        text = table.read_text()
        for whole in (image.relative_to(root).as_posix(), image.name, image.stem):
            if whole in text:
                table.write_text(text.replace(whole, bad + (image.suffix if whole != image.stem else "")))
                break
    walk(name, root)


def samples(name, root):
    """Return what a run reads of each image, by split."""
    read = {}
    for split in ("train", "val", "test"):
        with contextlib.suppress(DataError):  # a tree without images of this split
            loaded = list(datasets.load(name, root, split))
            read[split] = [
                (s.image_id, str(s.labels.tolist()), s.image.tolist(), {f: b.tolist() for f, b in s.boxes.items()}) for s in loaded
            ]
    return read


def move_and_link(path, target):
    shutil.move(path, target)
    path.symlink_to(target)


@pytest.mark.parametrize("suffixes", [TABLES, IMAGES], ids=["tables", "images"])
def test_linked_files_are_read_like_files_of_the_folder(apart, suffixes):
    name, root = apart
    before = samples(name, root)
    for number, path in enumerate(some(root, suffixes)):
        move_and_link(path, root.parent / f"far-{number}{path.suffix}")
    assert samples(name, root) == before
    assert before


def to_nothing(path):
    path.unlink()
    path.symlink_to("gone")


def to_itself(path):
    path.unlink()
    path.symlink_to(path.name)


def to_a_secret(path):
    move_and_link(path, path.parents[1] / "passwd")


def to_a_device(path):
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("harm", [to_nothing, to_itself, to_a_secret, to_a_device])
def test_a_link_of_a_table_that_is_not_usable_raises_one_clear_error(apart, harm):
    name, root = apart
    for path in some(root, TABLES):
        if path.parent == root:
            harm(path)
    told = [str(error) for error in walk(name, root)]
    if any(path.is_symlink() for path in root.iterdir()):
        assert told
        advice = "cp -rL" if harm is to_a_secret else "--data_root_dir"
        assert all("link " in line and advice in line for line in told)


@settings(max_examples=3, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_changed_bytes_give_data_or_a_clear_error(apart, data):
    name, root = apart
    path = data.draw(st.sampled_from(list(files(root, TABLES + IMAGES))))
    whole = path.read_bytes()
    changed = bytearray(whole)
    for at in data.draw(st.lists(st.integers(0, max(len(whole) - 1, 0)), min_size=1, max_size=4)) if whole else []:
        changed[at] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(changed))
    try:
        walk(name, root)
    finally:
        path.write_bytes(whole)


@settings(max_examples=50)
@given(st.text(max_size=300) | st.lists(st.sampled_from(["..", ".", "a", "", "/", "~"]), max_size=6).map("/".join))
def test_no_cell_can_name_a_path_outside_the_folder(tmp_path_factory, cell):
    root = tmp_path_factory.getbasetemp()
    with contextlib.suppress(DataError):
        assert inside(root, cell, Path("labels.csv")).resolve().is_relative_to(root.resolve())
