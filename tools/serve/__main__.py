"""Entry point ``python -m tools.serve`` (``make serve``): serve the page for the finished runs in ``--runs``."""

import contextlib
import logging
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from locus.benchmark.training import runs
from locus.config import ThreadFlags
from locus.core.errors import DataError
from locus.flags import cli
from locus.flags.parser import AtLeast, AtMost

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PageFlags:
    """Page."""

    runs: str = "runs"
    """Folder to search for finished runs. Each is a network on the page."""
    port: Annotated[int, AtLeast(0), AtMost(65535)] = 8008
    """Port on this machine. 0 is any free port."""


@dataclass(frozen=True)
class ServeConfig(ThreadFlags, PageFlags):
    """Explain images on a web page that only this machine can open: ``python -m tools.serve``."""


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Serve the page until Ctrl-C."""
    config, _ = cli.parse(ServeConfig, argv, "python -m tools.serve")
    if not runs.finished(Path(config.runs)):
        raise DataError(
            f"no finished run below {config.runs}/: train one with main.py, or use --runs FOLDER"
        )
    log.info("importing torch")
    from locus.benchmark.training import hardware
    from tools.serve.server import PageServer

    hardware.configure_torch(config.threads)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # ends as Ctrl-C does
    with PageServer(Path(config.runs), config.port) as serving:
        print(f"open http://127.0.0.1:{serving.server_port}/ (stop with Ctrl-C)", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            serving.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
