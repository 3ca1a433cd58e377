"""The flags of an entry, saved with its records, so that it can be packed and scored again."""

from dataclasses import asdict
from pathlib import Path

import yaml

from config import ScoreConfig
from core import cli
from core.errors import DataError
from core.files import write_text

FILE = "flags.yaml"
FILES = ("maps", "boxes", "index", "predictions", "alignment")
"""Flags that may name a file or a folder."""
LATER = ("verify", "against", "results")
"""Flags that do not change the scores."""


def write(config: ScoreConfig, folder: Path) -> None:
    """Save the flags in ``folder``, with absolute paths."""
    values = {name: value for name, value in asdict(config).items() if name not in LATER}
    values["findings"] = list(config.findings)
    named = {name: values[name] for name in (*FILES, "data_root_dir") if values[name] and Path(values[name]).exists()}
    whole = {name: str(Path(word).resolve()) for name, word in named.items()}
    write_text(folder / FILE, yaml.safe_dump({**values, **whole}, sort_keys=False))


def read(folder: Path) -> ScoreConfig:
    """Read the flags that the records in ``folder`` were scored with. Raises ``DataError`` if there are none.

    Paths are absolute, so the entry can be scored again from any folder.
    """
    if not (folder / FILE).is_file():
        raise DataError(f"{folder} has no {FILE}: give a folder that `python -m benchmark.score` wrote")
    return cli.build(ScoreConfig, cli.read_yaml(folder / FILE))
