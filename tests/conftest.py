"""Shared set-up of all tests: one thread, reproducible hypothesis examples, optional data."""

import gc
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import warm

PATH = [*sys.path]
SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Prepare the processes that run tests; imported objects are excluded from garbage collection."""
    if session.config.getoption("dist", "no") == "no":
        _ready()
        gc.disable()
    result = yield
    gc.freeze()
    gc.enable()
    return result


def pytest_configure(config: pytest.Config) -> None:
    """Start the process from which commands are forked, in the process that distributes the tests."""
    if config.getoption("numprocesses", None):
        warm.start()


def pytest_unconfigure() -> None:
    gc.unfreeze()


def _ready() -> None:
    import torch
    from hypothesis import settings

    torch.set_num_threads(1)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in background processes of a shell
        signal.signal(signal.SIGINT, signal.default_int_handler)
    settings.register_profile("same", derandomize=True)  # the same examples in every run
    settings.load_profile("same")


@pytest.fixture(autouse=True)
def _the_path_as_it_was() -> None:
    """Restore ``sys.path``, because importing torchxrayvision adds a folder with another ``config``."""
    sys.path[:] = PATH


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Make stderr a terminal; the returned function returns its output."""
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda _: True)  # capsys changes streams before the test begins
    return lambda: capsys.readouterr().err


def _shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs the optional folder ../shared/{name} beside the checkout")
    return path


@pytest.fixture(scope="session")
def nih_sample() -> Path:
    return _shared("nih-sample")


@pytest.fixture(scope="session")
def nih_extra() -> Path:
    return _shared("nih-extra")


@pytest.fixture(scope="session")
def nih_originals() -> Path:
    return _shared("nih-originals")


@pytest.fixture(scope="session")
def fixtures() -> Path:
    return _shared("fixtures")


@pytest.fixture(scope="session")
def papers_folder() -> Path:
    return _shared("papers")
