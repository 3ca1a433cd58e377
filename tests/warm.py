"""Commands as a user types them, each a process of its own, forked from one that has imported the large libraries once.

What ``main`` does with its words, its streams, its status and its signals is as in a new interpreter; the five seconds of
imports, this checkout's modules among them, are saved. What a command imports is asked with real interpreters, in tests/structure
and tests/commands. One server (``python -m tests.warm ADDRESS PARENT``) serves all processes that run tests, and ends with the one
that started it.
"""

import contextlib
import importlib
import multiprocessing
import os
import pickle
import runpy
import select
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = [
    "lightning.pytorch", "timm", "torchvision.transforms.v2", "pandas", "scipy.stats", "sklearn.metrics",
    "matplotlib.figure", "matplotlib.backends.backend_svg", "numba", "pyarrow.parquet", "cv2", "jsonargparse", "pydantic",
    "tensorboard.summary", "sympy", "docstring_parser", "huggingface_hub", "captum.attr", "tabulate", "pyarrow.dataset",
    "tests.ready",
]  # fmt: skip
OURS = {"locus", "tests"}
ADDRESS = "LOCUS_TESTS_SERVER"
"""Environment variable: the socket of the server."""
FORK = multiprocessing.get_context("fork")


class Connection(socketserver.StreamRequestHandler):
    """A process that is asked for: what it is to do comes in; its id goes out, and at its end its status."""

    def handle(self):
        work, arguments = pickle.load(self.rfile)
        process = FORK.Process(target=work, args=arguments)
        process.start()
        pickle.dump(process.pid, self.wfile)
        process.join()
        with contextlib.suppress(BrokenPipeError):  # the client has gone
            pickle.dump(process.exitcode, self.wfile)


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    max_children, request_queue_size, timeout = 1000, 100, 1


def serve(address, parent):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Server(address, Connection) as server:  # who asks before all is imported waits
        for name in LIBRARIES:
            importlib.import_module(name)
        while os.getppid() == parent:
            server.handle_request()
            server.collect_children()


def start():
    """Start the server, unless there is one, for this process and its children."""
    if ADDRESS not in os.environ:
        os.environ[ADDRESS] = address = f"{tempfile.mkdtemp()}/server"
        words = [sys.executable, "-m", "tests.warm", address, str(os.getpid())]
        subprocess.Popen(words, cwd=ROOT, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})


def connected():
    start()
    connection = socket.socket(socket.AF_UNIX)
    for _ in range(600):
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            connection.connect(os.environ[ADDRESS])
            return connection
        time.sleep(0.05)
    raise TimeoutError("the server of tests.warm does not start")


class Child:
    """A process that does ``work(*arguments)``: ``kill``, ``send_signal``, ``poll``, ``wait`` as those of ``subprocess.Popen``."""

    def __init__(self, work, *arguments):
        self.connection = connected()
        self.stream, self.status = self.connection.makefile("rwb"), None
        pickle.dump((work, arguments), self.stream)
        self.stream.flush()
        self.pid = pickle.load(self.stream)

    def poll(self):
        ended = self.status is not None or select.select([self.connection], [], [], 0)[0]
        return self.wait() if ended else None

    def wait(self):
        if self.status is None:
            self.status = pickle.load(self.stream)
            self.stream.close()
            self.connection.close()
        return self.status

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)


def command(root, script, flags, folder, streams, variables):
    """In the child: become ``python script flags`` (or ``python -m script flags``) of the checkout ``root``."""
    os.environ.update(variables)
    paths = variables.get("PYTHONPATH", root).split(os.pathsep)
    if [root, *paths] != [str(ROOT)] * 2:  # another checkout's code is read from there, or a package beside this one's adds parts
        for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
            del sys.modules[name]
    sys.path[:] = [*paths, *(each for each in sys.path if each not in ("", str(ROOT)))]
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


class Running(Child):
    """A running command."""

    def __init__(self, script, flags, cwd=None, env=(), root=ROOT):
        self.folder = tempfile.TemporaryDirectory()
        self.streams = [Path(self.folder.name, name) for name in ("out", "err")]
        words = (str(root), script, [*map(str, flags)], str(cwd or Path.cwd()), [*map(str, self.streams)], dict(env))
        super().__init__(command, *words)

    def done(self):
        """Wait for the end; return status, stdout and stderr."""
        status = self.wait()
        out, errors = (path.read_text() if path.exists() else "" for path in self.streams)
        return subprocess.CompletedProcess(self.pid, status, out, errors)


def _answer(file, work, arguments):
    Path(file).write_bytes(pickle.dumps(work(*arguments)))


def in_a_child(work, *arguments):
    """Return the result of ``work`` in a clean process, without the memory of this one."""
    with tempfile.NamedTemporaryFile() as file:
        assert Child(_answer, file.name, work, arguments).wait() == 0
        return pickle.load(file)


if __name__ == "__main__":
    from tests import warm

    warm.serve(sys.argv[1], int(sys.argv[2]))
    os._exit(0)  # skips the cleanup of imported modules
