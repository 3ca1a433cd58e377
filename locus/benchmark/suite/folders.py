"""The folder of a suite's records and tables.

It is in ``--results`` if given, else in ``results/`` for the published plan and in ``runs/results/`` for other runs.

``results_folder``    the folder of all suites, of ``--results`` or the published one
``choose``            the folder of a run
``existing_records``  the records in a folder
``published_records``, ``with_published``  published records, which are shown with those of a user
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from locus import methods
from locus.benchmark import baselines, records
from locus.benchmark.records import Record
from locus.benchmark.records.record import PUBLISHED
from locus.benchmark.suite import plan
from locus.benchmark.suite.plan import SUITES, Suite
from locus.config import RunConfig

RESULTS = Path("results")
UNPUBLISHED = Path("runs/results")


@dataclass(frozen=True)
class ResultsFolder:
    """The folder of a suite's records and tables."""

    path: Path
    reason: str = ""
    """Reason for not writing to the published folder; empty if the run writes there, or with ``--results``."""

    @property
    def published_folder(self) -> Path | None:
        """The published folder of the suite, whose rows are shown with those of a run in ``runs/results``.

        None for a run in another folder, also one of ``--results``, and for a suite without published records.
        """
        folder = records.published() / self.path.name
        is_other = self.path.parent == UNPUBLISHED
        return folder if is_other and folder in records.suites(folder.parent) else None

    @property
    def published(self) -> list[Record]:
        """The published records of the suite that are shown with those of the run."""
        if self.published_folder is None:
            return []
        return published_records(self.published_folder)


def results_folder(results: str | None) -> Path:
    """Return the folder of ``--results``, or the published one."""
    return RESULTS if results is None else Path(results)


def choose(suite: Suite, config: RunConfig) -> ResultsFolder:
    """Return ``--results`` if given, else ``results`` for a run of the published plan and ``runs/results`` for others.

    >>> from locus.benchmark.suite import plan
    >>> choose(plan.load("demo"), RunConfig(results="mine")).path.as_posix()
    'mine/demo'
    >>> choose(plan.load("demo"), RunConfig(checkpoint=("runs/x/best.ckpt",))).reason
    'runs/x/best.ckpt is not part of the published plan'
    """
    if config.results is not None:
        return ResultsFolder(Path(config.results) / suite.name)
    reason = _difference(suite, config)
    folder = UNPUBLISHED if reason else RESULTS
    return ResultsFolder(folder / suite.name, reason)


def _difference(suite: Suite, config: RunConfig) -> str:
    """Describe the difference between a run and the published plan of its suite; empty if there is none."""
    if config.suites is not None and Path(config.suites).resolve() != SUITES.resolve():
        return "the suite is from another folder"
    if config.dataset is not None:
        return "the run has no suite"
    if RESULTS / suite.name not in records.suites(RESULTS):
        return f"{RESULTS / suite.name} has no published records"
    if config.data_root_dir not in (None, plan.load(suite.name).train.get("data_root_dir")):
        return f"{config.data_root_dir} may have other images than those of the published plan"
    if config.checkpoint or config.model:
        network = config.entry or config.model or ", ".join(config.checkpoint)
        return f"{network} is not part of the published plan"
    planned_methods = {
        *methods.expand(suite.all_words),
        *suite.all_words,
        *baselines.in_every_suite(),
    }
    # A group only selects planned methods: ``planned_cells`` adds none for it.
    added_methods = [
        name for name in config.method if name not in planned_methods and name not in methods.GROUPS
    ]
    if added_methods:
        verb = "is" if len(added_methods) == 1 else "are"
        return f"{', '.join(added_methods)} {verb} not part of the published plan"
    return ""


def existing_records(folder: Path) -> list[Record]:
    """Return the records in the suite ``folder``, in the order of their files; empty if it never ran."""
    if folder in records.suites(folder.parent) or records.unpacked(folder):
        return records.load(folder)
    return []


def published_records(folder: Path) -> list[Record]:
    """Load the records of a suite's published ``folder`` that are not from papers, with the source ``published``."""
    measured = [record for record in records.load(folder) if record.source != "paper"]
    return [record.model_copy(update={"source": PUBLISHED}) for record in measured]


def with_published(user_records: Sequence[Record], published: Sequence[Record]) -> list[Record]:
    """Return a user's records and the ``published`` ones of other cells.

    The published records of a network are left out if the user's records of one of its training seeds have other
    weights, from training it again, or other images. All seeds are left out, because a row is a mean over them. The
    user may have run only some cells, so their weights and images may be some of the published ones.
    """
    user_keys = {record.key for record in user_records}
    published_hashes = _hashes(published)
    replaced_networks = set()
    for (network, seed), user_hashes in _hashes(user_records).items():
        hashes_of_run = published_hashes.get((network, seed))
        if hashes_of_run is not None and not user_hashes <= hashes_of_run:
            replaced_networks.add(network)
    other_cells = [record for record in published if record.key not in user_keys]
    return [
        *user_records,
        *(record for record in other_cells if record.cell.key_of_network not in replaced_networks),
    ]


def _hashes(given_records: Sequence[Record]) -> dict[tuple[str, int | None], set[str]]:
    """Return network and training seed -> hashes of its checkpoints and images, for records with weights."""
    hashes: dict[tuple[str, int | None], set[str]] = {}
    for record in given_records:
        if record.checkpoints:
            run_hashes = hashes.setdefault((record.cell.key_of_network, record.cell.seed), set())
            run_hashes.update((*record.checkpoints, record.fingerprint))
    return hashes
