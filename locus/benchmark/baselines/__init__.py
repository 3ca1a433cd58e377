"""Rows of the tables that are no methods: baselines, upper bounds and references. A new file adds one.

Each file defines a baseline, or some that share code. Their base classes are in ``locus.core.baseline``. ``fold_draws``
repeats ``prior`` and ``fixed_box`` with other patient folds, and ``floor_resamples`` with thresholds chosen again.

All functions take and return names of rows, as in tables and records. For the name of a method, ``is_…`` is False.
"""

import functools
import inspect
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from locus.core.baseline import Baseline, FloatMap, MapBaseline
from locus.core.errors import (
    BadValueError,
    DataError,
    LocusError,
    NotAvailableError,
    UnknownNameError,
    one_line,
)
from locus.core.frames import Grid
from locus.core.registry import BASELINES, METHODS, PLUGINS
from locus.core.types import Sample
from locus.core.user_code import ANYTHING

log = logging.getLogger(__name__)
registry = BASELINES
BENCHMARK = Path(__file__).resolve().parents[1]


def rows() -> tuple[type[Baseline], ...]:
    """Return all baselines in the order of tables.

    A file that cannot be imported is left out with a warning. Raises ``DataError`` if a baseline has the name of a
    method that does not make its maps.
    """
    return tuple(_by_name().values())


def names() -> list[str]:
    """Return the names of all baselines in the order of tables."""
    return [*_by_name()]


def find(name: str) -> type[Baseline] | None:
    """Return the class of a baseline; None if no baseline has this name."""
    return _by_name().get(name)


def get(name: str) -> type[Baseline]:
    """Return the class of a baseline. Raises ``UnknownNameError``."""
    baseline = find(name)
    if baseline is None:
        raise UnknownNameError("baseline", name, names())
    return baseline


def build(name: str) -> Baseline:
    """Create a baseline. Raises ``LocusError`` if its constructor fails."""
    try:
        return get(name)()
    except LocusError:
        raise
    except ANYTHING as error:
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise LocusError(f"the baseline {name!r} cannot be created: {reason}") from error


def require_selectable(row_names: Iterable[str]) -> None:
    """Raise ``BadValueError`` for a row that cannot be selected, because suites with the data for it have it anyway."""
    for name in row_names:
        if is_people(name) or is_of_training_part(name):
            data = "several readers" if is_people(name) else "a published training part"
            raise BadValueError(
                f"{name!r} cannot be selected: suites on data with {data} have this row, so leave it out"
            )


def require_without_suite(row_names: Iterable[str]) -> None:
    """Raise ``BadValueError`` for a baseline that only a suite can score."""
    for name in row_names:
        baseline = find(name)
        if baseline is not None and baseline.needs_suite:
            raise BadValueError(
                f"only a suite can score the baseline {name!r}: leave it out, or run `python -m benchmark.run`"
            )


def is_baseline(name: str) -> bool:
    """Return whether a row is no method and has no rank."""
    return find(name) is not None


def is_reference(name: str) -> bool:
    """Return whether a row has neither ranks nor tests: upper bounds, networks that saw boxes, and people."""
    return _kind(name) in ("upper bound", "fine-tuned", "people")


def is_people(name: str) -> bool:
    """Return whether a row has boxes drawn by people."""
    return _kind(name) == "people"


def is_fine_tuned(name: str) -> bool:
    """Return whether a row is the network after training on boxes."""
    return _kind(name) == "fine-tuned"


def is_of_training_part(name: str) -> bool:
    """Return whether a row is chosen on the published training part of a data set."""
    return _kind(name) == "training part"


def is_blind(name: str) -> bool:
    """Return whether a row knows the boxes of other patients but sees no image."""
    baseline = find(name)
    return baseline is not None and baseline.is_blind


def is_without_network(name: str) -> bool:
    """Return whether a row does not depend on a network."""
    baseline = find(name)
    return baseline is not None and not baseline.needs_network


def has_stored_map(name: str) -> bool:
    """Return whether the maps of a row are stored: those of methods and of most baselines."""
    baseline = find(name)
    return baseline is None or baseline.has_stored_map


def gives_boxes(name: str) -> bool:
    """Return whether a row is a baseline of boxes."""
    baseline = find(name)
    return baseline is not None and baseline.gives_boxes


def in_every_suite() -> list[str]:
    """Return the baselines that each suite has without being asked."""
    return [row.name for row in rows() if row.in_every_suite]


