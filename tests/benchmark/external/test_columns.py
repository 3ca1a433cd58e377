"""Invalid tables are refused by their first line, before heavy imports."""

import subprocess
import sys

import pytest

from benchmark.external import columns
from core.errors import BadValueError, DataError


@pytest.fixture
def table(tmp_path):
    """Return table(header), which writes a CSV and returns its path."""

    def write(header):
        (tmp_path / "t.csv").write_text(header + "\n")
        return str(tmp_path / "t.csv")

    return write


def test_table_with_its_columns_passes(table):
    columns.check(table("score,image,finding,x0,y0,x1,y1"), "xyxy", [])
    columns.check(None, None, [("--index", table("finding,image"), ("image", "finding"))])


@pytest.mark.parametrize(
    ("header", "box_format", "kind", "named"),
    [
        ("image,finding,x0,y0,x1,y1", "xyxy", DataError, "score"),
        ("image,finding,score,x,y,w,h", "xyxy", DataError, "--box_format is xyxy"),
        ("image,finding,score,x,y,w,h", None, BadValueError, "--box_format"),
    ],
)
def test_boxes_without_their_columns_are_refused(table, header, box_format, kind, named):
    with pytest.raises(kind, match=named):
        columns.check(table(header), box_format, [])


def test_another_table_without_its_columns_is_refused(table):
    with pytest.raises(DataError, match="image: --predictions"):
        columns.check(None, None, [("--predictions", table("Mass"), ("image",))])


def test_missing_file_is_refused():
    with pytest.raises(DataError, match=r"--boxes .*absent\.csv"):
        columns.check("absent.csv", "xyxy", [])


def test_columns_are_checked_without_importing_torch(table):
    flags = ["--entry", "x", "--boxes", table("image"), "--box_format", "xyxy"]
    code = f"import sys; from benchmark import score; s = score.main({flags!r}); print(s, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2 False\n", done.stderr
