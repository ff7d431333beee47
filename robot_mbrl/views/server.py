"""The page of a run, for a browser: read only, from the standard library's server.

The page asks once a second while somebody looks. Nothing is pushed, so nothing piles up on a slow link: after a gap the
next answer is of now.
"""

import gzip
import ipaddress
import json
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any
from urllib.parse import unquote, urlsplit

from robot_mbrl.errors import ConfigError
from robot_mbrl.views.board import Board

PAGE = {
    "/": ("page.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a browser may fetch for the page: nothing but from here."""
LOOPBACK_NAMES = ("localhost",)
VIEWERS = 32
"""Connections at a time; more are closed at once."""
PATIENCE_S = 10.0
"""How long a connection may be silent or stuck before it is closed."""
GZIP_LEVEL = 1
AGE = "X-Age-S"
"""Header that says how old a picture is."""


class PageServer(ThreadingHTTPServer):
    """Serves the page and its figures, each request in a thread of its own."""

    daemon_threads = True
    # A page that was open goes on when the command is started again.
    allow_reuse_address = True

    def __init__(self, board: Board, host: str, port: int) -> None:
        """Listen.

        Args:
            board: the figures.
            host: address to listen on; on a loopback address only requests that name this computer are answered.
            port: 0 for one that is free.

        Raises:
            ConfigError: if it cannot be listened there.
        """
        self.board = board
        self.local = _is_loopback(host)
        self._free = threading.BoundedSemaphore(VIEWERS)
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"{host}:{port} cannot be listened on: {error}; choose another --port or --host"
            ) from error

    @property
    def url(self) -> str:
        """Where the page is."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve in a thread, unless there are too many."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve, and make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of an error, unless it is a browser that goes away in the middle of an answer."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: PageServer
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE_S

    def do_GET(self) -> None:
        """Answer a request."""
        if self.server.local and not _names_this_computer(self.headers.get("Host", "")):
            # A page of another site, whose name was made to point here, may not read along.
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        path = unquote(urlsplit(self.path).path)
        board = self.server.board
        figures: dict[str, Callable[[], dict[str, Any]]] = {
            "/state.json": board.state,
            "/details.json": board.details,
            "/history.json": board.history,
        }
        if path in figures:
            self._send(json.dumps(figures[path](), allow_nan=False).encode(), "application/json")
        elif path in PAGE:
            name, kind = PAGE[path]
            self._send(resources.files(__package__).joinpath(name).read_bytes(), f"{kind}; charset=utf-8")
        elif path.startswith("/picture/") and (found := board.picture(path.removeprefix("/picture/"))) is not None:
            picture, age_s = found
            self._send(picture, "image/jpeg", {AGE: f"{age_s:.3f}"})
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _send(self, content: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        headers = dict(headers or {})
        if kind.startswith(("application/json", "text/")) and "gzip" in self.headers.get("Accept-Encoding", ""):
            content = gzip.compress(content, GZIP_LEVEL)
            headers["Content-Encoding"] = "gzip"
        headers |= {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        self.send_response(HTTPStatus.OK)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """A request a second is no news."""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in LOOPBACK_NAMES


def _names_this_computer(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname
    return name is not None and _is_loopback(name)
