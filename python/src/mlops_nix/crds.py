"""CRD files of upstream's: fetched by URL, verified by sha256, kept in a cache that is verified again at every reading.

The library names each file by commit-pinned URL and hash and holds no copy. A file reaches the user from (in this order) a
rendered folder, the cache, a local folder that the user names (air gap; files are found in it by hash), or its URL.
Nothing is parsed or written anywhere before its hash is right.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mlops_nix.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from email.message import Message

    from mlops_nix.setdocument import CrdFile

MAX_BYTES = 16 * 1024 * 1024
"""Largest CRD file that is fetched; the largest known (LLMInferenceService) has 2 MB."""

TIMEOUT = 30.0
"""Seconds that a server may be silent."""

ATTEMPTS = 4
"""How often a file is asked for, when the failure may pass."""

_FETCHERS = 4
_MAX_SCANNED_FILES = 20_000
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_AGENT = "mlops-nix (CRD fetch)"


class CrdUnavailable(InputError):
    """A CRD file can't be had, or is not the one that the library names."""

    code = "crd-unavailable"


@dataclass(frozen=True)
class FetchedCrd:
    """A CRD file whose bytes are right, and where they came from: ``cache``, ``folder`` or ``network``."""

    file: CrdFile
    content: bytes
    origin: str


