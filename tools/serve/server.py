"""The server of the page: loopback alone, uploads of limited size, one explanation at a time, nothing kept."""

import json
import logging
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

import methods
from benchmark.pictures import finished_runs
from benchmark.report.html.render import render
from core.errors import LocusError
from core.names import BASELINES
from tools.serve.explained import explained, network

log = logging.getLogger(__name__)
HOST = "127.0.0.1"
LARGEST = 64 * 2**20
"""Bytes of an upload."""
PATIENCE = 30
"""Seconds in which a client must go on sending."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def _is_number(text: str) -> bool:
    """Whether a request's word is a whole number that Python reads, which it does not do at any length."""
    return text.isascii() and text.isdigit() and len(text) < 16


class PageServer(ThreadingHTTPServer):
    """The networks below a folder of runs, by number, and a lock: they are asked one after the other."""

    daemon_threads = True

    def __init__(self, runs: Path, port: int) -> None:
        """``runs`` has finished runs; ``port`` 0 is any free one. Raises ``OSError`` for one that is taken."""
        super().__init__((HOST, port), Handler)
        self.runs, self.checkpoints, self.lock = runs, finished_runs.finished(runs), threading.Lock()

    @property
    def hosts(self) -> set[str]:
        """What a browser on this machine calls it; a page from elsewhere whose name leads here is refused by it."""
        return {f"{name}:{self.server_port}" for name in (HOST, "localhost")}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a client that went away; everything else is a bug of ours and shows its traceback."""
        error = sys.exception()
        if isinstance(error, ConnectionError | TimeoutError):
            log.debug("a client went away: %s", error)
        else:
            super().handle_error(request, client_address)

    def page(self) -> str:
        """The page's text."""
        names = [str(path.parent.relative_to(self.runs)) for path in self.checkpoints]
        words = [(word, methods.is_fast(word)) for word in methods.names() if word not in BASELINES]
        return render("serve.html", Path(__file__).parent, networks=names, methods=words, largest=LARGEST)


class Handler(BaseHTTPRequestHandler):
    """GET / is the page; POST /explain?network=N&suffix=.png&method=… takes the image's bytes and gives JSON."""

    server: PageServer
    timeout = PATIENCE
    server_version, sys_version = "locus", ""
    default_request_version = "HTTP/1.0"  # so that an answer to a broken request has headers too

    def do_GET(self) -> None:
        """The page."""
        if (target := self._own_target()) is None:
            return
        if target.path != "/":
            self._say(HTTPStatus.NOT_FOUND, "there is only the page /")
        else:
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", self.server.page())

    def do_HEAD(self) -> None:
        """The headers of the page."""
        self.do_GET()

    def do_POST(self) -> None:
        """What a network makes of an image."""
        length = self.headers.get("Content-Length", "")
        if (target := self._own_target()) is None:
            return
        if target.path != "/explain":
            self._say(HTTPStatus.NOT_FOUND, "images go to /explain")
        elif not _is_number(length):
            self._say(HTTPStatus.LENGTH_REQUIRED, "say the image's length")
        elif int(length) > LARGEST:
            self._say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the image has more than {LARGEST // 2**20} MiB")
        else:
            self._explain(self.rfile.read(int(length)), parse_qs(target.query))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the base class refuses (other methods, broken requests) as everything else is answered."""
        self._say(HTTPStatus(code), message or HTTPStatus(code).phrase)

    def _explain(self, upload: bytes, asked: dict[str, list[str]]) -> None:
        number = asked.get("network", ["0"])[0]
        if not _is_number(number) or int(number) >= len(self.server.checkpoints):
            self._say(HTTPStatus.NOT_FOUND, "there is no such network")
            return
        try:
            with self.server.lock:
                known = network(self.server.checkpoints[int(number)], str(self.server.runs))
                words = [word for word in asked.get("method", []) if word in methods.names()]
                answer = explained(known, upload, asked.get("suffix", [""])[0].lower(), words)
        except LocusError as error:
            self._say(HTTPStatus.BAD_REQUEST, str(error))
            return
        self._send(HTTPStatus.OK, "application/json", json.dumps(answer, allow_nan=False))

    def _own_target(self) -> SplitResult | None:
        """Return what is asked for where a page of this server asks, under this machine's own name; else answer."""
        origin, host = self.headers.get("Origin"), ", ".join(self.headers.get_all("Host", []))
        try:
            target, _, source = (urlsplit(word) for word in (self.path, f"//{host}", origin or f"//{host}"))
        except ValueError as error:
            self._say(HTTPStatus.BAD_REQUEST, f"the request, its Host or its Origin is malformed: {error}")
            return None
        if {host, source.netloc} <= self.server.hosts:
            return target
        self._say(HTTPStatus.FORBIDDEN, "this page is for this machine alone")
        return None

    def _say(self, status: HTTPStatus, sentence: str) -> None:
        self.close_connection = True
        self._send(status, "application/json", json.dumps({"error": sentence}))

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Keeps the terminal free of a line per request."""
        log.debug(format, *args)
