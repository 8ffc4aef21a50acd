"""A fake Kubernetes API server in plain Python, with faults by schedule; see `FakeCluster`.

with FakeCluster() as cluster:
    cluster.faults.add(throttled(1), Fault("reset-after", at=17))
    subprocess.run(["mlops-nix", "apply", "set", "--kubeconfig", cluster.kubeconfig()])
    assert cluster.server.requests("PATCH", "/configmaps/")
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.cluster.controlplane.client import Api
from tests.cluster.controlplane.plane import write_kubeconfig

from .api import FakeApi, Webhook
from .controllers import Controllers, condition
from .faults import Fault, answered, dropping, on, throttled, writes
from .forward import Forward
from .serving import Request, Response, Server
from .status import Refusal

if TYPE_CHECKING:
    from .faults import Schedule

__all__ = [
    "Controllers",
    "FakeApi",
    "FakeCluster",
    "Fault",
    "Forward",
    "Refusal",
    "Request",
    "Response",
    "Server",
    "Webhook",
    "answered",
    "condition",
    "dropping",
    "on",
    "throttled",
    "writes",
]


class FakeCluster:
    """A fake API server with its controllers, listening on 127.0.0.1 for the length of a block."""

    def __init__(self) -> None:
        self.state = FakeApi()
        self.server = Server(self.state)
        self.controllers = Controllers(self.state)
        self.folder = Path(tempfile.mkdtemp(prefix="mlops-nix-fakeapi-"))
        self._clients: list[Api] = []

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.state.stop()
        for client in self._clients:
            client.close()
        self.server.stop()
        self.controllers.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        assert not self.server.errors, f"the fake server itself failed: {self.server.errors}"
        assert not self.controllers.errors, f"the fake controllers failed: {self.controllers.errors}"

    @property
    def url(self) -> str:
        """The server's address."""
        return self.server.url

    @property
    def faults(self) -> Schedule:
        """The schedule of faults."""
        return self.server.faults

    @property
    def admin(self) -> Api:
        """A client with all rights."""
        return self.api()

    def api(self, user: str = "admin") -> Api:
        """Return a client for a user."""
        client = Api(self.url, f"{user}-token")
        self._clients.append(client)
        return client

    def kubeconfig(self, user: str = "admin", *, url: str | None = None, token: str | None = None) -> Path:
        """Write a kubeconfig for a user and return its path."""
        path = self.folder / f"kubeconfig-{user}-{token or ''}"
        return write_kubeconfig(path, {"server": url or self.url}, token or f"{user}-token")