def cache_folder() -> Path:
    """Give the cache: ``MLOPS_NIX_CACHE``, else ``mlops-nix`` in the user's cache folder (XDG)."""
    chosen = os.environ.get("MLOPS_NIX_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".cache") / "mlops-nix"


@dataclass
class CrdStore:
    """Gets CRD files, each by the cheapest way that gives the right bytes.

    Args:
        cache: The folder of the cache; need not exist.
        sources: Folders that may hold the files under any name, looked at before the network.
        offline: Never use the network.
        timeout: Seconds that a server may be silent.
        warn: Called with a line about what is odd but does not stop the work, such as a damaged cache entry.
        pause: Waits so many seconds between two attempts.
    """

    cache: Path = field(default_factory=cache_folder)
    sources: Sequence[Path] = ()
    offline: bool = False
    timeout: float = TIMEOUT
    warn: Callable[[str], None] = lambda _: None
    pause: Callable[[float], None] = time.sleep
    _scanned: dict[str, Path] | None = field(default=None, init=False, repr=False)

    @classmethod
    def from_environment(
        cls, source: str | None = None, *, offline: bool = False, warn: Callable[[str], None] = lambda _: None
    ) -> CrdStore:
        """Make a store of the user's settings.

        Args:
            source: A folder, as ``--source`` gives it; ``MLOPS_NIX_CRD_SOURCE`` otherwise.
            offline: Never use the network.
            warn: As in the class.

        Raises:
            InputError: The source is no folder.
        """
        chosen = source or os.environ.get("MLOPS_NIX_CRD_SOURCE")
        sources = [Path(chosen).expanduser()] if chosen else []
        for folder in sources:
            if not folder.is_dir():
                raise InputError("the source of CRD files: expected a folder", path=str(folder))
        return cls(sources=sources, offline=offline, warn=warn)

    def place(self, crd: CrdFile) -> Path:
        """Give the place of a file in the cache."""
        return self.cache / "crds" / crd.sha256[:2] / crd.sha256

    def cached(self, crd: CrdFile) -> bytes | None:
        """Read a file from the cache; a damaged entry is removed and counts as absent."""
        place = self.place(crd)
        try:
            content = place.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self.warn(f"{place}: the cache cannot be read: {_reason(error)}")
            return None
        if hashlib.sha256(content).hexdigest() == crd.sha256:
            return content
        self.warn(f"{place}: the cache entry of {crd.name} is damaged; it is fetched again")
        with suppress(OSError):
            place.unlink()
        return None

    def get(self, crd: CrdFile) -> FetchedCrd:
        """Get one file.

        Raises:
            CrdUnavailable: No way gives it, or what the URL gives has another hash.
        """
        content = self.cached(crd)
        if content is not None:
            return FetchedCrd(crd, content, "cache")
        content = self._from_sources(crd)
        if content is not None:
            self._keep(crd, content)
            return FetchedCrd(crd, content, "folder")
        if crd.url is None:
            raise CrdUnavailable(
                f"upstream publishes the CRD file {crd.name} only inside an archive",
                hint=f"extract it (sha256 {crd.sha256}) and give its folder with --source",
            )
        if self.offline:
            raise CrdUnavailable(
                f"the CRD file {crd.name} is not in the cache, and the network is not to be used",
                hint=f"run `mlops-nix crds fetch` with the network, or give a folder that holds it with --source ({crd.url})",
            )
        content = self._fetch(crd, crd.url)
        self._keep(crd, content)
        return FetchedCrd(crd, content, "network")

    def get_all(
        self, crds: Sequence[CrdFile], progress: Callable[[FetchedCrd], None] = lambda _: None
    ) -> list[FetchedCrd]:
        """Get several files, some at once; the result stands in the order of the argument.

        Args:
            crds: The files.
            progress: Called with each as it arrives, in the order of the argument.

        Raises:
            CrdUnavailable: One of them cannot be had; those that were had are in the cache.
        """
        self._scan_needed(crds)
        result: list[FetchedCrd] = []
        with ThreadPoolExecutor(_FETCHERS) as fetchers:
            futures = [fetchers.submit(self.get, crd) for crd in crds]
            try:
                for future in futures:
                    result.append(future.result())
                    progress(result[-1])
            except BaseException:
                for future in futures:
                    future.cancel()
                raise
        return result

    # --- a folder of the user's ----------------------------------------------------------------------------------------------

    def _scan_needed(self, crds: Sequence[CrdFile]) -> None:
        """Look through the sources before threads need the result."""
        if self.sources and any(not self.place(crd).exists() for crd in crds):
            self._scan()

    def _scan(self) -> dict[str, Path]:
        if self._scanned is None:
            found: dict[str, Path] = {}
            for source in self.sources:
                for number, path in enumerate(sorted(source.rglob("*"))):
                    if number > _MAX_SCANNED_FILES:
                        raise InputError(
                            f"holds more than {_MAX_SCANNED_FILES} files",
                            path=str(source),
                            hint="give the folder of CRDs",
                        )
                    with suppress(OSError):
                        if path.is_file() and path.stat().st_size <= MAX_BYTES:
                            with path.open("rb") as stream:
                                found.setdefault(hashlib.file_digest(stream, "sha256").hexdigest(), path)
            self._scanned = found
        return self._scanned

    def _from_sources(self, crd: CrdFile) -> bytes | None:
        path = self._scan().get(crd.sha256) if self.sources else None
        if path is None:
            return None
        try:
            content = path.read_bytes()
        except OSError as error:
            self.warn(f"{path}: cannot be read: {_reason(error)}")
            return None
        return content if hashlib.sha256(content).hexdigest() == crd.sha256 else None

    def _keep(self, crd: CrdFile, content: bytes) -> None:
        place = self.place(crd)
        temporary = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(content)
            temporary.rename(place)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            self.warn(f"{self.cache}: the cache cannot be written: {_reason(error)}")

    # --- the network -----------------------------------------------------------------------------------------------------------

    def _fetch(self, crd: CrdFile, url: str) -> bytes:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                content = _download(url, crd.bytes, self.timeout)
            except _PassingError as error:
                if attempt == ATTEMPTS:
                    raise CrdUnavailable(
                        f"the CRD file {crd.name} cannot be fetched: {error} ({ATTEMPTS} attempts)\nURL {url}",
                        hint="check the network (HTTPS_PROXY is honoured), or give a folder that holds the file with --source",
                    ) from None
                self.pause(error.wait or 0.5 * 2**attempt)
                continue
            except _FinalError as error:
                raise CrdUnavailable(f"the CRD file {crd.name} cannot be fetched: {error}\nURL {url}") from None
            found = hashlib.sha256(content).hexdigest()
            if found != crd.sha256:
                raise CrdUnavailable(
                    f"the CRD file {crd.name} is not the one that the library names; it was thrown away\n"
                    f"expected sha256 {crd.sha256}\nfound    sha256 {found} ({len(content)} bytes)\nURL {url}",
                    hint="a proxy that answers with its own page, or upstream changed the file; never work around it",
                )
            return content
        raise AssertionError(url)  # the loop returns or raises


class _PassingError(Exception):
    """A failure that may pass; `wait` is the server's own wish, in seconds."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class _FinalError(Exception):
    """A failure that stays."""


def _check_url(url: str) -> None:
    """Allow https, and plain http to this machine alone."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return
    raise _FinalError(f"{parts.scheme or 'no'} address; only https is followed: {url}")


class _HttpsRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https alone."""

    max_redirections = 5

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        """Refuse a redirect that leaves https."""
        _check_url(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _download(url: str, size: int | None, timeout: float) -> bytes:
    """Download one file within bounds of time and size."""
    _check_url(url)
    limit = MAX_BYTES if size is None else min(size, MAX_BYTES)
    opener = urllib.request.build_opener(_HttpsRedirects())
    request = urllib.request.Request(url, headers={"User-Agent": _AGENT, "Accept-Encoding": "identity"})  # noqa: S310
    # A server that sends a byte now and then is never silent, so the whole has an end too.
    deadline = time.monotonic() + 4 * timeout
    content = bytearray()
    try:
        with opener.open(request, timeout=timeout) as answer:
            announced = answer.headers.get("Content-Length")
            while chunk := answer.read(1 << 16):
                content += chunk
                if len(content) > limit:
                    raise _FinalError(f"it is larger than {limit} bytes")
                if time.monotonic() > deadline:
                    raise _PassingError(f"the server did not finish in {4 * timeout:g} seconds")
    except urllib.error.HTTPError as error:
        reason = f"HTTP {error.code} {error.reason}"
        wait = _retry_after(error.headers)
        error.close()
        if error.code in _RETRIED:
            raise _PassingError(reason, wait) from None
        raise _FinalError(reason) from None
    except urllib.error.URLError as error:
        cause = error.reason
        if "CERTIFICATE" in str(cause).upper():
            raise _FinalError(f"the certificate of the server is not trusted: {cause}") from None
        raise _PassingError(_connection_reason(cause)) from None
    except (http.client.HTTPException, OSError) as error:
        raise _PassingError(_connection_reason(error)) from None
    if announced is not None and announced.isdigit() and len(content) < int(announced):
        raise _PassingError(f"the answer broke off after {len(content)} of {announced} bytes")
    return bytes(content)


def _retry_after(headers: Message) -> float | None:
    value = headers.get("Retry-After", "")
    return min(float(value), 30.0) if re.fullmatch(r"\d{1,6}", value) else None


def _connection_reason(cause: object) -> str:
    if isinstance(cause, TimeoutError):
        return "the server did not answer in time"
    if isinstance(cause, socket.gaierror):
        return f"the host name cannot be resolved: {cause.strerror}"
    if isinstance(cause, http.client.IncompleteRead):
        return f"the answer broke off after {len(cause.partial)} bytes"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    return str(cause) or type(cause).__name__


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
