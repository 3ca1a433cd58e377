"""The flags of an entry, kept beside its records: from them it can be packed and scored again."""

from dataclasses import asdict
from pathlib import Path

import yaml

from config import ScoreConfig
from core import cli
from core.errors import DataError
from core.files import write_text

FILE = "flags.yaml"
FILES = ("maps", "boxes", "index", "predictions", "alignment")
"""Those that may name a file or a folder."""
LATER = ("verify", "against", "results")
"""Those that say what is done with the scores."""


def write(config: ScoreConfig, folder: Path) -> None:
    """Keep the flags in ``folder``, their files by whole paths."""
    stated = {name: value for name, value in asdict(config).items() if name not in LATER}
    stated["findings"] = list(config.findings)
    named = {name: stated[name] for name in (*FILES, "data_root_dir") if stated[name] and Path(stated[name]).exists()}
    whole = {name: str(Path(word).resolve()) for name, word in named.items()}
    write_text(folder / FILE, yaml.safe_dump({**stated, **whole}, sort_keys=False))


def read(folder: Path) -> ScoreConfig:
    """The flags that the records in ``folder`` were scored with. Raises ``DataError`` where none are kept.

    Files by whole paths: they are scored again from any folder.
    """
    if not (folder / FILE).is_file():
        raise DataError(f"{folder} has no {FILE}: give a folder that `python -m benchmark.score` wrote")
    return cli.build(ScoreConfig, cli.read_yaml(folder / FILE))
