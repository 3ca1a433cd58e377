"""Result of ``locus.evaluate``: tables, rows per case, pictures, and a results folder as of a suite.

``Evaluation``  the scores; ``rules`` compares two of its methods under all rules of the field
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from locus import methods as method_registry
from locus.benchmark import records, validity
from locus.benchmark.evaluation.scorer import ScoredModel, stored_cases
from locus.benchmark.maps.cases import CaseStore
from locus.benchmark.pictures import panels
from locus.benchmark.pictures.panels import RawMap, prepare_case
from locus.benchmark.records import Record, Score, cases
from locus.benchmark.report import grouping, main_table, tables
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.grouping import COLUMNS as TABLE_COLUMNS
from locus.benchmark.report.grouping import POINTING, Interval, Row, by_score, network_words
from locus.benchmark.report.leaderboard import Leaderboard, leaderboards
from locus.benchmark.report.page import DatasetTables, Description, cells_without_score
from locus.benchmark.report.table import as_text
from locus.benchmark.scoring import protocols
from locus.benchmark.scoring.protocols.base import Case, case_index, with_truth
from locus.benchmark.scoring.rules import rule_values, scored
from locus.benchmark.scoring.statistics.rank_reversals import two_rows
from locus.core.errors import BadValueError, DataError, LocusError, UnknownNameError
from locus.core.files import safe_filename, writing
from locus.core.names import CLASSIFICATION, CLASSIFIER, IN_TABLES, MAIN, MAIN_PROTOCOL, match
from locus.core.registry import named

COLUMNS = ("method", "metric", "value", "low", "high", "n", "protocol")
CASE_COLUMNS = (
    *("model_id", "method", "image", "patient", "finding", "threshold", "box"),
    *("IoU", "IoBB", "hit", "pointing", "reason"),
)


class ScoreTable(pd.DataFrame):
    """Rows of the main table as numbers; ``print`` shows the columns of ``leaderboard.md`` instead.

    Frames that are derived from it, such as a selection of rows, print as other data frames do.
    """

    _metadata: ClassVar[list[str]] = ["text"]

    def __init__(self, data: pd.DataFrame, text: str) -> None:
        """``text`` is what ``print`` shows."""
        super().__init__(data)  # type: ignore[call-arg] # the stubs have no constructor
        self.text = text

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def __repr__(self) -> str:
        """Return the table as text."""
        return self.text


@dataclass
class Evaluation:
    """The scores of one or several training runs of a network on the same images."""

    name: str
    temporary: "TemporaryDirectory[str]" = field(repr=False)
    """Folder of maps, records and rows per case; it is removed with this object."""
    classes: Sequence[type[Any]] = field(default=(), repr=False)
    """Methods given as classes."""
    protocols: Sequence[str] = (MAIN_PROTOCOL,)
    """Names of the protocols, as requested."""
    models: list[ScoredModel] = field(default_factory=list, repr=False)
    """One per training run."""

    @property
    def work(self) -> Path:
        """Folder with maps, records and rows per case."""
        return Path(self.temporary.name)

    @property
    def folder(self) -> Path:
        """Folder of records and rows per case."""
        return self.work / "evaluation" / safe_filename(self.name)

    @cached_property
    def records(self) -> list[Record]:
        """One record per training run, method and protocol; those without a score have a ``reason``."""
        return records.load(self.folder)

    @property
    def absent(self) -> dict[str, str]:
        """Method -> why it has no scores or failed on some cases."""
        return {record.method: record.reason for record in self.records if record.status != "ok"}

    def table(self) -> pd.DataFrame:
        """Return a row per method, best first, then the baselines, as numbers.

        Returns:
            ``network``, ``method``, ``runs``, ``auroc`` (with the protocol ``classification``) and the scores.

            With the protocol ``single_box``: the shares of cases hit ``hit@iou.1`` to ``hit@iou.7``, ``hit@iobb.1`` to
            ``hit@iobb.9`` and ``pointing``, ``low`` and ``high`` (95% interval of ``hit@iou.3``: over patients or,
            with several training runs, over runs and patients), ``minus_floor``, ``minus_prior`` and
            ``minus_fixed_box`` (differences from the baselines), ``above_baselines`` and ``in_top_group``
            (docs/protocols.md). ``print`` shows the columns of leaderboard.md. See ``scores`` for other protocols.

            Without it: all metrics of the protocols with their intervals, as in ``scores`` (``pointing``,
            ``pointing low``, ``pointing high``). The main metric of the first protocol decides the order. A metric of
            an earlier protocol is repeated as ``optimism (maxbox)``.
        """
        if MAIN_PROTOCOL in self.protocols:
            text = "\n".join(as_text(main_table.thresholds(board)) for board in self._boards)
            return ScoreTable(main_table.data_frame(self._ranked_rows), text)
        lines: dict[str, dict[str, Any]] = {}
        owners: dict[str, str] = {}
        classifier = [("auroc", row.value("auroc")) for row in self._rows if row.cell.method == CLASSIFIER]
        for protocol in self._protocols_of_maps:
            for row in self._ranked(protocol):
                first = {"network": row.network, "method": row.name, "runs": len(self.models)}
                line = lines.setdefault(row.name, first | dict(classifier))
                for score in self._displayed_scores(row, "mean"):
                    owner = owners.setdefault(score.metric, protocol)
                    name = score.metric if owner == protocol else f"{score.metric} ({protocol})"
                    ends = {} if score.low is None else {f"{name} low": score.low, f"{name} high": score.high}
                    line |= {name: score.value, **ends}
        table = pd.DataFrame([lines[method] for method in sorted(lines, key=_place)])
        return table.astype(dict.fromkeys(table.columns[3:], float))

    def scores(self, finding: str = "mean") -> pd.DataFrame:
        """Return all scores, one row per method and metric, including the baselines.

        Args:
            finding: one finding, or ``mean``: the unweighted mean over findings.

        Returns:
            ``method``, ``metric``, ``value``, ``low``, ``high``, ``n`` and ``protocol``. The 95% interval is over
            patients. With several training runs, the main metric has an interval over runs and patients and other
            metrics have none.
            The mean also has the thresholds of ``table`` that the records lack, without an interval.
            ``n`` is the number of cases, truth boxes or images. Thresholds that a protocol chooses are cross-fitted by
            patient; ``records`` has the other sources.

        Raises:
            UnknownNameError: for an unknown finding.
        """
        if finding != "mean":
            finding = match(finding, self.models[0].trained[0].data.findings)
        rows: dict[tuple[str, str, str], tuple[float | None, ...]] = {}
        for row in sorted(self._rows, key=lambda row: row.cell.protocol != MAIN_PROTOCOL):
            for score in self._displayed_scores(row, finding):
                # ``single_box`` has it, too: for the baselines, its value is a mean over draws of the folds
                protocol = POINTING if score.metric == POINTING else row.cell.protocol
                rows.setdefault((protocol, row.name, score.metric), (score.value, score.low, score.high, score.n))
        for row in self._ranked_rows if finding == "mean" else ():
            for metric in (name for name in TABLE_COLUMNS if name in row.scores):
                protocol = POINTING if metric == POINTING else MAIN_PROTOCOL
                rows.setdefault((protocol, row.name, metric), (row.scores[metric].value, None, None, row.main.n))
        lines = [(method, metric, *values, protocol) for (protocol, method, metric), values in rows.items()]
        return pd.DataFrame(lines, columns=COLUMNS).astype(dict.fromkeys(("value", "low", "high"), float))

    def __repr__(self) -> str:
        """Say what was evaluated: ``small CNN with PCAM on phantom: gradcam, layercam and 5 baselines``."""
        networks = dict.fromkeys(f"{network_words(record.cell)} on {record.cell.dataset}" for record in self.records)
        maps = [record for record in self.records if record.cell.method != CLASSIFIER]
        words = dict.fromkeys(record.method for record in maps if grouping.is_method(record))
        others = {record.method for record in maps} - words.keys()
        rows = f"{', '.join(words)} and {len(others)} baselines" if maps else CLASSIFICATION
        return f"{', '.join(networks)}: {rows}"

    def __str__(self) -> str:
        """Return the answer, the cells without a score, and ``table``."""
        boards = self._boards if MAIN_PROTOCOL in self.protocols else []
        answer = tables.headline(list(map(DatasetTables, boards))) or "\n".join(cells_without_score(self.records))
        table = self.table()
        numbers = str(table) if boards else table.to_string(index=False, float_format="{:.3f}".format, na_rep="–")
        return "\n\n".join(filter(None, [answer, numbers]))

    def _repr_html_(self) -> str:
        """Show ``table`` in a notebook."""
        return str(self.table().round(3).to_html(index=False))

    def cases(self, protocol: str | None = None, all_columns: bool = False) -> pd.DataFrame:
        """Return the rows of a protocol, one per case (image × finding with a truth box), method and training run.

        Args:
            protocol: its name; None: ``single_box`` or, if that was not evaluated, the first protocol.
            all_columns: also return the columns of other threshold sources.

        Returns:
            ``method``, ``image``, ``patient``, ``finding``, ``threshold``, ``box`` (x0, y0, x1, y1 in the frame, None
            without a box), ``IoU``, ``IoBB``, ``hit`` (IoU above .3), ``pointing`` and ``reason``; then, with
            ``all_columns``, all others. Protocols other than ``single_box`` have their own columns after ``finding``.

        Raises:
            UnknownNameError: if the protocol was not evaluated.
            BadValueError: if only ``classification`` was evaluated, which has no cases.
        """
        if protocol is None:
            protocol = MAIN_PROTOCOL if MAIN_PROTOCOL in self.protocols else self._protocols_of_maps[0]
        if protocol == CLASSIFICATION:
            raise BadValueError(f"{protocol} has no cases: choose one of the protocols that score maps")
        scored = [record for record in self.records if record.cell.protocol == protocol and record.scores]
        if not scored:
            raise UnknownNameError("protocol", protocol, dict.fromkeys(r.cell.protocol for r in self.records))
        table = pd.concat([cases.read(record.cell, self.folder) for record in scored], ignore_index=True)
        if {*cases.BOX} <= {*table}:
            corners = table[[*cases.BOX]].to_numpy(dtype=float).tolist()
            table["box"] = pd.Series([None if x0 != x0 else (x0, *rest) for x0, *rest in corners], dtype=object)
            table["IoU"], table["IoBB"], table["hit"] = table["iou"], table["iobb"], table[MAIN].astype(bool)
            if not all_columns:
                return table[[name for name in CASE_COLUMNS if name in table]]
        first = [name for name in CASE_COLUMNS if name in table]
        return table[[*first, *(name for name in table.columns if name not in first)]]

    def show(self, image: str, finding: str, method: str | None = None, run: int = 0) -> Figure:
        """Draw one case: the image with truth and predicted boxes, the heat map over it, the heat map.

        Args:
            image: the ``image_id`` of the sample.
            finding: the finding, in any usual spelling.
            method: name of the method; None: the method with the best score.
            run: index of the training run.

        Raises:
            UnknownNameError: for an image that was not explained, an unknown finding, a method without maps.
        """
        model = self.models[run]
        in_memory = model.trained[0]
        samples = {sample.image_id: sample for sample in in_memory.scorable_images}
        if image not in samples:
            raise UnknownNameError("image with a truth box", image, list(samples)[:20])
        finding, word = match(finding, in_memory.data.findings), method_registry.normalize_name(method or self._best())
        store = self._store(model, word)
        stored = store.maps[word]
        if isinstance(stored, LocusError):
            raise stored
        values = stored.map(image, finding)
        if values is None:
            raise DataError(f"the map of {word} for {finding} in {image} has NaN or infinite values")
        probability = store.probabilities[0, image, finding]
        raw = RawMap(word, values, stored.index.grid, probability)
        threshold, threshold_source = self._threshold(model.id, word, image, finding)
        sample = samples[image]
        return panels.draw(prepare_case(sample, sample.image, finding, raw, threshold, threshold_source))

    def save(self, folder: Path | str) -> Path:
        """Write the same folder as ``benchmark.run``: records, rows per case, tables and ``index.html``.

        Raises:
            BadValueError: if ``folder`` is a file or contains records of another evaluation.
            WriteError: if it cannot be written.
        """
        target = Path(folder)
        if target.exists() and not target.is_dir():
            raise BadValueError(f"{target} is a file: choose a folder")
        if target.is_dir() and {r.key for r in records.load(target)} - {r.key for r in self.records}:
            raise BadValueError(f"{target} has records of another evaluation: choose another folder")
        with writing(target):
            target.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory() as temporary:  # this result keeps all columns of its rows
                packed = Path(shutil.copytree(self.folder, Path(temporary, self.folder.name)))
                records.pack(packed)
                for file in packed.glob("*.parquet"):
                    shutil.copyfile(file, target / file.name)
        tables.write(target, Description(self.name, f"Evaluated from Python: {self.name}.", checks=validity.reports()))
        return target

    @cached_property
    def _boards(self) -> list[Leaderboard]:
        return leaderboards(self.records, CaseFolders(self.folder))

    @cached_property
    def _ranked_rows(self) -> list[Row]:
        """Rows of the main table: methods best first, then the baselines; none without the main protocol."""
        return [row for board in self._boards for row in (*board.methods, *board.baselines)]

    @cached_property
    def _rows(self) -> list[Row]:
        """One row per method and protocol, over training runs."""
        return [Row.of(runs) for runs in grouping.trainings(record for record in self.records if record.scores)]

    @cached_property
    def _over_runs(self) -> dict[str, Interval]:
        """Key of a row of the main protocol -> its main column, with the interval over training runs and patients."""
        return {row.cell.key: row.main for row in self._ranked_rows}

    @property
    def _protocols_of_maps(self) -> list[str]:
        """The protocols without ``classification``, unless there is no other."""
        return [name for name in self.protocols if name != CLASSIFICATION] or [*self.protocols]

    def _ranked(self, protocol: str) -> list[Row]:
        """Return the rows of a protocol: methods by its main metric, then the baselines."""
        main = "auroc" if protocol == CLASSIFICATION else protocols.get(protocol).main

        def place(row: Row) -> tuple[int, float, str]:
            values = {score.metric.removesuffix("@box"): score.value for score in self._displayed_scores(row, "mean")}
            first = values.get(main)
            return _place(row.name), 1.0 if first is None else -first, row.name

        return sorted((row for row in self._rows if row.cell.protocol == protocol), key=place)

    def _displayed_scores(self, row: Row, finding: str) -> list[Score]:
        """Return the scores of a finding, one per metric: the cross-fitted one if there are several sources."""
        by_metric: dict[str, Score] = {}
        for score in sorted(row.select(finding), key=lambda score: score.metric != MAIN):
            if score.metric not in by_metric or score.threshold_source == "cross-fitted":
                by_metric[score.metric] = score
        if finding == "mean" and MAIN in by_metric and (main := self._over_runs.get(row.cell.key)) is not None:
            by_metric[MAIN] = by_metric[MAIN]._replace(low=main.low, high=main.high)
        return [*by_metric.values()]

    def _best(self) -> str:
        """Return the method with the highest main score; the first one if none has a score."""
        first = MAIN_PROTOCOL if MAIN_PROTOCOL in self.protocols else self._protocols_of_maps[0]
        ranked = [*self._ranked(first), *(Row.of([record]) for record in self.records)]
        if not (methods := [row.name for row in ranked if row.is_method and row.name != CLASSIFIER]):
            raise BadValueError("no method was evaluated: give the argument method")
        return methods[0]

    def _store(self, model: ScoredModel, word: str) -> CaseStore:
        """Return the stored maps of a method. Raises ``UnknownNameError`` if it was not evaluated."""
        evaluated = dict.fromkeys(r.method for r in self.records if r.cell.method != CLASSIFIER)
        if word not in evaluated:
            raise UnknownNameError("method", word, evaluated)
        with method_registry.registry.adding(self.classes):
            return stored_cases(model, [word], None)

    def _cases(self, word: str) -> list[list[Case]]:
        """Return the cases of a method with a truth box, by training run."""
        scored = {r.cell.model_id: r.cell for r in self.records if (r.method, r.cell.protocol) == (word, MAIN_PROTOCOL)}
        return [with_truth(self._store(model, word).cases(scored[model.id])) for model in self.models]

    def _threshold(self, model_id: str, word: str, image: str, finding: str) -> tuple[float, str]:
        """Return the score threshold of a case and its source: cross-fitted with ``single_box``, else .5."""
        if not any(r.cell.protocol == MAIN_PROTOCOL and r.scores for r in self.records):
            return 0.5, "fixed"
        rows = self.cases(MAIN_PROTOCOL).set_index(["model_id", "method", "image", "finding"])["threshold"]
        key = model_id, word, image, finding
        return (float(rows[key]), "cross-fitted") if key in rows else (0.5, "fixed")


def rules(result: Evaluation, first: str | None = None, second: str | None = None) -> pd.DataFrame:
    """Compare two methods under all rules of the field.

    Args:
        result: an evaluation with the protocol ``single_box``.
        first: name of a method or baseline; None: the best method.
        second: name of another one; None: the best of the others.

    Returns:
        A row per rule: ``rule``, the scores ``first`` and ``second``, ``difference`` with ``low`` and ``high`` (95%,
        over patients and training runs), ``p``, ``p_holm`` (corrected over the rules) and ``better``: the name of the
        significantly better method, or an empty string. No interval and p below ten patients.

    Raises:
        UnknownNameError: a method that was not evaluated.
    """
    ranked = [row.name for board in result._boards for row in (*by_score(board.methods), *board.baselines)]
    names = [named({name: name for name in ranked}, "method", word) for word in (first, second) if word is not None]
    names += [name for name in ranked if name not in names][: 2 - len(names)]
    of_runs = [cases for name in names for cases in result._cases(name)]  # runs of the first, runs of the second
    run = result.models[0].trained[0]
    values = [rule_values(scored(cases, run.data.findings, run.config.data_seed)) for cases in of_runs]
    columns = {rule: np.stack([of_run[rule] for of_run in values], 1) for rule in values[0]}
    compared = two_rows(columns, case_index(of_runs[0]), [tuple(model.id for model in result.models)] * 2)
    table = pd.DataFrame(compared)
    return table.assign(better=[{1: names[0], -1: names[1], 0: ""}[one.sign] for one in compared])


def _place(method: str) -> int:
    """Return 0 for a method, and the position among the baselines for a baseline."""
    return 1 + IN_TABLES.index(method) if method in IN_TABLES else 0
