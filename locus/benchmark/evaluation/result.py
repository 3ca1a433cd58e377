"""Result of an evaluation from Python, and the network and samples in memory from which it is computed.

``Evaluation``   the scores: tables, rows per case, pictures, and a results folder as of a suite
``Samples``      samples in memory, with the interface of a data set
``InMemoryRun``  a network in memory, with the interface of a run folder

The entry point is ``locus.benchmark.evaluation.evaluate``; plain arrays are scored in ``arrays``.
"""

import copy
import io
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from locus import backbones
from locus import methods as method_registry
from locus.backbones import Classifier, weight_files
from locus.benchmark import records
from locus.benchmark.evaluation.network import ScoredModel, stored_cases
from locus.benchmark.maps.cases import CaseStore
from locus.benchmark.maps.runs import TrainingRun
from locus.benchmark.pictures import panels
from locus.benchmark.pictures.panels import RawMap, prepare_case
from locus.benchmark.records import Record, Score, cases
from locus.benchmark.report import main_table, select, tables
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.detail_tables import LAYOUTS, layout_of_means
from locus.benchmark.report.leaderboard import BASELINES, Leaderboard, leaderboards
from locus.benchmark.report.page import DatasetTables, Description, cells_without_score
from locus.benchmark.report.row import COLUMNS as TABLE_COLUMNS
from locus.benchmark.report.row import POINTING, Interval, Row, by_score, network_words
from locus.benchmark.report.table import Table, as_text
from locus.benchmark.scoring import protocols
from locus.benchmark.scoring.protocols.base import Case, case_index, with_truth
from locus.benchmark.scoring.rules import rule_values, scored
from locus.benchmark.scoring.statistics.rank_reversals import two_rows
from locus.benchmark.training import data
from locus.benchmark.training.evaluate import predict, predictions_csv
from locus.benchmark.training.hardware import memory_format
from locus.benchmark.training.runs import read_predictions
from locus.core.errors import BadValueError, DataError, LocusError, UnknownNameError
from locus.core.files import safe_filename, writing
from locus.core.names import CLASSIFICATION, CLASSIFIER, MAIN, MAIN_PROTOCOL, match
from locus.core.registry import named
from locus.core.types import Sample
from locus.datasets.base import Dataset, RelabeledDataset
from locus.datasets.io import cache


class Samples(Dataset):
    """Samples in memory as a data set, with labels in the order of ``findings``."""

    name = "samples"

    def __init__(self, samples: Sequence[Sample], findings: Sequence[str], split: str) -> None:
        """Wrap the ``samples`` of one ``split``. Raises ``BadValueError`` if labels or boxes do not fit."""
        self.samples, self.findings, self.split = samples, tuple(findings), split
        self.describe = {"images": len(samples), "findings": list(findings)}
        for sample in samples:
            _check_labels(sample, self.findings)

    def __len__(self) -> int:
        return len(self.samples)

    def sample(self, index: int) -> Sample:
        """Return the sample at ``index``."""
        return self.samples[index]


def _check_labels(sample: Sample, findings: tuple[str, ...]) -> None:
    """Raise ``BadValueError`` unless the labels of a sample are those of ``findings``, in their order."""
    order = f"labels must be in the order of the model's findings: {', '.join(findings)}"
    if len(sample.labels) != len(findings):
        raise BadValueError(f"sample {sample.image_id} has {len(sample.labels)} labels, not {len(findings)}: {order}")
    for finding in sample.boxes:
        if finding not in findings:
            raise BadValueError(
                f"sample {sample.image_id} has a box of {finding!r}, which is not a finding of the model"
            )
        if sample.labels[findings.index(finding)] == 0:
            raise BadValueError(f"sample {sample.image_id} has a box of {finding!r} and the label 0 for it: {order}")


