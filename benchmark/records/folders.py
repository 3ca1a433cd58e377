"""Where the records of a suite lie: packed in its results folder, those at work as JSON files of their own."""

from pathlib import Path

RESULTS, RUNS = "results", "runs"


def unpacked_folder(folder: Path | str) -> Path:
    """The folder of the records at work of a suite's results ``folder``: nothing in it is ever committed.

    Beside a folder called ``results`` it is ``runs/records/<suite>``; any other folder of results is no published one
    (``runs/results`` above all), and has them inside.

    >>> unpacked_folder("results/demo").as_posix(), unpacked_folder("runs/results/demo").as_posix()
    ('runs/records/demo', 'runs/results/demo/records')
    """
    folder = Path(folder)
    above = folder.parent
    if above.name == RESULTS and above.parent.name != RUNS:
        return above.parent / RUNS / "records" / folder.name
    return folder / "records"


def unpacked(folder: Path | str) -> list[Path]:
    """The JSON files of the records at work, also those of an earlier layout inside ``folder``, sorted by name.

    None where all are packed.
    """
    folders = dict.fromkeys((unpacked_folder(folder), Path(folder) / "records", Path(folder)))
    # a killed run may leave a hidden half of a file
    return sorted((file for where in folders for file in where.glob("[!.]*.json")), key=lambda file: file.name)
