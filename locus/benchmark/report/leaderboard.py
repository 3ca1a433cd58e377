"""All entries of a suite: the rows of its tables, charts and pages, from the records and the rows per case.

An entry is the record of one table row: a method, averaged over the models that differ only by their training seed. It
has intervals and comparisons from the rows per case. One entry is defined in ``entry``, its comparisons in
``comparisons``; the tables are made in ``all_tables``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from locus.benchmark.records import Record, Score
from locus.benchmark.report import select
from locus.benchmark.report.case_columns import column_of, hits_of
from locus.benchmark.report.comparisons import comparisons, effects, networks
from locus.benchmark.report.entry import Entry, entry, mean_records, ranked, trainings, with_comparisons
from locus.core.names import CLASSIFICATION, PAIRED

AUROC = ("auroc", "auroc@boxed")
"""Metrics of the classifier, on all images and on boxed images (those with a truth box)."""


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """The entries of one data set of a suite: the rows of its tables, charts and pages."""

    dataset: str
    records: Sequence[Record]
    """All records of the suite."""
    folders: Sequence[Path]
    """Folders with the rows per case."""
    parts: Mapping[int | None, Sequence[Entry]]
    """Methods of each part of the images, in table order. The key is the number of images, None for all images."""
    networks: Sequence[Entry]
    """An entry per network, the mean over its methods."""
    effects: Sequence[Entry]
    """An entry per method with its mean difference from other methods over the networks; see ``effects``."""

    @property
    def entries(self) -> Sequence[Entry]:
        """The methods on all images."""
        return self.parts[None]

    def runs(self, images: int | None = None) -> list[Record]:
        """Return the records of the main table's training runs, on a part of the images or on all."""
        return select.main_records(self.records, self.dataset, images)


def leaderboards(
    records: Sequence[Record], folders: Sequence[Path] = (), rank_methods: Sequence[str] = ()
) -> list[Leaderboard]:
    """Return the entries of each data set.

    ``folders`` contain the rows per case; entries without them have no interval and are not compared. ``rank_methods``:
    the methods whose mean represents a network, by default all common methods. Raises ``DataError`` for invalid rows.
    """
    return [_leaderboard(records, name, folders, rank_methods) for name in select.datasets(records)]


def _leaderboard(
    records: Sequence[Record], dataset: str, folders: Sequence[Path], rank_methods: Sequence[str]
) -> Leaderboard:
    """Return the entries of all parts, with classification scores and comparisons, for one data set."""
    by_part = {part: select.main_records(records, dataset, part) for part in (None, *select.parts(records, dataset))}
    runs = [record for group in by_part.values() for record in group]
    hits = hits_of(runs, folders) if runs and folders else None
    # The main column of each part: hits per patient, which give an entry its interval.
    columns = {part: None if hits is None else column_of(group, hits) for part, group in by_part.items()}
    rows = {
        part: [
            entry(group, column.entry(group) if (column := columns[part]) else None) for group in trainings(same_images)
        ]
        for part, same_images in by_part.items()
    }
    groups, auroc = [*select.grouped(rows[None], select.recipe_key).values()], _auroc(records)
    of_networks = [with_comparisons(n, auroc.get(select.network_key(n), ())) for n in networks(groups, rank_methods)]
    entries = {}
    for part, column in columns.items():
        scores_by_row = {row: [*auroc.get(select.model_key(row), ())] for row in rows[part]}
        # Paired records compare the methods of a model on the same cases: see ``locus.benchmark.suite.finalize``.
        of_part = (r for r in records if r.cell.protocol == PAIRED and r.cell.images == part)
        paired = {select.row_key(r): r.scores for r in of_part}
        for row, scores in comparisons(rows[part], column, paired, of_networks if part is None else ()):
            scores_by_row[row] += scores
        entries[part] = _in_order([with_comparisons(*pair) for pair in scores_by_row.items()], of_networks)
    return Leaderboard(dataset, records, folders, entries, of_networks, effects(groups))


def _auroc(records: Sequence[Record]) -> dict[tuple[object, ...], list[Score]]:
    """Return the AUROC of each classifier, by the key of its model and, for means over runs, by that of its recipe."""
    of_models = select.scored(records, CLASSIFICATION)
    means = mean_records(of_models)
    classifiers = {select.model_key(r): r for r in (*of_models, *means)} | {select.network_key(r): r for r in means}
    return {key: [s for s in r.select(finding="mean") if s.metric in AUROC] for key, r in classifiers.items()}


def _in_order(entries: Sequence[Entry], of_networks: Sequence[Entry]) -> list[Entry]:
    """Sort the methods network by network, in the order of the networks, best first; then baselines and upper bound."""
    rows = ranked(entries)
    position = {key: n for n, key in enumerate(dict.fromkeys(map(select.recipe_key, [*of_networks, *rows])))}
    return sorted(rows, key=lambda r: position[select.recipe_key(r)] if select.is_method(r) else len(position))
