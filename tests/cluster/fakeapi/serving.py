"""An HTTP/1.1 server on a free loopback port that logs each request and plays a fault schedule.

What it answers comes from a `Backend`: the fake API server, or a forwarder to the real one.
"""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import struct
import threading
import time
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from .faults import Fault, Schedule
from .status import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Request:
    """One request as it came in; `number` counts from 1 over the server's life or since `reset_log`."""

    number: int
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    user: str = ""

    @property
    def token(self) -> str:
        """The bearer token."""
        return self.headers.get("authorization", "").removeprefix("Bearer ").strip()

    @property
    def dry(self) -> bool:
        """Whether it is a dry run."""
        return self.query.get("dryRun") == "All"

    @property
    def watch(self) -> bool:
        """Whether it is a watch."""
        return self.query.get("watch", "") in ("true", "1")

    def json(self) -> Any:
        """Return the parsed body."""
        return json.loads(self.body)

    def __str__(self) -> str:
        """As a line of a log."""
        words = [self.method, self.path]
        words += [
            f"{key}={value}" for key, value in self.query.items() if key in ("dryRun", "watch", "force", "fieldManager")
        ]
        return " ".join(words)


@dataclass(frozen=True)
class Response:
    """An answer: `chunks` in place of `body` is sent chunked, as long as it lasts."""

    code: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    chunks: Iterator[bytes] | None = None


class Backend(Protocol):
    """What answers requests."""

    def user_of(self, token: str) -> str:
        """Return the name of a token's user; "" is nobody."""

    def handle(self, request: Request) -> Response:
        """Answer a request; a raised `Refusal` becomes its Status."""


@dataclass
class Logged:
    """One line of the request log."""

    request: Request
    faults: tuple[str, ...] = ()
    code: int = 0  # stays 0 where no answer was sent


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, owner: Server, port: int) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that the peer broke is no error; anything else goes to the test."""
        import sys

        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, OSError, ValueError)):
            self.owner.errors.append(error or RuntimeError(f"{request} from {client_address}: unknown error"))


class Server:
    """The HTTP server of one backend.

    Attributes:
        log: every request with its answer's code, in order of arrival; `reset_log` empties it.
        faults: the schedule that is played.
        errors: exceptions of the server itself; a test run fails on them.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.faults = Schedule()
        self.log: list[Logged] = []
        self.errors: list[BaseException] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self._count = 0
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen: on a free port the first time, on the same one after `stop`."""
        self._server = _Server(self, self.port)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="http", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Refuse new connections and reset the open ones, as a killed server does."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
        self._server = None
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            _reset(connection)

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Be away for the length of the block."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def reset_log(self) -> None:
        """Forget the log and count from 1 again."""
        with self._lock:
            self.log.clear()
            self._count = 0

    def requests(self, method: str = "", path: str = "", *, dry: bool | None = None) -> list[Request]:
        """Return the logged requests of a method whose path holds `path`."""
        return [
            entry.request
            for entry in list(self.log)
            if (not method or entry.request.method == method)
            and path in entry.request.path
            and (dry is None or entry.request.dry == dry)
        ]

    # -- called by the handler -------------------------------------------------------------

    def arrived(self, request: Request) -> Logged:
        """Give a request its number and log it."""
        with self._lock:
            self._count += 1
            if not request.watch:
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
            entry = Logged(replace(request, number=self._count))
            self.log.append(entry)
            return entry

    def done(self, request: Request) -> None:
        """Note that a request was answered, or dropped."""
        with self._lock:
            if not request.watch:
                self.in_flight -= 1

    def opened(self, connection: socket.socket) -> None:
        """Note an open connection."""
        with self._lock:
            self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """Forget a closed connection."""
        with self._lock:
            self._connections.discard(connection)


def _reset(connection: socket.socket) -> None:
    # Linger 0: close sends RST, not FIN.
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)
    with contextlib.suppress(OSError):
        connection.close()


class _Dropped(Exception):
    """The connection was reset."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    timeout = 300

    def setup(self) -> None:
        super().setup()
        self.server.owner.opened(self.connection)

    def finish(self) -> None:
        self.server.owner.closed(self.connection)
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *args: Any) -> None:
        pass

    def _drop(self) -> None:
        _reset(self.connection)
        self.close_connection = True
        raise _Dropped

    def _answer(self) -> None:
        owner = self.server.owner
        parts = urlsplit(self.path)
        headers = {key.lower(): value for key, value in self.headers.items()}
        body = self._read_body(headers)
        token = headers.get("authorization", "").removeprefix("Bearer ").strip()
        request = Request(
            0,
            self.command,
            parts.path,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers,
            body,
            owner.backend.user_of(token),
        )
        entry = owner.arrived(request)
        faults = owner.faults.strike(entry.request)
        entry.faults = tuple(fault.action for fault in faults)
        try:
            response = self._respond(entry.request, faults)
            entry.code = response.code
            self._send(response, half=any(fault.action == "half-body" for fault in faults))
        except _Dropped:
            pass
        finally:
            owner.done(request)

    def _read_body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            chunks = []
            while size := int(self.rfile.readline().strip() or b"0", 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)
        return self.rfile.read(int(headers.get("content-length") or 0))

    def _respond(self, request: Request, faults: list[Fault]) -> Response:
        for fault in faults:
            if fault.action == "delay":
                time.sleep(fault.seconds)
            elif (fault.action == "call" and fault.function and fault.function(request)) or fault.action == "reset":
                self._drop()
            elif fault.action == "answer" and fault.refusal:
                return refused(fault.refusal)
        try:
            response = self.server.owner.backend.handle(request)
        except Refusal as refusal:
            response = refused(refusal)
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            self.server.owner.errors.append(error)
            response = refused(Refusal(500, f"fake server: {error!r}"))
        for fault in faults:
            if fault.action == "reset-after" or (
                fault.action == "call-after" and fault.function and fault.function(request)
            ):
                self._drop()
        return response

    def _send(self, response: Response, *, half: bool) -> None:
        self.send_response(response.code)
        headers = {"Content-Type": "application/json", **response.headers}
        if response.chunks is None:
            headers["Content-Length"] = str(len(response.body))
        else:
            headers["Transfer-Encoding"] = "chunked"
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if response.chunks is None:
            self.wfile.write(response.body[: len(response.body) // 2] if half else response.body)
            self.wfile.flush()
        else:
            self.wfile.flush()
            for chunk in response.chunks:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()
        if half:
            self._drop()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - the names are http.server's


def refused(refusal: Refusal) -> Response:
    """Return a refusal as an answer."""
    if refusal.plain:
        headers = {"Content-Type": "text/plain; charset=utf-8", **refusal.headers}
        return Response(refusal.code, refusal.message.encode(), headers)
    return Response(refusal.code, json.dumps(refusal.body()).encode(), refusal.headers)