def as_dataset(samples: Sequence[Sample], findings: tuple[str, ...], split: str = "test") -> Dataset:
    """Return the ``samples`` as a data set whose labels are in the order of a model's ``findings``.

    Raises ``DataError`` for a data set with none of them, ``BadValueError`` for samples that do not fit.
    """
    if not isinstance(samples, Dataset):
        return Samples(samples, findings, split)
    return samples if samples.findings == findings else RelabeledDataset(samples, findings, range(len(samples)))


@dataclass(frozen=True, eq=False, kw_only=True)
class InMemoryRun(TrainingRun):
    """A network in memory and the images on which it is evaluated."""

    network: Classifier
    splits: Mapping[str, Dataset]
    """``test`` and ``val`` -> images; ``val`` may be empty."""
    predict_all: bool
    """True to predict all test images, False for those with scored maps only."""

    @property
    def code(self) -> str:
        """Hash of the code of the network; empty for a wrapped network."""
        return backbones.network_code(self.network.build_options)

    @cached_property
    def digest(self) -> str:
        """First 16 hex digits of the SHA-256 of the weights by name."""
        return weight_files.digest({name: value.cpu() for name, value in self.network.state_dict().items()})

    def model(self, device: str) -> Classifier:
        """Return a copy of the network in evaluation mode on ``device``; the caller's network is unchanged."""
        return copy.deepcopy(self.network).to(device).eval()

    @cached_property
    def data(self) -> Dataset:
        """Images of the split."""
        return self.splits[self.split]

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """(images, S, S) pixels of ``scorable_images``. Raises ``DataError`` if one of them cannot be decoded."""
        return cache.pixels(self.scorable_images, self.config.img_size, self.config.cache_dir, max_bad=0).images

    def read_predictions(self) -> pd.DataFrame:
        """Return the network's predictions, one row per image, rounded as in a run's file of predictions."""
        c, test = self.config, self.splits["test"]
        images = test if self.predict_all else Samples(self.scorable_images, test.findings, "test")
        splits = {
            name: data.decode(c, part) for name, part in (("val", self.splits["val"]), ("test", images)) if len(part)
        }
        model = self.model("cuda" if torch.cuda.is_available() else "cpu")
        model.to(memory_format=memory_format(c.channels_last))
        logits = {name: predict(model, split, c.batch_size) for name, split in splits.items()}
        return read_predictions(io.StringIO(predictions_csv(splits, logits)))


