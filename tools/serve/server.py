"""Server of the page: loopback only, uploads of limited size, one explanation at a time, nothing stored."""

import contextlib
import json
import logging
import socket
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from locus import methods
from locus.benchmark.baselines import is_baseline
from locus.benchmark.report.table import render
from locus.benchmark.training import runs
from locus.core.errors import LocusError
from tools.serve.explained import explained, network

log = logging.getLogger(__name__)
HOST = "127.0.0.1"
MAX_UPLOAD_BYTES = 64 * 2**20
"""Maximum number of bytes of an upload."""
PATIENCE = 30
"""Maximum number of seconds for receiving a request, and for waiting until other images are explained."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def _is_number(text: str) -> bool:
    """Return True for a number of less than 16 digits; Python refuses to parse very long ones."""
    return text.isascii() and text.isdigit() and len(text) < 16


class PageServer(ThreadingHTTPServer):
    """Server with the checkpoints below a folder of runs, and a lock, so that one image is explained at a time."""

    daemon_threads = True

    def __init__(self, folder: Path, port: int) -> None:
        """Serve the finished runs in ``folder``; ``port`` 0 is any free port. Raises ``OSError`` for a used port."""
        super().__init__((HOST, port), Handler)
        self.runs = folder
        self.checkpoints = runs.finished(folder)
        self.lock = threading.Lock()

    @property
    def hosts(self) -> set[str]:
        """Allowed values of the headers Host and Origin; others are refused, to prevent DNS rebinding."""
        return {f"{name}:{self.server_port}" for name in (HOST, "localhost")}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a lost connection; print the traceback of any other error."""
        error = sys.exception()
        if isinstance(error, ConnectionError | TimeoutError):
            log.debug("connection lost: %s", error)
        else:
            super().handle_error(request, client_address)

    def page(self) -> str:
        """Return the HTML of the page."""
        names = [str(path.parent.relative_to(self.runs)) for path in self.checkpoints]
        names_and_speeds = [
            (name, methods.is_fast(name)) for name in methods.names() if not is_baseline(name)
        ]
        return render(
            "serve.html",
            Path(__file__).parent,
            networks=names,
            methods=names_and_speeds,
            largest=MAX_UPLOAD_BYTES,
        )


class Handler(BaseHTTPRequestHandler):
    """GET / returns the page; POST /explain?network=N&suffix=.png&method=… with an image returns JSON."""

    server: PageServer
    timeout = PATIENCE
    server_version, sys_version = "locus", ""
    default_request_version = (
        "HTTP/1.0"  # so that the response to a broken request has headers, too
    )

    def setup(self) -> None:
        """Start the clock: after ``PATIENCE`` seconds nothing more is read, however slowly the client sends."""
        super().setup()
        self.clock = threading.Timer(PATIENCE, self._stop_reading)
        self.clock.daemon = True
        self.clock.start()

    def finish(self) -> None:
        """Stop the clock."""
        self.clock.cancel()
        super().finish()

    def _stop_reading(self) -> None:
        with contextlib.suppress(OSError):  # the connection is closed
            self.connection.shutdown(socket.SHUT_RD)

    def do_GET(self) -> None:
        """Send the page."""
        target = self._own_target()
        if target is None:
            return
        if target.path != "/":
            self._say(HTTPStatus.NOT_FOUND, "not found: the only page is /")
        else:
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", self.server.page())

    def do_HEAD(self) -> None:
        """Send the headers of the page."""
        self.do_GET()

    def do_POST(self) -> None:
        """Explain the image in the request."""
        length = self.headers.get("Content-Length", "")
        target = self._own_target()
        if target is None:
            return
        if target.path != "/explain":
            self._say(HTTPStatus.NOT_FOUND, "not found: post images to /explain")
        elif not _is_number(length):
            self._say(HTTPStatus.LENGTH_REQUIRED, "the header Content-Length is missing or invalid")
        elif int(length) > MAX_UPLOAD_BYTES:
            self._say(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the image is larger than {MAX_UPLOAD_BYTES // 2**20} MiB",
            )
        elif len(upload := self.rfile.read(int(length))) < int(length):
            self._say(
                HTTPStatus.REQUEST_TIMEOUT,
                f"the image was not received completely within {PATIENCE} seconds",
            )
        else:
            self._explain(upload, parse_qs(target.query))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Send errors of the base class (other methods, broken requests) as JSON, too."""
        self._say(HTTPStatus(code), message or HTTPStatus(code).phrase)

    def _explain(self, upload: bytes, query: dict[str, list[str]]) -> None:
        number = query.get("network", ["0"])[0]
        if not _is_number(number) or int(number) >= len(self.server.checkpoints):
            self._say(HTTPStatus.NOT_FOUND, f"unknown network {number[:20]!r}: reload the page")
            return
        if not self.server.lock.acquire(timeout=PATIENCE):
            self._say(
                HTTPStatus.SERVICE_UNAVAILABLE, "other images are being explained: try again later"
            )
            return
        try:
            with contextlib.ExitStack() as on_exit:
                on_exit.callback(self.server.lock.release)
                served = network(self.server.checkpoints[int(number)], str(self.server.runs))
                method_names = [
                    method_name
                    for method_name in query.get("method", [])
                    if method_name in methods.names()
                ]
                answer = explained(
                    served, upload, query.get("suffix", [""])[0].lower(), method_names
                )
        except LocusError as error:
            self._say(HTTPStatus.BAD_REQUEST, str(error))
            return
        self._send(HTTPStatus.OK, "application/json", json.dumps(answer, allow_nan=False))

    def _own_target(self) -> SplitResult | None:
        """Return the target of a request from this server's page; answer any other with an error and return None.

        Browsers send the header Origin with every POST, so an upload without it is not from the page.
        """
        origin = self.headers.get("Origin")
        host = ", ".join(self.headers.get_all("Host", []))
        try:
            target, _, source = (
                urlsplit(url) for url in (self.path, f"//{host}", origin or f"//{host}")
            )
        except ValueError as error:
            self._say(HTTPStatus.BAD_REQUEST, f"malformed request, Host or Origin: {error}")
            return None
        if {host, source.netloc} <= self.server.hosts and (origin or self.command != "POST"):
            return target
        self._say(HTTPStatus.FORBIDDEN, "this page is only available on this machine")
        return None

    def _say(self, status: HTTPStatus, sentence: str) -> None:
        self.close_connection = True
        self._send(status, "application/json", json.dumps({"error": sentence}))

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {
            **HEADERS,
            "Content-Type": kind,
            "Content-Length": str(len(body)),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log requests at the level debug instead of printing them."""
        log.debug(format, *args)
