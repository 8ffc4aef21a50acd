"""A proxy before the real API server, for faults that no flag of its gives: exact resets, half bodies, 429s."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import urllib3

from .serving import Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterator

_DROPPED = {"host", "content-length", "connection", "transfer-encoding", "accept-encoding"}


@dataclass
class Forward:
    """A backend that sends each request on.

    Args:
        url: the real server.
        ca: file of its certificate authority.
    """

    url: str
    ca: str

    def __post_init__(self) -> None:
        self._pool = urllib3.PoolManager(
            maxsize=32, retries=False, ca_certs=self.ca, timeout=urllib3.Timeout(total=300)
        )

    def user_of(self, token: str) -> str:
        """The real server knows; here the token stands for the user."""
        return token

    def stop(self) -> None:
        """Close the connections to the real server."""
        self._pool.clear()

    def handle(self, request: Request) -> Response:
        """Send the request on and return the answer."""
        query = f"?{urlencode(request.query)}" if request.query else ""
        headers = {key: value for key, value in request.headers.items() if key not in _DROPPED}
        arguments: dict[str, Any] = {"headers": headers, "redirect": False, "body": request.body or None}
        try:
            return self._send(request, query, arguments)
        except urllib3.exceptions.HTTPError as error:
            # The client sees what there is: a connection that breaks.
            raise ConnectionResetError(str(error)) from None

    def _send(self, request: Request, query: str, arguments: dict[str, Any]) -> Response:
        if request.watch:
            answer = self._pool.request(
                request.method, f"{self.url}{request.path}{query}", preload_content=False, **arguments
            )
            return Response(answer.status, headers=_headers(answer), chunks=_chunks(answer))
        answer = self._pool.request(request.method, f"{self.url}{request.path}{query}", **arguments)
        return Response(answer.status, answer.data, _headers(answer))


def _headers(answer: Any) -> dict[str, str]:
    kept = ("content-type", "retry-after", "warning", "etag")
    return {key.title(): value for key, value in answer.headers.items() if key.lower() in kept}


def _chunks(answer: Any) -> Iterator[bytes]:
    try:
        while data := answer.read1(65536):
            yield data
    except urllib3.exceptions.HTTPError as error:
        raise ConnectionResetError(str(error)) from None
    finally:
        answer.close()
