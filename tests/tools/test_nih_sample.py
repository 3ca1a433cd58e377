"""``tools.nih_sample`` creates the data of the committed results."""

import cv2
import numpy as np

from tools import nih_sample as tool


def test_the_folder_made_from_nihs_files_has_the_pixels_and_the_lines_of_the_sample(nih_originals, nih_sample, tmp_path):
    names = sorted(file.name for file in (nih_originals / "images").glob("*.png"))
    shared = [name for name in names if (nih_sample / "images" / name).exists()]
    assert len(shared) > 10
    tool.write(nih_originals, tmp_path, shared)
    for name in shared:
        made, wanted = (cv2.imread(str(root / "images" / name), cv2.IMREAD_UNCHANGED) for root in (tmp_path, nih_sample))
        assert np.array_equal(made, wanted)
    for table in tool.TABLES:
        wanted = [line for line in (nih_sample / table).read_text().splitlines() if line.split(",")[0] in shared]
        lines = (tmp_path / table).read_text().splitlines()
        assert lines[table.endswith("csv") :] == wanted


def test_the_listed_names_and_tables_equal_those_of_the_sample(nih_sample, tmp_path, monkeypatch):
    names = tool.NAMES.read_text().split()
    assert sorted(file.name for file in (nih_sample / "images").iterdir()) == names
    monkeypatch.setattr(tool, "decode", lambda _: np.zeros((8, 8), np.uint8))
    tool.write(nih_sample, tmp_path, names)
    assert all((tmp_path / table).read_bytes() == (nih_sample / table).read_bytes() for table in tool.TABLES)


def test_missing_images_raise_an_error_and_nothing_is_written(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    assert tool.main(["--data_root_dir", str(tmp_path), "--output", str(tmp_path / "made")]) == 2
    assert "lacks 1541 required files" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()