COLUMNS = ("method", "metric", "value", "low", "high", "n", "protocol")
CASE_COLUMNS = (
    *("model_id", "method", "image", "patient", "finding", "threshold", "box"),
    *("IoU", "IoBB", "hit", "pointing", "reason"),
)


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

            With the protocol ``locus``: the shares of cases hit ``hit@iou.1`` to ``hit@iou.7``, ``hit@iobb.1`` to
            ``hit@iobb.9`` and ``pointing``, ``low`` and ``high`` (95% interval of ``hit@iou.3``: over patients or,
            with several training runs, over runs and patients), ``prior`` (difference from the baseline),
            ``above_prior`` and ``may_be_best`` (docs/protocols.md). See ``scores`` for other protocols.

            Without it: all metrics of the protocols, as in ``scores``. The main metric of each protocol comes first
            and has an interval (``pointing``, ``pointing low``, ``pointing high``). The main metric of the first
            protocol decides the order. A metric of an earlier protocol is repeated as ``optimism (maxbox)``.
        """
        if MAIN_PROTOCOL in self.protocols:
            return main_table.data_frame([row for board in self._boards for row in (*board.methods, *board.baselines)])
        lines: dict[str, dict[str, Any]] = {}
        owners: dict[str, str] = {}
        for protocol in self._protocols_of_maps:
            for row in self._ranked(protocol):
                line = lines.setdefault(row.name, self._first_columns(row))
                for score in self._main_first(row):
                    owner = owners.setdefault(score.metric, protocol)
                    name = score.metric if owner == protocol else f"{score.metric} ({protocol})"
                    line[name] = score.value
                    if score.metric.removesuffix("@box") == _main_metric(protocol):
                        line |= {f"{name} low": score.low, f"{name} high": score.high}
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
            patient; ``records`` has the other origins.

        Raises:
            UnknownNameError: for an unknown finding.
        """
        if finding != "mean":
            finding = match(finding, self.models[0].trained[0].data.findings)
        rows: dict[tuple[str, str, str], tuple[Any, ...]] = {}

        def add(protocol: str, method: str, metric: str, *values: Any) -> None:
            protocol = POINTING if metric == POINTING else protocol  # the rows of ``locus`` have it, too
            rows.setdefault((protocol, method, metric), (method, metric, *values, protocol))

        for row in self._rows:
            for score in self._displayed_scores(row, finding):
                add(row.cell.protocol, row.name, score.metric, score.value, score.low, score.high, score.n)
        if finding == "mean" and MAIN_PROTOCOL in self.protocols and not (table := self.table()).empty:
            long = table.melt("method", list(TABLE_COLUMNS), "metric", "value").dropna()
            for method, metric, value in long.itertuples(index=False, name=None):
                main = rows.get((MAIN_PROTOCOL, method, MAIN))
                add(
                    MAIN_PROTOCOL,
                    method,
                    metric,
                    value,
                    np.nan,
                    np.nan,
                    0 if main is None else main[COLUMNS.index("n")],
                )
        return pd.DataFrame([*rows.values()], columns=COLUMNS).astype(dict.fromkeys(("value", "low", "high"), float))

    def __repr__(self) -> str:
        """Say what was evaluated: ``small CNN with PCAM on phantom: gradcam, layercam and 5 baselines``."""
        networks = dict.fromkeys(f"{network_words(record.cell)} on {record.cell.dataset}" for record in self.records)
        maps = [record for record in self.records if record.cell.method != CLASSIFIER]
        words = dict.fromkeys(record.method for record in maps if select.is_method(record))
        others = {record.method for record in maps} - words.keys()
        rows = f"{', '.join(words)} and {len(others)} baselines" if maps else CLASSIFICATION
        return f"{', '.join(networks)}: {rows}"

    def __str__(self) -> str:
        """Return the answer and the main tables, as in a terminal; without ``locus``, the tables of each protocol."""
        if MAIN_PROTOCOL in self.protocols:
            return tables.headline([DatasetTables(board) for board in self._boards])
        printed = [as_text(table) for protocol in self.protocols for table in self._tables(protocol)]
        return "\n".join([*printed, *cells_without_score(self.records)])

    def _repr_html_(self) -> str:
        """Show ``table`` in a notebook."""
        return str(self.table().round(3).to_html(index=False))

    def cases(self, protocol: str | None = None, all_columns: bool = False) -> pd.DataFrame:
        """Return the rows of a protocol, one per case (image × finding with a truth box), method and training run.

        Args:
            protocol: its name; None: ``locus`` or, if that was not evaluated, the first protocol.
            all_columns: also return the columns of other threshold origins.

        Returns:
            ``method``, ``image``, ``patient``, ``finding``, ``threshold``, ``box`` (x0, y0, x1, y1 in the frame, None
            without a box), ``IoU``, ``IoBB``, ``hit`` (IoU above .3), ``pointing`` and ``reason``; then, with
            ``all_columns``, all others. Protocols other than ``locus`` have their own columns after ``finding``.

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
        threshold, origin = self._threshold(model.id, word, image, finding)
        return panels.draw(prepare_case(samples[image], samples[image].image, finding, raw, threshold, origin))

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
        tables.write(target, Description(self.name, f"Evaluated from Python: {self.name}."))
        return target

    @cached_property
    def _boards(self) -> list[Leaderboard]:
        return leaderboards(self.records, CaseFolders(self.folder))

    @cached_property
    def _rows(self) -> list[Row]:
        """One row per method and protocol, over training runs."""
        return [Row.of(runs) for runs in select.trainings(record for record in self.records if record.scores)]

    @cached_property
    def _over_runs(self) -> dict[str, Interval]:
        """Key of a row of the main protocol -> its main column, with the interval over training runs and patients."""
        return {row.cell.key: row.main for board in self._boards for row in (*board.methods, *board.baselines)}

    @property
    def _protocols_of_maps(self) -> list[str]:
        """The protocols without ``classification``, unless there is no other."""
        return [name for name in self.protocols if name != CLASSIFICATION] or [*self.protocols]

    def _ranked(self, protocol: str) -> list[Row]:
        """Return the rows of a protocol: methods by its main metric, then the baselines."""

        def place(row: Row) -> tuple[int, float, str]:
            first, *_ = self._main_first(row)
            return _place(row.name), 1.0 if first.value is None else -first.value, row.name

        return sorted((row for row in self._rows if row.cell.protocol == protocol), key=place)

    def _displayed_scores(self, row: Row, finding: str) -> list[Score]:
        """Return the scores of a finding, one per metric: the cross-fitted one if there are several origins."""
        by_metric: dict[str, Score] = {}
        for score in sorted(row.select(finding), key=lambda score: score.metric != MAIN):
            if score.metric not in by_metric or score.threshold_origin == "cross-fitted":
                by_metric[score.metric] = score
        if finding == "mean" and MAIN in by_metric and (main := self._over_runs.get(row.cell.key)) is not None:
            by_metric[MAIN] = by_metric[MAIN]._replace(low=main.low, high=main.high)
        return [*by_metric.values()]

    def _main_first(self, row: Row) -> list[Score]:
        """Return the displayed means of a row, those of the main metric first."""
        main = _main_metric(row.cell.protocol)
        scores = self._displayed_scores(row, "mean")
        return sorted(scores, key=lambda score: score.metric.removesuffix("@box") != main)

    def _first_columns(self, row: Row) -> dict[str, Any]:
        """Return the first columns of the row of a method in ``table``."""
        columns = {"network": row.network, "method": row.name, "runs": len(self.models)}
        classifier = next((one for one in self._rows if one.cell.method == CLASSIFIER), None)
        return columns | ({} if classifier is None else {"auroc": classifier.value("auroc")})

    def _tables(self, protocol: str) -> Iterator[Table]:
        """Yield the tables of a protocol, with a row per method in the order of ``table``."""
        ranked = self._ranked(protocol)
        layouts = [layout for layout in LAYOUTS if layout.protocol == protocol] or [layout_of_means(protocol, ranked)]
        made = (layout.table(ranked, ranked[0].cell.dataset) for layout in layouts if ranked)
        yield from (table for table in made if table.rows)

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
        """Return the score threshold of a case and its origin: cross-fitted if ``locus`` scored the case, else .5."""
        table = (
            self.cases(all_columns=True)
            if any(r.cell.protocol == MAIN_PROTOCOL for r in self.records)
            else pd.DataFrame()
        )
        if len(table):
            of_case = (table["image"] == image) & (table["finding"] == finding) & (table["method"] == word)
            table = table[of_case & (table["model_id"] == model_id)]
        return (float(table["threshold"].iloc[0]), "cross-fitted") if len(table) else (0.5, "fixed")


def rules(result: Evaluation, first: str | None = None, second: str | None = None) -> pd.DataFrame:
    """Compare two methods under all rules of the field.

    Args:
        result: an evaluation with the protocol ``locus``.
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
    names_of_runs = tuple(model.id for model in result.models)
    compared = two_rows(columns, case_index(of_runs[0]), [names_of_runs, names_of_runs])
    table = pd.DataFrame(compared)
    return table.assign(better=[{1: names[0], -1: names[1], 0: ""}[one.sign] for one in compared])


def _main_metric(protocol: str) -> str:
    """Return the name of the main metric of a protocol; it may end in ``@box`` in scores."""
    return "auroc" if protocol == CLASSIFICATION else str(protocols.get(protocol).main)


def _place(method: str) -> int:
    """Return 0 for a method, and the position among the baselines for a baseline."""
    return 1 + BASELINES.index(method) if method in BASELINES else 0
