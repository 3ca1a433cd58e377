"""Check results that someone else made on NIH, before their rows are merged into published results.

``accepted``  the records that can be merged, with all their numbers computed again here from the boxes of their rows
``run``       the check as a command

Only the boxes come from a contribution. Other protocols, pointing on maps and the rows of baselines need the maps: they
are left out, and the baselines beside the methods are those of the published suite.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from locus import backbones, datasets, methods
from locus.benchmark import baselines, records
from locus.benchmark.maps import code_of, method_code
from locus.benchmark.records import Cell, Record, Score, cases
from locus.benchmark.records.record import CONTRIBUTED, EXTERNAL_MODEL
from locus.benchmark.report import grouping
from locus.config import ResultsCheckConfig
from locus.core.errors import DataError, examples
from locus.core.names import PRIOR, duplicates, plain_name
from locus.core.types import Echo, FloatArray, Sample
from locus.core.user_code import runs_code
from locus.datasets.base import Dataset
from locus.scoring.protocols.base import make_case
from locus.scoring.protocols.single_box import SingleBox

DATASET = "NIH"
"""Data set of contributed results: everyone can compute those of the others."""
KNOWN_FILES = re.compile(
    r"(index|gallery)\.html|(examples|published)\.svg|leaderboard\.(csv|md|tex)"
    r"|(cells|records|cases(-seed\d+)?)\.parquet|sources\.csv|(records/)?\.lock"
    r"|records/(config\.yaml|cases/\w+/[^/]+\.parquet)"
)
"""Files that ``benchmark.score`` and ``benchmark.run`` write, without weights."""
OF_BOXES = re.compile(r"patient|iou|iobb|mean_iou|center_inside|hit@\w+\.\d")
"""Columns and metrics that follow from the boxes."""
POINTING = "pointing"
"""Column and metric that follow from submitted boxes: the centre of the box. For maps, the maps are needed."""
CASE = ("image", "finding")
IGNORED_COLUMNS = ("size", "view", "sex", "age", "co_occurrence", "classifier_correct", "agreement")
"""Columns that rows may have and that are left out."""
DECLARED = "trained on (declared)"
"""Name of the declared training data in ``Record.rests_on``."""
TOLERANCE = 1e-4
"""Largest difference of a number that was computed again: rows per case have single precision."""
MAX_OUTSIDE = 0.01
"""Largest distance in pixels by which a box in single precision may exceed its image."""
Checked = tuple[Record, pd.DataFrame]
"""A record and its rows per case."""


def run(config: ResultsCheckConfig, echo: Echo) -> int:
    """Check the results ``config.folder`` and ``echo`` its rows. Raises ``DataError`` if they cannot be merged."""
    results = records.published() if config.results is None else Path(config.results)
    for record, rows in accepted(Path(config.folder), results / config.suite):
        suite_note = f" (of {config.suite})" if baselines.is_blind(record.method) else ""
        value = grouping.main_value(record)
        echo(
            f"{record.method}{suite_note}: {value} at IoU > .3, as computed again from {len(rows)} cases"
        )
    echo(f"{config.folder} can be merged into {config.suite}")
    return 0


def accepted(folder: Path, published: Path) -> list[Checked]:
    """Return the records of methods by the main protocol in ``folder`` and their rows, then baselines beside them.

    The suite's own records are left out. The baselines are those of the suite that see no image, beside each network.
    ``published``: the folder of the suite. Raises ``DataError`` for a file that is unknown, a link or damaged, for
    other images, boxes, code or cases, for the name of another method, and for a number that its boxes do not give.
    """
    _refuse_files(folder)
    all_published = records.load(published)
    suite_records = grouping.main_records(all_published, DATASET)
    own_records = {
        record.key: record for record in suite_records if CONTRIBUTED not in record.rests_on
    }
    blind = {
        record.method: record
        for record in own_records.values()
        if baselines.is_blind(record.method)
    }
    submitted = [
        record
        for record in grouping.main_records(records.load(folder), DATASET)
        if record.key not in own_records
    ]
    submitted = [record for record in submitted if grouping.is_method(record)]
    if PRIOR not in blind or not submitted:
        raise DataError(
            f"{folder} has no method with a score on {DATASET} by single_box that {published} lacks"
        )
    published_names = [
        record.method for record in all_published if CONTRIBUTED not in record.rests_on
    ]
    reserved = {
        plain_name(name) for name in (*baselines.names(), *methods.names(), *published_names)
    }
    own_rows = {name: cases.read(record.cell, published) for name, record in blind.items()}
    rows_of = {record.key: cases.read(record.cell, folder) for record in submitted}
    for record in submitted:
        problems = itertools.chain(
            _declarations(record, blind[PRIOR], reserved),
            _differences(rows_of[record.key], own_rows[PRIOR]),
        )
        _refuse_first(problems, record, folder)
    listed = datasets.load(DATASET, split="test", images=False)
    checked = []
    for record in submitted:
        rows = rows_of[record.key]
        rescored, rescored_rows = _rescored(record, blind[PRIOR], rows, listed)
        _refuse_first(_wrong_numbers(record, rescored, rows, rescored_rows), record, folder)
        checked.append((rescored, rescored_rows))
    return [*checked, *_baselines_beside(checked, blind, own_rows)]


def _refuse_first(problems: Iterator[str], record: Record, folder: Path) -> None:
    """Raise ``DataError`` with the first of the ``problems`` of a record."""
    problem = next(problems, "")
    if problem:
        raise DataError(f"{folder}: {record.method} {problem}")


def _refuse_files(folder: Path) -> None:
    """Raise ``DataError`` for links, and for files that Locus does not write into the folder of results."""
    paths = sorted(folder.rglob("*"))
    links = [path.relative_to(folder).as_posix() for path in paths if path.is_symlink()]
    if links:
        raise DataError(
            f"{folder} has links ({examples(links)}): replace them by the files, or remove them"
        )
    names = [path.relative_to(folder).as_posix() for path in paths if not path.is_dir()]
    unknown = [name for name in names if KNOWN_FILES.fullmatch(name) is None]
    if unknown:
        raise DataError(
            f"{folder} has files that are not results ({examples(unknown)}): remove them"
        )


def _declarations(record: Record, prior_record: Record, reserved: Iterable[str]) -> Iterator[str]:
    """Yield what a record says that cannot be: a name of others, the code of a method, images, a network, a date.

    ``prior_record``: a record of the suite, whose images every submitted record needs.
    """
    cell = record.cell
    is_external = "external" in cell.recipe
    is_ours = (
        not is_external
        and record.method == cell.method
        and cell.method.partition(":")[0] in methods.names()
    )
    if not is_ours and plain_name(record.method) in reserved:
        yield "is the name of a method or baseline of this benchmark: choose another name"
    if not record.method.isascii():
        yield "is not ASCII, so it may look like another name: use ASCII letters, digits and signs"
    network_values = (
        *(cell.backbone, cell.global_pool, cell.attention_map, cell.img_size, cell.seed),
        *(record.training, *record.checkpoints),
    )
    names_network = (
        any(value not in ("", None) for value in network_values)
        or cell.model_id != EXTERNAL_MODEL
        or cell.recipe.keys() != {"external"}
    )
    if is_external and names_network:
        yield "was made elsewhere, so it cannot name a network of this benchmark"
    if is_external and record.code:
        yield f"was made elsewhere, so it cannot have hashes of this benchmark's code ({record.code})"
    if is_external and cell.recipe["external"].get("entry") != cell.method:
        yield f"has the entry {cell.recipe['external'].get('entry')!r} in its recipe: they must be equal"
    has_other_choice = _choice_of_cases(cell) != _choice_of_cases(prior_record.cell)
    if has_other_choice or not prior_record.may_have_cases_of(record):
        case_count = prior_record.rests_on["cases"]
        yield f"was scored on other images, labels or boxes than the {case_count} cases of the lists"
    if not is_external and record.code != _code_of_this_version(record):
        yield f"was computed by other code than this version (hashes {record.code}): run it again"
    try:
        created = datetime.fromisoformat(record.created).date()
    except ValueError:
        yield f"was created at {record.created!r}, which is not a date"
        return
    if created > (datetime.now(UTC) + timedelta(days=1)).date():
        yield f"was created at {record.created!r}, which is in the future"


def _code_of_this_version(record: Record) -> dict[str, str]:
    """Return the hashes of the code of a record's network and method; those of a user's own code are taken from it."""
    cell = record.cell
    if {"grid", "weights"} & cell.recipe.keys():
        network = record.code.get("network", "")
    else:
        network = backbones.network_code({"name": cell.backbone})
    if runs_code(cell.method):
        method = record.code.get("method", "")
    else:
        method = method_code(cell.method)
    return code_of(network, method)


def _choice_of_cases(cell: Cell) -> tuple[object, ...]:
    """Return what a cell says about its cases: partition, split, number of findings, images, other thresholds."""
    options = {name: value for name, value in cell.data.items() if name != "dataset"}
    return cell.partition, cell.split, options


def _differences(rows: pd.DataFrame, own_rows: pd.DataFrame) -> Iterator[str]:
    """Yield how the cases and columns of rows differ from those of the suite's own rows."""
    pairs = _pairs(rows)
    own_pairs = _pairs(own_rows)
    lacking = {*own_pairs} - {*pairs}
    unknown = {*pairs} - {*own_pairs}
    repeated = [", ".join(pair) for pair in duplicates(pairs)]
    if repeated:
        yield f"has several rows of {len(repeated)} cases ({examples(repeated)})"
    if unknown or lacking:
        first = examples(map(", ".join, sorted(unknown or lacking)))
        yield f"lacks {len(lacking)} of {len(own_pairs)} cases and has {len(unknown)} others ({first})"
    columns = [name for name in rows if name not in (*own_rows, *cases.BOX, *IGNORED_COLUMNS)]
    if columns:
        yield f"has columns that its protocol does not write ({examples(columns)})"


