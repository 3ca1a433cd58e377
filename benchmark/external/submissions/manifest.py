"""``submission.json``: author, description, training data, licence, and the flags that score the files."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from benchmark.external.entry import FILE_FLAGS
from config import ScoreConfig
from core import cli
from core.errors import BadValueError, DataError, first_problem

NAME = "submission.json"
CODE = re.compile(r"\.py\b")
"""Matches a value that names a Python file."""
MOST_FILES = 200_000
"""Maximum number of files in a submission."""
FLAGS_BYTES = 100_000
"""Maximum size of the flags as JSON, in bytes."""
Text = Annotated[str, Field(max_length=10_000)]


class Manifest(BaseModel):
    """Content of ``submission.json``. Raises ``ValidationError`` for a missing or unexpected field."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1
    entry: Text
    by: Text
    """The author and how to reach them."""
    about: Text
    """Description of the entry, and how it was trained or made."""
    trained_on: Text
    license: Text
    """Licence of the maps or boxes."""
    locus: Text
    """Version of Locus that scored the entry."""
    fingerprint: Text
    """Hash of the data's images, labels and truth boxes: see ``benchmark.training.provenance.fingerprint``."""
    flags: dict[str, Any]
    """Flags of ``python -m benchmark.score``; paths are relative to the submission."""
    files: Annotated[dict[str, str], Field(max_length=MOST_FILES)]
    """File in the submission -> first 16 hex digits of the SHA-256 of its bytes."""

    @field_validator("flags")
    @classmethod
    def _are_few(cls, flags: dict[str, Any]) -> dict[str, Any]:
        if (length := len(json.dumps(flags))) > FLAGS_BYTES:
            raise ValueError(f"the flags have {length:,} bytes: at most {FLAGS_BYTES:,} are allowed")
        return flags

    def score_config(self, folder: Path, data_root_dir: str | None) -> ScoreConfig:
        """Return the flags that score the files in ``folder``. Raises ``LocusError`` for an invalid flag or path."""
        values = {**self.flags, "entry": self.entry, "trained_on": self.trained_on, "data_root_dir": data_root_dir}
        for name in FILE_FLAGS:
            word = values.get(name)
            if word is not None and not (name == "alignment" and word in ("conventional", "pixels")):
                if not any(file == word or file.startswith(f"{word}/") for file in self.files):
                    raise DataError(f"the submission has --{name} {word!r}, which is not among its files")
                values[name] = str(folder / word)
        return cli.build(ScoreConfig, values)


def parse(text: bytes, where: str) -> Manifest:
    """Parse a manifest. Raises ``DataError`` naming the first invalid field.

    >>> parse(b"{}", "entry.zip")
    Traceback (most recent call last):
        ...
    core.errors.DataError: submission.json in entry.zip is invalid: entry: field required
    """
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        field, message = first_problem(error)
        raise DataError(f"{NAME} in {where} is invalid: {field or 'its JSON'}: {message.lower()}") from error


def refuse_python_files(flags: Mapping[str, Any], where: str) -> None:
    """Raise ``BadValueError`` if a flag names a Python file, because scoring would execute it.

    >>> refuse_python_files({"dataset": "phantom"}, "entry.zip")
    """
    for name, value in flags.items():
        if CODE.search(str(value)):
            raise BadValueError(f"--{name} {value} in {where} would run the sender's code: use --trust to allow it")
