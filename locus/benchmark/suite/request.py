"""The suites that the flags of ``python -m benchmark.run`` name, with the networks that they add.

``requested_names``  the names of the suites; for ``--dataset``, a suite is made from the data set
``requested_suite``  one of them, checked, with the models of ``--checkpoint`` and ``--model``
"""

from collections.abc import Sequence
from pathlib import Path

from locus import datasets, methods
from locus.benchmark import baselines
from locus.benchmark.suite import plan
from locus.benchmark.suite.plan import Suite
from locus.config import (
    SOURCES,
    FolderFlags,
    NetworkFlags,
    SuiteConfig,
    TrainConfig,
    network_flags,
)
from locus.core.errors import BadValueError, DataError
from locus.core.user_code import refuse_code, runs_code


def requested_names(config: SuiteConfig) -> list[str]:
    """Return the suites named by the flags, without duplicates. Raises ``LocusError`` if there are none.

    >>> requested_names(SuiteConfig(suite=("phantom", "demo", "phantom")))
    ['phantom', 'demo']
    """
    if config.dataset is not None:
        if config.all or config.suite:
            raise BadValueError(
                "--dataset cannot be combined with --suite or --all: use one of them"
            )
        return [plan.of_data_set(config.dataset, config.data_root_dir, config.method).name]
    folder = plan.suites_folder(config.suites)
    available = plan.suites(folder)
    if not available:
        raise DataError(
            f"{folder} has no suite: put the YAML file of a suite there, or leave --suites out"
        )
    if not config.all and not config.suite:
        advice = "for your own network on your own data, --dataset NAME --model FILE.py:build"
        raise BadValueError(
            f"no suite given: use --all or --suite NAME, one of {', '.join(available)}; {advice}"
        )
    selected = available if config.all else list(dict.fromkeys(config.suite))
    if config.data_root_dir and len(selected) > 1:
        raise BadValueError(
            "--data_root_dir requires a single --suite, because it is the folder of one data set"
        )
    return selected


def read_suite(name: str, config: FolderFlags) -> Suite:
    """Read a suite, with the data folders of the flags. Raises ``LocusError``: see ``plan.load``."""
    suite = plan.load(name, plan.suites_folder(config.suites), config.trust)
    return plan.with_flags(suite, data_root_dir=config.data_root_dir, cache_dir=config.cache_dir)


def requested_suite(name: str, config: SuiteConfig) -> Suite:
    """Read a suite, check ``--method`` and ``--protocol``, and append the models that the flags add.

    Raises ``BadValueError`` for a protocol that the suite does not have (``--all`` skips such suites instead),
    ``DataError`` for a ``--data_root_dir`` without files, and ``LocusError`` for a network that cannot be built, read
    or named.
    """
    if config.dataset is None:
        suite = read_suite(name, config)
    else:
        suite = plan.of_data_set(config.dataset, config.data_root_dir, config.method)
        suite = plan.with_flags(
            suite, data_root_dir=config.data_root_dir, cache_dir=config.cache_dir
        )
        datasets.check(config.dataset, config.data_root_dir)
    if config.data_root_dir:
        datasets.check(str(suite.train.get("dataset", TrainConfig.dataset)), config.data_root_dir)
    _check_methods(config.method)
    if not config.all:
        _check_protocols(config.protocol, suite)
    return _with_added_models(suite, config)


def _check_methods(method_names: Sequence[str]) -> None:
    """Check that all methods exist; run the files of a user's methods, so that errors are raised before any work."""
    for name in method_names:
        if runs_code(name):
            methods.get(name)
    methods.check(method_names)
    baselines.require_selectable(method_names)


def _check_protocols(protocol_names: Sequence[str], suite: Suite) -> None:
    """Raise ``BadValueError`` for a protocol that the suite does not have."""
    for name in protocol_names:
        if name not in (*suite.recorded_protocols, "all"):
            existing = ", ".join(suite.recorded_protocols)
            raise BadValueError(
                f"the suite {suite.name!r} has no protocol {name!r}; it has: {existing}"
            )


def _with_added_models(suite: Suite, config: SuiteConfig) -> Suite:
    """Append the models of ``--checkpoint PATH`` and ``--model file.py:build``; without these, nothing changes."""
    network = network_flags(config)
    if config.model is not None and network is None:
        forms = ", ".join(f"{source}:NAME" for source in SOURCES)
        advice = f"use path/to/file.py:build or one of {forms}; for a checkpoint or run folder, use --checkpoint"
        raise BadValueError(f"--model {config.model} is not an external network: {advice}")
    if network is not None and config.checkpoint:
        raise BadValueError("--model cannot be combined with --checkpoint: use one of them")
    if network is not None:
        checkpoints = [_written_run(network, suite, Path(config.runs).parent)]
    elif config.checkpoint:
        checkpoints = list(config.checkpoint)
    else:
        _check_without_added_models(suite, config)
        return suite
    entry: dict[str, object] = {plan.CHECKPOINT: checkpoints}
    if config.entry:
        entry["entry"] = config.entry
    if config.trained_on:
        entry["trained_on"] = config.trained_on
    if network is None and not config.trust:
        added_models = plan.models(suite.model_copy(update={"models": [entry]}))
        refuse_code(plan.networks(added_models), ", ".join(checkpoints))
    return suite.model_copy(update={"added": [entry]})


def _written_run(network: NetworkFlags, suite: Suite, runs_dir: Path) -> str:
    """Write the run folder of a user's ``network`` for the images of ``suite``, and return its path."""
    from locus.benchmark.training.external import write_external  # imports torch

    scored = plan.data_config(suite)
    findings = datasets.load_split(scored, "test").findings
    return str(write_external(network, runs_dir, findings, scored.img_size))


def _check_without_added_models(suite: Suite, config: SuiteConfig) -> None:
    """Raise ``BadValueError`` for a suite without models of its own, and for flags that describe an added model."""
    if not (suite.models or suite.truths or suite.joins):
        raise BadValueError(
            f"{suite.name} has no network: add --model FILE.py:build or --checkpoint RUN"
        )
    if config.entry or config.trained_on or config.findings:
        raise BadValueError("--entry, --trained_on and --findings require --checkpoint or --model")