def _pairs(rows: pd.DataFrame) -> list[tuple[str, str]]:
    return [*zip(rows["image"], rows["finding"], strict=True)]


def _rescored(record: Record, prior_record: Record, rows: pd.DataFrame, listed: Dataset) -> Checked:
    """Return a record and its rows with nothing but what its boxes give and what its authors declare.

    ``prior_record``: a record of the suite, whose counts and description of the images it gets. The rows are in the
    order of ``rows``.
    """
    samples = {sample.image_id: sample for sample in listed}
    pairs = _pairs(rows)
    boxes = rows.reindex(columns=[*cases.BOX]).to_numpy(np.float64)
    scored = [
        make_case(
            sample=samples[image],
            finding=finding,
            label=1.0,
            values=None,
            grid="conventional",
            submitted_boxes=_box(box, samples[image]),
        )
        for (image, finding), box in zip(pairs, boxes, strict=True)
    ]
    result = SingleBox().evaluate(scored, listed.findings, record.cell.data_seed)
    point_metrics = (
        (POINTING,) if record.cell.recipe.get("external", {}).get("kind") == "boxes" else ()
    )
    scores = tuple(
        score
        for score in result.scores
        if score.metric in point_metrics
        or (score.threshold_source == "cross-fitted" and OF_BOXES.fullmatch(score.metric))
    )
    computed = pd.DataFrame(result.rows)
    stored_columns = (*CASE, *cases.BOX, *point_metrics)
    columns = [name for name in computed if name in stored_columns or OF_BOXES.fullmatch(str(name))]
    rests_on = dict(prior_record.rests_on)
    if DECLARED in record.rests_on:
        rests_on[DECLARED] = record.rests_on[DECLARED]
    rescored = Record(
        cell=record.cell,
        method_name=record.method_name,
        geometry=record.geometry,
        code=record.code,
        checkpoints=record.checkpoints,
        versions=record.versions,
        training=record.training,
        scoring=record.scoring,
        fingerprint=record.fingerprint,
        created=record.created,
        rests_on=rests_on,
        data=prior_record.data,
        scores=scores,
    )
    return rescored, computed[columns]


