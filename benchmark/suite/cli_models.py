"""Add finished models to a suite: ``--checkpoint PATH`` and ``--model file.py:build``."""

from pathlib import Path

from benchmark.suite import plan
from benchmark.suite.plan import Suite
from benchmark.suite.plan.files import networks
from config import SuiteConfig
from core import user_code
from core.errors import BadValueError
from core.flags.network import network_flags


def with_models(suite: Suite, config: SuiteConfig) -> Suite:
    """Append the finished models of the flags to ``suite``; without such flags, return the suite unchanged.

    Raises ``LocusError`` for a network that cannot be built, read or named.
    """
    network = network_flags(config)
    if config.model is not None and network is None:
        raise BadValueError(f"--model {config.model} is no network: write path/to/file.py:build, timm:NAME …")
    if network is None and not config.checkpoint:
        if config.entry or config.trained_on or config.findings:
            words = "--entry, --trained_on and --findings"
            raise BadValueError(f"{words} require --checkpoint or --model: write one of these")
        return suite
    if network is not None and config.checkpoint:
        raise BadValueError("--model and --checkpoint are two entries: write one of them")
    paths = list(config.checkpoint)
    if network is not None:
        from benchmark.training import data, external_network  # after the flags are checked: imports torch

        scored = plan.models(suite)[0].scored_on
        findings = data.load(scored, "test").findings
        paths = [str(external_network.write_run(network, Path(config.runs).parent, findings, scored.img_size))]
    declared = {"entry": config.entry, "trained_on": config.trained_on}
    entry = {"checkpoint": paths, **{name: value for name, value in declared.items() if value}}
    if network is None and not config.trust:
        user_code.refuse_code(networks(suite.model_copy(update={"models": [entry]})), ", ".join(paths))
    return suite.model_copy(update={"models": [*suite.models, entry]})
