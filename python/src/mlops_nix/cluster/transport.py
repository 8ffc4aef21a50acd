"""The one seam to the network: a request goes in, a response comes out.

A test passes an object with the same three methods; nothing else in the package opens a connection to the API server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Response:
    """An answer that was read to its end.

    Args:
        status: HTTP status code.
        headers: Header names in lower case. Several ``Warning`` headers are joined by ``, ``.
        body: The bytes of the body.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer whose body is still arriving (a watch).

    Args:
        status: HTTP status code.
        headers: Header names in lower case.
        chunks: The body in pieces of any size; ends when the server ends the answer, and raises `Disconnected` where it breaks.
        close: Gives the connection back; safe to call twice and from another thread.
    """

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]
    close: Callable[[], None]


class Disconnected(Exception):
    """No complete answer: refused, reset, timed out, or ended in the middle. A write may have happened all the same.

    Args:
        message: What the network said.
        final: Trying again cannot help: an unknown certificate, a host name that is not one.
    """

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.final = final


class Transport(Protocol):
    """A way to one API server, with credentials; used by several threads at once."""

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 30.0,
    ) -> Response:
        """Send one request and read the whole answer.

        Args:
            method: ``GET``, ``POST``, ``PUT``, ``PATCH`` or ``DELETE``.
            path: Absolute path, already quoted.
            query: Pairs of the query string, not quoted.
            headers: Headers beside those for credentials.
            body: Bytes of the body.
            timeout: Seconds for the whole exchange.

        Raises:
            Disconnected: There is no complete answer.
        """

    def stream(
        self, path: str, *, query: Query = (), headers: Mapping[str, str] | None = None, timeout: float = 300.0
    ) -> Stream:
        """Begin a GET whose answer arrives over time.

        Args:
            path: As in `request`.
            query: As in `request`.
            headers: As in `request`.
            timeout: Seconds without any byte after which the answer counts as broken.

        Raises:
            Disconnected: No answer began.
        """

    def renew_credentials(self) -> bool:
        """Fetch fresh credentials after a 401; tell whether there may be others than before."""


class PoolTransport:
    """Requests over the urllib3 pool and the credentials of the official client's configuration.

    Args:
        client: A ``kubernetes.client.ApiClient``.
        reload: Gives a new ``ApiClient`` with fresh credentials, for when the server answers 401.
        headers: Sent with each request (user agent, impersonation); several lines of a value become several headers.
    """

    def __init__(
        self, client: Any, *, reload: Callable[[], Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self._reload = reload
        self._headers = dict(headers or {})
        self._use(client)

    def _use(self, client: Any) -> None:
        self._client = client
        self._pool = client.rest_client.pool_manager
        self._host = client.configuration.host.rstrip("/")

    @property
    def host(self) -> str:
        """The URL of the server."""
        return str(self._host)

    def _prepare(self, path: str, query: Query, headers: Mapping[str, str] | None) -> tuple[str, Mapping[str, str]]:
        from urllib.parse import urlencode

        import urllib3

        sent = urllib3.HTTPHeaderDict(headers or {})
        for name, value in self._headers.items():
            for line in value.split("\n"):
                sent.add(name, line)
        # The hook in auth_settings() renews a token that is known to have expired before it is sent.
        for setting in self._client.configuration.auth_settings().values():
            if setting["in"] == "header" and setting["value"]:
                sent[setting["key"]] = setting["value"]
        url = self._host + path
        return (f"{url}?{urlencode(query)}" if query else url), sent

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 30.0,
    ) -> Response:
        """Send one request; see `Transport.request`."""
        import urllib3

        url, sent = self._prepare(path, query, headers)
        try:
            answer = self._pool.request(
                method,
                url,
                body=body,
                headers=sent,
                timeout=urllib3.Timeout(connect=min(5.0, timeout), read=timeout),
                retries=False,
                redirect=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _disconnected(error) from error
        return Response(answer.status, _lower(answer.headers), answer.data)

    def stream(
        self, path: str, *, query: Query = (), headers: Mapping[str, str] | None = None, timeout: float = 300.0
    ) -> Stream:
        """Begin a watch; see `Transport.stream`."""
        import urllib3

        url, sent = self._prepare(path, query, headers)
        try:
            answer = self._pool.request(
                "GET",
                url,
                headers=sent,
                timeout=urllib3.Timeout(connect=5.0, read=timeout),
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _disconnected(error) from error

        def chunks() -> Iterator[bytes]:
            try:
                while data := answer.read1(65536):
                    yield data
            except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError) as error:
                # ValueError and AttributeError: another thread closed the connection under us.
                raise _disconnected(error) from error

        def close() -> None:
            connection = getattr(answer, "connection", None) or getattr(answer, "_connection", None)
            sock = getattr(connection, "sock", None)
            if sock is not None:
                import contextlib
                import socket

                # A thread may be blocked in recv(): close() alone would not wake it, shutdown() does.
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
            answer.close()

        return Stream(answer.status, _lower(answer.headers), chunks(), close)

    def renew_credentials(self) -> bool:
        """Read the kubeconfig, run the exec plugin, or read the token file again."""
        if self._reload is None:
            return False
        self._use(self._reload())
        return True


def _lower(headers: Any) -> dict[str, str]:
    lowered: dict[str, str] = {}
    for name, value in headers.items():
        key = name.lower()
        lowered[key] = f"{lowered[key]}, {value}" if key in lowered else value
    return lowered


def _disconnected(error: Exception) -> Disconnected:
    import ssl

    import urllib3

    cause: BaseException = error
    while True:
        inner = getattr(cause, "reason", None)
        following = inner if isinstance(inner, BaseException) else cause.__cause__
        if following is None:
            break
        cause = following
    final = isinstance(cause, ssl.SSLCertVerificationError) or isinstance(error, urllib3.exceptions.LocationValueError)
    text = str(cause) or type(cause).__name__
    return Disconnected(text, final=final)
