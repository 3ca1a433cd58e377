"""Commands as a user types them: a process of their own, no GPU, everything written below a temporary folder."""

import contextlib
import os
import resource
from pathlib import Path

import pytest
import yaml

from locus import train as main
from tests.warm import Running

ROOT = Path(__file__).resolve().parents[2]
SUITE = {"title": "Small", "about": "Too small to mean anything.", "models": [{"backbone": "custom"}], "methods": ["cam"]}
TRAIN = {"dataset": "phantom:train=32,val=16,test=24", "img_size": 64, "epochs": 1, "threads": 1, "pretrained": False}
QUIET = {"logger": ["csv"], "plots": False}


@pytest.fixture(scope="session")
def environment():
    return {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="session")
def run_command(environment):
    """run_command("main.py", flags…) runs it to its end; run_command("benchmark.run", …) as ``python -m``."""
    return lambda script, *flags, **options: Running(script, flags, env=environment, **options).done()


@pytest.fixture(scope="session")
def succeed(run_command):
    """``run_command``, after checking that the status is 0."""

    def run(script, *flags, **options):
        done = run_command(script, *flags, **options)
        assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def started(environment):
    """The process of ``run_command``, without waiting for its end."""
    return lambda script, *flags: Running(script, flags, env=environment)


@pytest.fixture(scope="session")
def sentence():
    """The one line of an error, after checking that it is one line, no traceback, and the status is 2."""

    def one(done):
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        return error

    return one


@pytest.fixture(scope="session")
def write_suite():
    """write_suite(path, train=…, **fields): write the file of a suite that is as small as possible but for these."""

    def write(path, train=None, **fields):
        suite = {**SUITE, "protocols": ["single_box"], **fields, "train": {**TRAIN, **QUIET, **(train or {})}}
        path.write_text(yaml.safe_dump({name: value for name, value in suite.items() if value is not None}, default_flow_style=None))

    return write


@pytest.fixture
def train(tmp_path, tmp_path_factory):
    """train(words) -> the status of main.py in this process; it writes to the test's folder, and to a cache of all tests."""
    cache = tmp_path_factory.getbasetemp() / "cache"
    places = f"--model_save_dir {tmp_path}/train --log_dir {tmp_path}/logs --cache_dir {cache} --threads 1"
    return lambda words: main.main([*words.split(), *places.split()])


@pytest.fixture
def refused(train, capsys):
    """refused(words) -> the one error line of main.py in this process, after checking that the status is 2."""

    def one(words):
        assert train(words) == 2
        (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        return error

    return one


@pytest.fixture(scope="session")
def file_limit():
    """file_limit(bytes): a context in which no file can be larger, as on a disk that is full."""

    @contextlib.contextmanager
    def limited(size):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited
