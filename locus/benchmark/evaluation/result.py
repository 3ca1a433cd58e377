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
from locus.benchmark import baselines, checks, records
from locus.benchmark.evaluation.network import ScoredModel, stored_cases
from locus.benchmark.maps.cases import CaseStore
from locus.benchmark.pictures import panels
from locus.benchmark.pictures.panels import RawMap, prepare_case
from locus.benchmark.records import Record, cases
from locus.benchmark.report import added, grouping, main_table, tables
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.grouping import by_score
from locus.benchmark.report.leaderboard import Leaderboard, leaderboards
from locus.benchmark.report.page import DatasetTables, Description, cells_without_score
from locus.benchmark.report.section import Reports
from locus.benchmark.report.table import as_text
from locus.core.errors import BadValueError, DataError, LocusError, UnknownNameError
from locus.core.files import safe_filename, writing
from locus.core.names import (
    ADDED,
    CLASSIFICATION,
    CLASSIFIER,
    MAIN,
    MAIN_PROTOCOL,
    match,
)
from locus.core.registry import named
from locus.scoring import protocols
from locus.scoring.protocols.base import Case, case_index, with_truth
from locus.scoring.rules import rule_values, scored
from locus.scoring.statistics.rank_reversals import two_rows

CASE_COLUMNS = (
    "model_id",
    "method",
    "image",
    "patient",
    "finding",
    "phrase",
    "threshold",
    "box",
    "IoU",
    "IoBB",
    "hit",
    "pointing",
    "reason",
)