def on_request() -> list[str]:
    """Return the baselines that a suite has only if it lists them or ``--method`` names them."""
    selected = []
    for row in rows():
        has_maps_or_boxes = issubclass(row, MapBaseline) or (
            row.gives_boxes and not row.needs_suite
        )
        if not row.in_every_suite and (has_maps_or_boxes or row.kind == "fine-tuned"):
            selected.append(row.name)
    return selected


def without_training() -> list[str]:
    """Return the baselines of every suite that do not depend on a network."""
    return [row.name for row in rows() if row.in_every_suite and not row.needs_network]


def without_network() -> list[str]:
    """Return the baselines that do not depend on a network."""
    return [row.name for row in rows() if not row.needs_network]


def blind() -> list[str]:
    """Return the rows that a method must be above, maps before boxes, as in the columns of tables."""
    selected = [row for row in rows() if row.is_blind]
    return [row.name for row in sorted(selected, key=lambda row: row.gives_boxes)]


def beside_prior() -> list[str]:
    """Return the rows that the protocol ``added`` joins to ``prior``."""
    return [row.name for row in rows() if row.joins_prior]


def fine_tuned() -> list[str]:
    """Return the rows of networks that were trained on boxes."""
    return [row.name for row in rows() if row.kind == "fine-tuned"]


def of_training_part() -> list[str]:
    """Return the rows that are chosen on the published training part of a data set."""
    return [row.name for row in rows() if row.kind == "training part"]


def in_tables() -> list[str]:
    """Return the baselines of the main tables."""
    kinds = ("baseline", "upper bound", "fine-tuned")
    return [row.name for row in rows() if row.kind in kinds]


def why_unranked(name: str) -> str:
    """Return what a baseline is, as tables say it; empty for a method."""
    baseline = find(name)
    return "" if baseline is None else baseline.why_unranked


def file_of(name: str) -> Path | None:
    """Return the file whose code computes a baseline; None for a class in memory and if a method makes its maps."""
    baseline = get(name)
    if baseline.method:
        return None
    if baseline.file:
        return BENCHMARK / baseline.file
    return registry.file_of(name)


def maps_of(
    baseline: MapBaseline,
    samples: Sequence[Sample],
    findings: Sequence[str],
    grid: Grid,
    shape: tuple[int, int],
) -> FloatMap:
    """Return the maps (N,K,h,w) of a baseline. Raises ``BadValueError`` if they have another shape.

    Args:
        baseline: the baseline.
        samples: N images with truth boxes.
        findings: K findings.
        grid: positions of the maps, as ``baseline.geometry`` returns it.
        shape: (h, w) of the maps, as ``baseline.geometry`` returns it.
    """
    maps = np.asarray(baseline.maps(samples, findings, grid, shape), dtype=np.float32)
    expected = (len(samples), len(findings), *shape)
    if maps.shape != expected:
        raise BadValueError(
            f"the maps of the baseline {baseline.name!r} have the shape {maps.shape}: return {expected} "
            "(images, findings, rows, columns)"
        )
    return maps


def _kind(name: str) -> str:
    baseline = find(name)
    return "" if baseline is None else baseline.kind


def _by_name() -> dict[str, type[Baseline]]:
    """Return name -> class, in the order of tables."""
    return _read(
        tuple(BASELINES.names()),
        tuple(BASELINES.added.values()),
        tuple(METHODS.added),
        os.environ.get(PLUGINS, ""),
    )


@functools.lru_cache(maxsize=8)
def _read(
    baseline_names: Sequence[str],
    added: Sequence[type[Baseline]],
    added_methods: Sequence[str],
    plugins: str,
) -> dict[str, type[Baseline]]:
    """Import all baselines; the arguments say when this has to be done again."""
    classes = []
    method_names = METHODS.names()
    for name in baseline_names:
        try:
            baseline = BASELINES.get(name)
        except NotAvailableError as error:
            log.warning("%s", error)
            continue
        if not (inspect.isclass(baseline) and issubclass(baseline, Baseline)):
            raise BadValueError(
                f"{name!r} in {BASELINES.home} is not a baseline: derive it from locus.core.baseline.MapBaseline"
            )
        if name in method_names and baseline.method != name:
            raise DataError(
                f"{name!r} is the name of a baseline and of a method ({METHODS.file_of(name)}): rename one of them"
            )
        classes.append(baseline)
    in_order = sorted(classes, key=lambda baseline: baseline.order)
    return {baseline.name: baseline for baseline in in_order}