def _box(box: FloatArray, sample: Sample) -> FloatArray:
    """Return the box of a case as (1,5) with a confidence, or (0,5) without a box.

    Raises ``DataError`` for a box that is not in its image.
    """
    if np.isnan(box).all():
        return np.zeros((0, 5))
    height, width = sample.frame
    low = box[:2]
    high = box[2:]
    if not (np.isfinite(box).all() and (low <= high).all() and (low >= -MAX_OUTSIDE).all()):
        raise DataError(
            f"the box of {sample.image_id} is {box.tolist()}: give x0 ≤ x1 and y0 ≤ y1 in its image"
        )
    if (high > np.array([width, height]) + MAX_OUTSIDE).any():
        raise DataError(
            f"the box of {sample.image_id} is {box.tolist()}, outside its image of {width}×{height} pixels"
        )
    return np.append(box, 1.0)[None]


def _wrong_numbers(
    record: Record, rescored: Record, rows: pd.DataFrame, rescored_rows: pd.DataFrame
) -> Iterator[str]:
    """Yield each number of ``rescored`` and its rows that the record or its rows have with another value.

    Texts in the columns of numbers are refused when the rows are read; both tables have the same order.
    """
    for score in rescored.scores:
        recorded = record.find(score.metric, score.finding, score.threshold_source) or Score("", "")
        if not _agree(_numbers(recorded), _numbers(score)):
            yield (
                f"says {score.metric} of {score.finding} is {_in_words(recorded)}, "
                f"but its boxes give {_in_words(score)}"
            )
    for name in rescored_rows.columns.intersection(rows.columns).drop([*CASE]):
        for case, theirs, ours in zip(_pairs(rows), rows[name], rescored_rows[name], strict=True):
            is_equal = theirs == ours if isinstance(ours, str) else _agree([theirs], [ours])
            if not is_equal:
                yield f"says {name} of {', '.join(case)} is {theirs}, but its box gives {ours}"


def _numbers(score: Score) -> tuple[float | int | None, ...]:
    return score.value, score.low, score.high, score.n


def _in_words(score: Score) -> str:
    return f"{score.value} [{score.low}, {score.high}], n = {score.n}"


def _agree(theirs: Sequence[object], ours: Sequence[object]) -> bool:
    numbers = np.array([theirs, ours], dtype=np.float64)
    return np.allclose(numbers[0], numbers[1], rtol=0, atol=TOLERANCE, equal_nan=True)


def _baselines_beside(
    checked: Sequence[Checked], blind: dict[str, Record], own_rows: dict[str, pd.DataFrame]
) -> Iterator[Checked]:
    """Yield the suite's rows of the baselines that see no image for each network of the ``checked`` methods."""
    networks = {record.cell.without_method.key: record for record, _ in checked}
    for record in networks.values():
        for name, of_baseline in blind.items():
            update = {
                "cell": record.cell.model_copy(update={"method": name}),
                "created": record.created,
            }
            yield (
                of_baseline.model_copy(update=update),
                own_rows[name].drop(columns=["key", *cases.CELL]),
            )
