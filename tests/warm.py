"""Commands as a user types them, each a process of its own, forked from one that has imported the large libraries once.

What ``main`` does with its words, its streams, its status and its signals is as in a new interpreter; the five seconds of
imports, this checkout's modules among them, are saved. What a command imports is asked with real interpreters, in tests/house
and tests/doors.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = [
    "lightning.pytorch",
    "timm",
    "torchvision.transforms.v2",
    "pandas",
    "scipy.stats",
    "sklearn.metrics",
    "matplotlib.figure",
    "matplotlib.backends.backend_svg",
    "numba",
    "pyarrow.parquet",
    "statsmodels.stats.multitest",
    "openpyxl",
    "cv2",
    "jsonargparse",
    "pydantic",
    "tensorboard.summary",
    "sympy",
    "docstring_parser",
    "huggingface_hub",
    "captum.attr",
    "tabulate",
    "pyarrow.dataset",
    "tests.ready",
]
OURS = {"backbones", "benchmark", "config", "core", "datasets", "methods", "tests"}
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(LIBRARIES)


def command(root, script, flags, folder, streams, variables):
    """In the child: become ``python script flags`` (or ``python -m script flags``) of the checkout ``root``."""
    os.environ.update(variables)
    if Path(root) != ROOT:  # another checkout's code is read from there
        for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
            del sys.modules[name]
    sys.path[:] = [*variables.get("PYTHONPATH", root).split(os.pathsep), *(each for each in sys.path if each not in ("", str(ROOT)))]
    os.chdir(folder)
    for number, path in enumerate(streams, 1):
        stream = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(stream, number)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    sys.argv = [script, *flags]
    if script.endswith(".py"):
        runpy.run_path(f"{root}/{script}", run_name="__main__")
    else:
        runpy.run_module(script, run_name="__main__", alter_sys=True)


class Running:
    """A command at work: ``kill``, ``send_signal``, ``poll``, ``wait`` as those of ``subprocess.Popen``."""

    def __init__(self, script, flags, cwd=None, env=(), root=ROOT):
        self.folder = tempfile.TemporaryDirectory()
        self.streams = [Path(self.folder.name, name) for name in ("out", "err")]
        words = (str(root), script, [*map(str, flags)], str(cwd or Path.cwd()), [*map(str, self.streams)], dict(env))
        self.process = SERVER.Process(target=command, args=words)
        self.process.start()
        self.pid = self.process.pid

    def poll(self):
        return self.process.exitcode

    def kill(self):
        self.process.kill()

    def send_signal(self, number):
        os.kill(self.pid, number)

    def wait(self):
        self.process.join()
        return self.process.exitcode

    def done(self):
        """After its end: status, what it printed, what it said on the other stream."""
        status = self.wait()
        out, errors = (path.read_text() if path.exists() else "" for path in self.streams)
        return subprocess.CompletedProcess(self.process.name, status, out, errors)


def _answer(answers, work, arguments):
    answers.put(work(*arguments))


def in_a_child(work, *arguments):
    """What ``work`` answers in a clean process: one forked from here would have the memory that its parent freed and kept."""
    answers = SERVER.SimpleQueue()
    child = SERVER.Process(target=_answer, args=(answers, work, arguments))
    child.start()
    child.join(120)
    assert child.exitcode == 0
    return answers.get()