class ScoreTable(pd.DataFrame):
    """Rows of a table as numbers; ``print`` shows the columns of ``leaderboard.md`` instead.

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


@dataclass(kw_only=True)
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
            (docs/protocols.md). With ``added``, too: ``added``, ``added_low`` and ``added_high`` (95% interval).
            ``print`` shows the columns of leaderboard.md. See ``scores`` for other protocols.

            Without it: all metrics of the protocols with their intervals (``pointing``,
            ``pointing low``, ``pointing high``). The main metric of the first protocol decides the order. A metric of
            an earlier protocol is repeated as ``optimism (maxbox)``. With ``added`` alone, ``print`` shows its table of
            leaderboard.md.
        """
        if MAIN_PROTOCOL in self.protocols:
            text = "\n".join(as_text(main_table.thresholds(board)) for board in self._boards)
            return ScoreTable(main_table.data_frame(self._boards), text)
        table = self._table_of_protocols()
        if [*self.protocols] != [ADDED] or table.empty:
            return table
        text = "\n".join(as_text(added.table(board)) for board in self._boards)
        return ScoreTable(table, text)

    def _table_of_protocols(self) -> pd.DataFrame:
        """Return a row per method with all metrics of the protocols, and their intervals."""
        means = self._means
        columns: dict[str, pd.Series[float]] = {}
        classifier = means[means["method"] == CLASSIFIER].set_index("metric")["value"]
        ranked = [
            method for protocol in self._protocols_of_maps for method in self._ranked(protocol)
        ]
        methods = sorted(dict.fromkeys(ranked), key=_place)
        if "auroc" in classifier:
            columns["auroc"] = pd.Series(classifier["auroc"], methods)
        protocol_of_metric: dict[str, str] = {}
        for protocol in self._protocols_of_maps:
            of_protocol = means[means["protocol"] == protocol]
            for metric, scores in of_protocol.groupby("metric", sort=False):
                name = str(metric)
                if protocol_of_metric.setdefault(name, protocol) != protocol:
                    name = f"{name} ({protocol})"
                by_method = scores.set_index("method")
                columns[name] = by_method["value"]
                if by_method["low"].notna().any():
                    columns[f"{name} low"] = by_method["low"]
                    columns[f"{name} high"] = by_method["high"]
        table = pd.DataFrame(columns, index=methods, dtype=float)
        network_of = means.drop_duplicates("method").set_index("method")["network"]
        table.insert(0, "network", network_of)
        table.insert(1, "method", methods)
        table.insert(2, "runs", len(self.models))
        return table.reset_index(drop=True)

    def scores(self, finding: str = "mean") -> pd.DataFrame:
        """Return all scores of a finding: ``locus.benchmark.records.frame`` of ``records``.

        Args:
            finding: one finding, or ``mean``: the unweighted mean over findings.

        Returns:
            A row per method, protocol, metric and ``threshold_source``, including the baselines, with ``value``,
            ``low``, ``high``, ``n`` and ``reason``. ``n`` is the number of cases, truth boxes or images. The 95%
            interval is over patients. With several training runs, the value is their mean, without an interval:
            ``table`` has the interval of the main metric over runs and patients.

        Raises:
            UnknownNameError: for an unknown finding.
        """
        if finding != "mean":
            finding = match(finding, self.models[0].trained[0].data.findings)
        table = records.frame(self.records)
        return table[table["finding"] == finding].reset_index(drop=True)

    def __repr__(self) -> str:
        """Say what was evaluated: ``small CNN with PCAM on phantom: gradcam, layercam and 5 baselines``."""
        networks = dict.fromkeys(
            f"{record.cell.network} on {record.cell.dataset}" for record in self.records
        )
        map_records = [record for record in self.records if record.cell.method != CLASSIFIER]
        if not map_records:
            return f"{', '.join(networks)}: {CLASSIFICATION}"
        methods = dict.fromkeys(
            record.method for record in map_records if grouping.is_method(record)
        )
        baseline_names = {record.method for record in map_records} - methods.keys()
        return f"{', '.join(networks)}: {', '.join(methods)} and {len(baseline_names)} baselines"

    def __str__(self) -> str:
        """Return the answer, the cells without a score, and ``table``."""
        boards = self._boards if MAIN_PROTOCOL in self.protocols else []
        table = self.table()
        text = (
            str(table)
            if isinstance(table, ScoreTable)
            else table.to_string(index=False, float_format="{:.3f}".format, na_rep="–")
        )
        answer = tables.headline([DatasetTables(board) for board in boards])
        if not answer:
            answer = "\n".join(cells_without_score(self.records))
        return f"{answer}\n\n{text}" if answer else text

    def _repr_html_(self) -> str:
        """Show ``table`` in a notebook."""
        return str(self.table().round(3).to_html(index=False))

    def cases(self, protocol: str | None = None, all_columns: bool = False) -> pd.DataFrame:
        """Return the rows of a protocol, one per case (image × finding with a truth box), method and training run.

        Args:
            protocol: its name; None: ``single_box`` or, if that was not evaluated, the first protocol.
            all_columns: also return the columns of other threshold sources.

        Returns:
            ``method``, ``image``, ``patient``, ``finding``, ``phrase`` (only if the data set has phrases),
            ``threshold``, ``box`` (x0, y0, x1, y1 in the frame, None without a box), ``IoU``, ``IoBB``, ``hit`` (IoU
            above .3), ``pointing`` and ``reason``; then, with ``all_columns``, all others. Protocols other than
            ``single_box`` have their own columns after ``finding``.

        Raises:
            UnknownNameError: if the protocol was not evaluated.
            BadValueError: if only ``classification`` was evaluated, which has no cases.
        """
        if protocol is None:
            protocol = self._first_protocol
        if protocol == CLASSIFICATION:
            raise BadValueError(
                f"{protocol} has no cases: choose one of the protocols that score maps"
            )
        scored = [
            record for record in self.records if record.cell.protocol == protocol and record.scores
        ]
        if not scored:
            evaluated = dict.fromkeys(record.cell.protocol for record in self.records)
            raise UnknownNameError("protocol", protocol, evaluated)
        table = pd.concat(
            [cases.read(record.cell, self.folder) for record in scored], ignore_index=True
        )
        has_hits = {*cases.BOX, MAIN} <= {*table}
        if has_hits:
            corners = table[[*cases.BOX]].to_numpy(dtype=float)
            boxes = [None if np.isnan(box[0]) else tuple(box.tolist()) for box in corners]
            table["box"] = pd.Series(boxes, dtype=object)
            table["IoU"] = table["iou"]
            table["IoBB"] = table["iobb"]
            table["hit"] = table[MAIN].astype(bool)
        columns = [name for name in CASE_COLUMNS if name in table]
        if all_columns or not has_hits:
            columns += [name for name in table.columns if name not in CASE_COLUMNS]
        return table[columns]

    def show(self, image: str, finding: str, method: str | None = None, run: int = 0) -> Figure:
        """Draw one case: the image with truth and predicted boxes, the heat map over it, the heat map.

        Args:
            image: the ``image_id`` of the sample.
            finding: the finding, in any usual spelling.
            method: name of the method; None: the method with the best score.
            run: index of the training run.

        Returns:
            The figure.

        Raises:
            UnknownNameError: for an image that was not explained, an unknown finding, a method without maps.
            DataError: the map has NaN or infinite values.
        """
        model = self.models[run]
        in_memory = model.trained[0]
        samples = {sample.image_id: sample for sample in in_memory.scorable_images}
        if image not in samples:
            raise UnknownNameError("image with a truth box", image, list(samples)[:20])
        finding = match(finding, in_memory.data.findings)
        method_name = method_registry.normalize_name(method or self._best())
        store = self._store(model, method_name)
        stored = store.maps[method_name]
        if isinstance(stored, LocusError):
            raise stored
        values = stored.map(image, finding)
        if values is None:
            raise DataError(
                f"the map of {method_name} for {finding} in {image} has NaN or infinite values"
            )
        raw = RawMap(method_name, values, stored.index.grid, store.probabilities[0, image, finding])
        threshold, source = self._threshold(model.id, method_name, image, finding)
        sample = samples[image]
        return panels.draw(
            prepare_case(
                sample,
                pixels=sample.image,
                finding=finding,
                raw=raw,
                threshold=threshold,
                threshold_source=source,
            )
        )

    def save(self, folder: Path | str) -> Path:
        """Write the same folder as ``benchmark.run``: records, rows per case, tables and ``index.html``.

        Args:
            folder: a new folder, or one of an earlier ``save`` of this result.

        Returns:
            The folder.

        Raises:
            BadValueError: if ``folder`` is a file or contains records of another evaluation.
            WriteError: if it cannot be written.
        """
        target = Path(folder)
        if target.exists() and not target.is_dir():
            raise BadValueError(f"{target} is a file: choose a folder")
        keys = {record.key for record in self.records}
        if target.is_dir() and any(record.key not in keys for record in records.load(target)):
            raise BadValueError(
                f"{target} has records of another evaluation: choose another folder"
            )
        with writing(target):
            target.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory() as temporary:  # this result keeps all columns of its rows
                packed = Path(shutil.copytree(self.folder, Path(temporary, self.folder.name)))
                records.pack(packed)
                for file in packed.glob("*.parquet"):
                    shutil.copyfile(file, target / file.name)
        tables.write(
            target,
            Description(
                self.name,
                f"Evaluated from Python: {self.name}.",
                reports=Reports(checks=checks.reports()),
            ),
        )
        return target

    @cached_property
    def _boards(self) -> list[Leaderboard]:
        return leaderboards(self.records, CaseFolders(self.folder))

    @cached_property
    def _means(self) -> pd.DataFrame:
        """The means over findings, one per method and metric: the cross-fitted one if there are several sources."""
        scores = self.scores()
        is_other_source = scores["threshold_source"] != "cross-fitted"
        first = scores.iloc[is_other_source.argsort(kind="stable")]
        return first.drop_duplicates(["method", "protocol", "metric"]).sort_index()

    @property
    def _protocols_of_maps(self) -> list[str]:
        """The protocols without ``classification``, unless there is no other."""
        return [name for name in self.protocols if name != CLASSIFICATION] or [*self.protocols]

    @property
    def _first_protocol(self) -> str:
        """The main protocol or, if it was not evaluated, the first one."""
        return MAIN_PROTOCOL if MAIN_PROTOCOL in self.protocols else self._protocols_of_maps[0]

    def _ranked(self, protocol: str) -> list[str]:
        """Return the methods that a protocol scored: by its main metric, then the baselines."""
        main = "auroc" if protocol == CLASSIFICATION else protocols.get(protocol).main
        means = self._means[self._means["protocol"] == protocol]
        of_main = means[means["metric"].str.removesuffix("@box") == main].dropna(subset="value")
        values = dict(zip(of_main["method"], of_main["value"], strict=True))
        return sorted(
            means["method"].unique(),
            key=lambda method: (_place(method), -values.get(method, -1.0), method),
        )

    def _best(self) -> str:
        """Return the method with the highest main score; the first one if none has a score."""
        ranked = self._ranked(self._first_protocol)
        for method in (*ranked, *(record.method for record in self.records)):
            if method != CLASSIFIER and not baselines.is_baseline(method):
                return method
        raise BadValueError("no method was evaluated: give the argument method")

    def _store(self, model: ScoredModel, method_name: str) -> CaseStore:
        """Return the stored maps of a method. Raises ``UnknownNameError`` if it was not evaluated."""
        evaluated = dict.fromkeys(
            record.method for record in self.records if record.cell.method != CLASSIFIER
        )
        if method_name not in evaluated:
            raise UnknownNameError("method", method_name, evaluated)
        with method_registry.registry.adding(self.classes):
            return stored_cases(model, [method_name], None)

    def _cases(self, method_name: str) -> list[list[Case]]:
        """Return the cases of a method with a truth box, by training run."""
        cell_of_model = {}
        for record in self.records:
            if record.method == method_name and record.cell.protocol == MAIN_PROTOCOL:
                cell_of_model[record.cell.model_id] = record.cell
        return [
            with_truth(self._store(model, method_name).cases(cell_of_model[model.id]))
            for model in self.models
        ]

    def _threshold(
        self, model_id: str, method_name: str, image: str, finding: str
    ) -> tuple[float, str]:
        """Return the score threshold of a case and its source: cross-fitted with ``single_box``, else .5."""
        if any(record.cell.protocol == MAIN_PROTOCOL and record.scores for record in self.records):
            rows = self.cases(MAIN_PROTOCOL).set_index(["model_id", "method", "image", "finding"])
            key = (model_id, method_name, image, finding)
            if key in rows.index:
                return float(rows["threshold"][key]), "cross-fitted"
        return 0.5, "fixed"


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

    Example::

        result = locus.evaluate(model, data, methods=["gradcam", "layercam"])
        print(locus.rules(result, "gradcam", "layercam"))
    """
    ranked = [
        row.name for board in result._boards for row in (*by_score(board.methods), *board.baselines)
    ]
    choices = {name: name for name in ranked}
    names = [named(choices, "method", name) for name in (first, second) if name is not None]
    other_names = [name for name in ranked if name not in names]
    left, right = [*names, *other_names][:2]
    run_cases = [*result._cases(left), *result._cases(right)]
    in_memory = result.models[0].trained[0]
    values = [
        rule_values(scored(cases, in_memory.data.findings, in_memory.config.data_seed))
        for cases in run_cases
    ]
    columns = {
        rule: np.stack([run_values[rule] for run_values in values], axis=1) for rule in values[0]
    }
    run_names = tuple(model.id for model in result.models)
    compared = two_rows(columns, case_index(run_cases[0]), [run_names, run_names])
    name_of_sign = {1: left, -1: right, 0: ""}
    return pd.DataFrame(compared).assign(
        better=[name_of_sign[under_rule.sign] for under_rule in compared]
    )


def _place(method: str) -> int:
    """Return 0 for a method, and the position among the baselines for a baseline."""
    row_names = baselines.in_tables()
    return 1 + row_names.index(method) if method in row_names else 0
