"""A plain HTTP client for the tests: what the server answered, and nothing else.

It has no retries and hides nothing, because tests look at status codes, headers and bodies;
the command under test has its own client.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

import urllib3

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Object = dict[str, Any]
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


@dataclass(frozen=True)
class Answer:
    """One response: `body` is the parsed JSON, or None where the text is no JSON."""

    code: int
    headers: Mapping[str, str]
    text: str
    body: Any

    @property
    def reason(self) -> str | None:
        """The Status's reason, as clients class it."""
        return self.body.get("reason") if isinstance(self.body, dict) else None

    @property
    def message(self) -> str:
        """The Status's message, or the text of an answer that is none."""
        if isinstance(self.body, dict):
            return str(self.body.get("message", ""))
        return self.text.strip()

    @property
    def causes(self) -> list[tuple[str, str]]:
        """The Status's causes as sorted (reason, field)."""
        details = self.body.get("details") if isinstance(self.body, dict) else None
        causes = (details or {}).get("causes") or []
        return sorted((cause.get("reason", ""), cause.get("field", "")) for cause in causes)


class Api:
    """One user's access to one API server.

    Args:
        url: `http://127.0.0.1:PORT` or https.
        token: bearer token; empty is anonymous.
        ca: file of the certificate authority, for https.
        timeout: seconds for each request.
    """

    def __init__(self, url: str, token: str = "", *, ca: str | None = None, timeout: float = 60.0) -> None:
        self.url = url
        self.token = token
        self.ca = ca
        arguments: dict[str, Any] = {"ca_certs": ca} if ca else {}
        self._pool = urllib3.PoolManager(maxsize=8, retries=False, timeout=urllib3.Timeout(total=timeout), **arguments)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: str = "application/json",
        accept: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; raise urllib3's error when no answer came."""
        url = f"{self.url}{path}{'?' + urlencode(query) if query else ''}"
        headers = {"Accept": accept}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None
        if body is not None:
            headers["Content-Type"] = content
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
        response = self._pool.request(method, url, body=data, headers=headers, redirect=False)
        text = response.data.decode("utf-8", "replace")
        try:
            parsed = json.loads(text)
        except ValueError:
            parsed = None
        return Answer(response.status, response.headers, text, parsed)

    def get(self, path: str, **query: str) -> Answer:
        """GET one object or list."""
        return self.request("GET", path, query=query)

    def post(self, path: str, body: Any, **query: str) -> Answer:
        """Create one object in the collection `path`."""
        return self.request("POST", path, body, query=query)

    def put(self, path: str, body: Any, **query: str) -> Answer:
        """Replace one object."""
        return self.request("PUT", path, body, query=query)

    def merge(self, path: str, body: Any, **query: str) -> Answer:
        """Merge-patch one object, as people and controllers do by hand."""
        return self.request("PATCH", path, body, content=MERGE, query=query)

    def apply(self, path: str, body: Any, manager: str = "tester", **query: str) -> Answer:
        """Server-side apply one object."""
        return self.request("PATCH", path, body, content=APPLY, query={"fieldManager": manager, **query})

    def delete(self, path: str, body: Any = None, **query: str) -> Answer:
        """Delete one object; `body` are DeleteOptions."""
        return self.request("DELETE", path, body, query=query)

    def until_write(self, method: str, path: str, body: Any, code: int, *, seconds: float = 30.0) -> Answer:
        """Dry-run a write until the server answers `code`, or time is up; return the last answer."""
        end = time.monotonic() + seconds
        while True:
            answer = self.request(method, path, body, content=APPLY, query={"fieldManager": "tester", "dryRun": "All"})
            if answer.code == code or time.monotonic() > end:
                return answer
            time.sleep(0.05)

    def until(self, path: str, holds: Callable[[Answer], bool], *, seconds: float = 60.0, what: str = "") -> Answer:
        """Read `path` until `holds(answer)`; fail with the last answer after `seconds`."""
        end = time.monotonic() + seconds
        while True:
            answer = self.get(path)
            if holds(answer):
                return answer
            if time.monotonic() > end:
                raise AssertionError(f"{what or path}: not within {seconds} s; last: {answer.code} {answer.text[:600]}")
            time.sleep(0.05)
