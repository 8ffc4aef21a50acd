"""Finding the cluster as kubectl users expect: contexts, kubeconfig, exec plugins, proxies, impersonation, in-cluster.

The official client reads the configuration and makes the connection pool; it takes half a second to import, hence inside.
"""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_nix.cluster import discovery, events
from mlops_nix.cluster.api import Api, Stop, error_of
from mlops_nix.cluster.transport import PoolTransport
from mlops_nix.errors import ClusterError, InputError, ToolMissing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_nix.cluster.clock import Clock
    from mlops_nix.cluster.discovery import Discovery
    from mlops_nix.cluster.transport import Transport

_NAMESPACE_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"


@dataclass(slots=True)
class Cluster:
    """A connected cluster.

    Args:
        api: Requests to it.
        server: URL of the API server.
        namespace: The namespace of the context.
        context: Name of the context; empty inside a cluster.
    """

    api: Api
    server: str = ""
    namespace: str = "default"
    context: str = ""
    _discovery: Discovery | None = field(default=None, repr=False)
    _discovered: float = field(default=0.0, repr=False)
    _version: tuple[int, int] | None = field(default=None, repr=False)

    @property
    def discovery(self) -> Discovery:
        """What the server serves; asked for once."""
        if self._discovery is None:
            self._discovery = discovery.load(self.api)
            self._discovered = self.api.clock.monotonic()
        return self._discovery

    @discovery.setter
    def discovery(self, found: Discovery) -> None:
        self._discovery = found

    def forget(self, *, older_than: float = 30.0) -> None:
        """Ask anew what the server serves, the next time that it matters.

        Args:
            older_than: Seconds; what was asked since then is still good.
        """
        if self.api.clock.monotonic() - self._discovered >= older_than:
            self._discovery = None

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor version of the server."""
        if self._version is None:
            answer = self.api.send("GET", "/version")
            if not answer.ok or not isinstance(answer.value, dict):
                raise error_of(answer, "read the version of the API server")
            digits = [re.sub(r"\D.*", "", str(answer.value.get(name, ""))) for name in ("major", "minor")]
            self._version = (int(digits[0] or 0), int(digits[1] or 0))
        return self._version

    def require_version(self, wanted: str | None, what: str) -> None:
        """Refuse a server that is older than what the set was rendered for.

        Args:
            wanted: ``1.36``, or nothing for any.
            what: Name of the set.

        Raises:
            InputError: The server is older.
        """
        if not wanted:
            return
        parts = [int(digits) for digits in re.findall(r"\d+", wanted)[:2]]
        if len(parts) == 2 and self.version < (parts[0], parts[1]):  # noqa: PLR2004
            major, minor = self.version
            raise InputError(
                f"the set {what!r} was rendered for Kubernetes {wanted}, the cluster runs {major}.{minor}; nothing was sent",
                hint=f'set `kubernetes.version = "{major}.{minor}"` in the platform and render again',
            )


def over(
    transport: Transport, *, clock: Clock | None = None, listener: events.Listener = events.ignore, **options: Any
) -> Cluster:
    """Connect over a transport of one's own.

    Args:
        transport: The way to the server.
        clock: Time.
        listener: Hears of events.
        options: As in `Api`.
    """
    return Cluster(
        Api(transport, clock=clock, listener=listener, **options), server=str(getattr(transport, "host", ""))
    )


def connect(
    *,
    kubeconfig: str | None = None,
    context: str | None = None,
    as_user: str | None = None,
    as_groups: Sequence[str] = (),
    as_uid: str | None = None,
    listener: events.Listener = events.ignore,
    stop: Stop | None = None,
    limit: int = 8,
    clock: Clock | None = None,
) -> Cluster:
    """Connect as kubectl would.

    Args:
        kubeconfig: Path; by default ``KUBECONFIG``, then ``~/.kube/config``, then the service account of a pod.
        context: Name of the context; by default the current one.
        as_user: User to act as.
        as_groups: Groups to act as.
        as_uid: UID to act as.
        listener: Hears of events.
        stop: Ends the run between two requests.
        limit: Requests in flight at most.
        clock: Time.

    Raises:
        InputError: There is no such file or context.
        ToolMissing: The official client is not installed.
    """
    if as_groups and not as_user:
        raise InputError("--as-group needs --as", hint="name the user too, as kubectl demands")
    loader = _Loader(kubeconfig, context, limit)
    client = loader.client()
    headers = {"user-agent": _user_agent()}
    if as_user:
        headers["impersonate-user"] = as_user
    if as_groups:
        # Several headers of one name cannot stand in a dict; the transport sends a list as several lines.
        headers["impersonate-group"] = "\n".join(as_groups)
    if as_uid:
        headers["impersonate-uid"] = as_uid
    transport = PoolTransport(client, reload=loader.client, headers=headers)
    api = Api(transport, clock=clock, listener=listener, stop=stop, limit=limit)
    return Cluster(api, server=transport.host, namespace=loader.namespace, context=loader.context)


def preload() -> None:
    """Begin to import the official client in the background, for instance while Nix evaluates."""

    def load() -> None:
        import contextlib
        import importlib

        with contextlib.suppress(ImportError):
            importlib.import_module("kubernetes.config")

    threading.Thread(target=load, name="mlops-nix-preload", daemon=True).start()


def _user_agent() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"mlops-nix/{version('mlops-nix')}"
    except PackageNotFoundError:
        return "mlops-nix"


class _Loader:
    """Makes clients with fresh credentials from one place."""

    def __init__(self, kubeconfig: str | None, context: str | None, limit: int) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._limit = limit
        self.namespace = "default"
        self.context = ""

    def client(self) -> Any:
        try:
            import urllib3
            from kubernetes import client as kubernetes_client
            from kubernetes import config as kubernetes_config
        except ImportError as error:
            raise ToolMissing(
                f"the official Kubernetes client is needed to talk to a cluster: {error}",
                hint='install the extra: `pip install "mlops-nix[cluster]"`',
            ) from error
        # The client ships annotations for some functions only.
        config: Any = kubernetes_config
        configuration = kubernetes_client.Configuration()
        try:
            if self._inside():
                config.load_incluster_config(client_configuration=configuration)
                self._read_namespace()
            else:
                self._load_file(config, configuration)
        except config.ConfigException as error:
            raise InputError(
                f"no cluster is configured: {error}", hint="name a file with --kubeconfig, or a context with --context"
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"the kubeconfig cannot be read: {error}", path=self._kubeconfig) from error
        # A few more than requests in flight: watches hold a connection each.
        configuration.connection_pool_maxsize = self._limit + 4
        if not configuration.verify_ssl:
            # The user wrote insecure-skip-tls-verify; a warning for each request would bury everything else.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return kubernetes_client.ApiClient(configuration)

    def _inside(self) -> bool:
        if self._kubeconfig or self._context or os.environ.get("KUBECONFIG"):
            return False
        default = os.path.expanduser("~/.kube/config")
        return not os.path.exists(default) and "KUBERNETES_SERVICE_HOST" in os.environ

    def _read_namespace(self) -> None:
        try:
            with open(_NAMESPACE_FILE, encoding="utf-8") as stream:
                self.namespace = stream.read().strip() or "default"
        except OSError:
            self.namespace = "default"

    def _load_file(self, config: Any, configuration: Any) -> None:
        file = os.path.expanduser(self._kubeconfig) if self._kubeconfig else None
        if file and not os.path.isfile(file):
            raise InputError("no such kubeconfig", path=file)
        location = file or os.environ.get("KUBECONFIG") or None
        contexts, current = config.list_kube_config_contexts(config_file=location)
        names = [entry["name"] for entry in contexts]
        if self._context and self._context not in names:
            raise InputError(f"there is no context {self._context!r}", hint=f"there are: {', '.join(names) or 'none'}")
        chosen = next((entry for entry in contexts if entry["name"] == self._context), current)
        self.context = chosen["name"]
        self.namespace = (chosen.get("context") or {}).get("namespace") or "default"
        config.load_kube_config(
            config_file=location, context=self._context, client_configuration=configuration, persist_config=True
        )


def unreachable_hint(error: ClusterError, cluster: Cluster) -> ClusterError:
    """Add the address to an error about a server that does not answer."""
    if cluster.server and cluster.server not in error.message:
        error.message = f"{error.message} ({cluster.server})"
    return error
