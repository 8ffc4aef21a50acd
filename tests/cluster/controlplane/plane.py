"""Start and stop a real Kubernetes control plane on free loopback ports.

    with running(controllers=True, nodes=2) as plane:
        plane.admin.get("/api/v1/namespaces")
        subprocess.run(["mlops-nix", "apply", "set", "--kubeconfig", str(plane.kubeconfig())])

etcd, API server, controllers and scheduler are the real ones; the nodes are simulated by kwok, so
pods become Running and Ready, Jobs complete, and nothing is run. Everything listens on 127.0.0.1
only, keeps its data in one temporary folder, and is gone when the block ends, also when the
process that started it is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import urllib3

from . import build
from .build import Unavailable
from .client import APPLY, Api, Object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

START_SECONDS = 120.0
"""A busy machine needs far more than the usual 3 s; a component that died is noticed at once."""

USERS = {
    "admin": "system:masters",  # never throttled
    "engineer": "engineers",  # bound to cluster-admin, but throttled as everyone
    "second-engineer": "engineers",
    "restricted": "restricted",  # may do what a test grants
}
"""User -> group; the user's token is `USER-token`."""

_STAGES = (
    "node/fast/node-initialize",
    # Without it the nodes are NotReady after 50 s, and their pods with them.
    "node/heartbeat/node-heartbeat",
    "pod/fast/pod-ready",
    "pod/fast/pod-complete",
    "pod/fast/pod-delete",
    "volume/fast/pv-bind",
    "volume/fast/pv-delete",
    "volume/fast/pvc-provision",
    "volume/fast/pvc-delete",
)
# The name is the one that kwok's stages bind claims of; as the default class it serves claims that name none.
_STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {
        "name": "kwok-volume",
        "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
    },
    "provisioner": "kwok.x-k8s.io/volume",
    "volumeBindingMode": "Immediate",
}
NODE_CAPACITY = {"cpu": "64", "memory": "512Gi", "ephemeral-storage": "1Ti", "pods": "500", "nvidia.com/gpu": "8"}
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


@dataclass
class Process:
    """One component: how it is started, and its process while it runs."""

    name: str
    command: list[str]
    log: Path
    called: str = ""
    """The name that it believes to have, and writes fields under, where that is not the program's."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether it is running now."""
        return self.process is not None and self.process.poll() is None

    def tail(self, characters: int = 3000) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""


@dataclass
class ControlPlane:
    """A running control plane; made by `running`."""

    folder: Path
    programs: Path
    reaper: IO[bytes]
    components: dict[str, Process] = field(default_factory=dict)
    url: str = ""
    etcd_url: str = ""
    ca: str = ""
    admin: Api = field(init=False)

    # -- access ---------------------------------------------------------------------------

    def api(self, user: str = "admin", *, timeout: float = 60.0) -> Api:
        """Return a client for one of `USERS`; the caller closes it."""
        return Api(self.url, f"{user}-token", ca=self.ca, timeout=timeout)

    def kubeconfig(self, user: str = "admin", *, url: str | None = None, token: str | None = None) -> Path:
        """Write a kubeconfig and return its path.

        Args:
            user: one of `USERS`.
            url: another address than the server's, a proxy's for instance.
            token: another token than the user's.
        """
        server = url or self.url
        cluster: Object = {"server": server}
        if server.startswith("https:"):
            cluster["certificate-authority"] = self.ca
        return write_kubeconfig(
            self.folder / f"kubeconfig-{user}-{abs(hash((server, token))) % 10**8}",
            cluster,
            token or f"{user}-token",
        )

    def audit(self) -> list[Object]:
        """Return the audit events so far: every request with user, verb, URI and code."""
        log = self.folder / "audit.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    # -- processes ------------------------------------------------------------------------

    def start(self, name: str) -> None:
        """Start the component `name`, which is not running."""
        component = self.components[name]
        with component.log.open("ab") as log:
            program, *arguments = component.command
            component.process = subprocess.Popen(
                [component.called or program, *arguments],
                executable=program,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A terminal's Ctrl-C must not stop the server under a test that handles it.
                start_new_session=True,
                env={"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder), "NO_PROXY": "*"},
            )
        self._tell_reaper("+", component.process.pid)

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a component: SIGSTOP freezes it, SIGCONT lets it go on."""
        process = self.components[name].process
        if process is not None and process.poll() is None:
            process.send_signal(number)

    def stop(self, name: str, *, kill: bool = True, seconds: float = 30.0) -> None:
        """End a component and wait until it has gone."""
        process = self.components[name].process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(seconds)
        self._tell_reaper("-", process.pid)

    def restart_api_server(self) -> None:
        """Kill the API server, start it again and wait until it is ready."""
        self.stop("kube-apiserver")
        self.start("kube-apiserver")
        self.wait_ready()

    @contextlib.contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Stop a component's process (SIGSTOP) for the length of the block."""
        self.signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(name, signal.SIGCONT)

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until `/readyz` is 200.

        Raises:
            AssertionError: a component died or was not ready in time; with the end of its log.
        """
        end = time.monotonic() + seconds
        while True:
            # OSError: the certificate is written by the server's first start.
            with contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
                if self.admin.get("/readyz").code == 200:
                    return
            for component in self.components.values():
                if component.process is not None and not component.alive:
                    raise AssertionError(f"{component.name} ended:\n{component.tail()}")
            if time.monotonic() > end:
                server = self.components["kube-apiserver"]
                raise AssertionError(f"API server not ready within {seconds:.0f} s:\n{server.tail()}")
            time.sleep(0.05)

    def _tell_reaper(self, sign: str, pid: int) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.reaper.write(f"{sign}{pid}\n".encode())
            self.reaper.flush()

    # -- content --------------------------------------------------------------------------

    def create(self, path: str, body: Object) -> Object:
        """Create an object that the test needs; fail if the server refuses."""
        answer = self.admin.post(path, body)
        assert answer.code in (200, 201), f"POST {path}: {answer.code} {answer.text}"
        return dict(answer.body)

    def namespace(self, name: str, labels: Mapping[str, str] | None = None) -> str:
        """Create a namespace and return its name."""
        self.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": dict(labels or {})}})
        return name

    def node(
        self, name: str, labels: Mapping[str, str] | None = None, capacity: Mapping[str, str] = NODE_CAPACITY
    ) -> None:
        """Create a simulated node, ready as soon as kwok has seen it."""
        status = {"capacity": dict(capacity), "allocatable": dict(capacity)}
        metadata = {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                **(labels or {}),
            },
        }
        self.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status})

    def install_crds(self, files: Sequence[Path], *, seconds: float = 120.0) -> list[str]:
        """Apply every CustomResourceDefinition in `files`, wait until all are established, return their names.

        Of a name that occurs twice (two projects' versions of one CRD) the first is installed.
        """
        loader = _yaml_loader()
        names = []
        for file in files:
            for document in loader(file.read_text()):
                if not isinstance(document, dict) or document.get("kind") != "CustomResourceDefinition":
                    continue
                document.pop("status", None)
                name = document["metadata"]["name"]
                if name in names:
                    continue
                path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
                answer = self.admin.request(
                    "PATCH", path, document, content=APPLY, query={"fieldManager": "crds", "force": "true"}
                )
                assert answer.code in (200, 201), f"{file}: {name}: {answer.code} {answer.text[:500]}"
                names.append(name)
        for name in names:
            self.admin.until(
                f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}",
                lambda answer: _condition(answer.body, "Established") == "True",
                seconds=seconds,
                what=f"CRD {name} established",
            )
        return names


def _yaml_loader() -> Callable[[str], Iterator[Any]]:
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Reads `=` as the text that it is to Kubernetes, not as YAML 1.1's value key."""

    Loader.add_constructor("tag:yaml.org,2002:value", Loader.construct_yaml_str)
    # The safe loader, with one tag more.
    return lambda text: yaml.load_all(text, Loader=Loader)


def write_kubeconfig(path: Path, cluster: Object, token: str, namespace: str | None = None) -> Path:
    """Write a kubeconfig of one cluster, one user and one context, all called `test`."""
    context: Object = {"cluster": "test", "user": "test"}
    if namespace:
        context["namespace"] = namespace
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "test", "cluster": cluster}],
                "users": [{"name": "test", "user": {"token": token}}],
                "contexts": [{"name": "test", "context": context}],
                "current-context": "test",
            }
        )
    )
    path.chmod(0o600)
    return path


def _condition(item: Any, kind: str) -> str | None:
    for condition in ((item or {}).get("status") or {}).get("conditions") or []:
        if condition.get("type") == kind:
            return str(condition.get("status"))
    return None


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@contextlib.contextmanager
def running(
    *,
    controllers: bool = False,
    scheduler: bool = False,
    nodes: int = 0,
    audit: bool = False,
    server_flags: Sequence[str] = (),
    service_range: str = "10.0.0.0/16",
    crds: Sequence[Path] = (),
    build_programs: bool = True,
) -> Iterator[ControlPlane]:
    """Run a control plane for the length of the block.

    Args:
        controllers: also run the controller manager: namespaces are emptied, Deployments make
            pods, quotas are counted.
        scheduler: also run the scheduler.
        nodes: number of simulated nodes of 64 CPUs and 8 GPUs; implies both of the above and
            a default StorageClass whose claims bind.
        audit: record every request; read with `ControlPlane.audit()`.
        server_flags: further flags of kube-apiserver.
        service_range: addresses of Services; a range of the loopback network lets the API server reach webhooks
            that a test plays.
        crds: files with CustomResourceDefinitions to install.
        build_programs: build the programs where they are not cached.

    Raises:
        Unavailable: this machine cannot have a control plane; the text says why.
    """
    programs = build.binaries(build=build_programs)
    if shutil.which("openssl") is None:
        raise Unavailable("openssl is not on PATH: it makes the service accounts' key")
    folder = Path(tempfile.mkdtemp(prefix="mlops-nix-controlplane-"))
    reaper = subprocess.Popen(
        [sys.executable, "-S", "-E", str(Path(__file__).with_name("reaper.py")), str(folder)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    assert reaper.stdin is not None
    plane = ControlPlane(folder, programs, reaper.stdin)
    try:
        _prepare(
            plane,
            audit=audit,
            server_flags=server_flags,
            service_range=service_range,
            controllers=controllers or nodes > 0,
            scheduler=scheduler or nodes > 0,
            kwok=nodes > 0,
        )
        for name in ("etcd", "kube-apiserver"):
            plane.start(name)
        plane.wait_ready()
        _bind_engineers(plane)
        for name in plane.components:
            if name not in ("etcd", "kube-apiserver"):
                plane.start(name)
        if nodes:
            plane.create("/apis/storage.k8s.io/v1/storageclasses", _STORAGE_CLASS)
            for number in range(nodes):
                plane.node(f"node-{number}")
        if "kube-controller-manager" in plane.components:
            # Without it, the first pod of a test would be refused.
            plane.admin.until(
                "/api/v1/namespaces/default/serviceaccounts/default", lambda a: a.code == 200, seconds=START_SECONDS
            )
        plane.install_crds(crds)
        yield plane
    finally:
        for name in reversed(plane.components):
            plane.stop(name)
        plane.admin.close()
        with contextlib.suppress(BrokenPipeError):
            reaper.stdin.close()
        reaper.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _bind_engineers(plane: ControlPlane) -> None:
    plane.create(
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        {
            "metadata": {"name": "engineers"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "engineers"}],
        },
    )


def _prepare(
    plane: ControlPlane,
    *,
    audit: bool,
    server_flags: Sequence[str],
    service_range: str,
    controllers: bool,
    scheduler: bool,
    kwok: bool,
) -> None:
    folder = plane.folder
    client, peer, secure = free_ports(3)
    plane.url = f"https://127.0.0.1:{secure}"
    plane.etcd_url = f"http://127.0.0.1:{client}"
    plane.ca = str(folder / "certificates" / "apiserver.crt")
    plane.admin = plane.api()
    key = folder / "service-accounts.key"
    subprocess.run(
        ["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", str(key)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    tokens = folder / "tokens.csv"
    tokens.write_text("".join(f'{user}-token,{user},{user},"{group}"\n' for user, group in USERS.items()))
    kubeconfig = str(plane.kubeconfig())

    def component(name: str, *arguments: str) -> None:
        plane.components[name] = Process(name, [str(plane.programs / name), *arguments], folder / f"{name}.log")

    component(
        "etcd",
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={plane.etcd_url}",
        f"--advertise-client-urls={plane.etcd_url}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-cluster=default=http://127.0.0.1:{peer}",
        # The data live as long as the test: waiting for the disk would only slow it.
        "--unsafe-no-fsync",
    )
    flags = [
        f"--etcd-servers={plane.etcd_url}",
        f"--cert-dir={folder / 'certificates'}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={secure}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--authorization-mode=RBAC",
        f"--token-auth-file={tokens}",
        f"--service-cluster-ip-range={service_range}",
        "--endpoint-reconciler-type=none",
        "--allow-privileged=true",
    ]
    if audit:
        policy = folder / "audit.json"
        policy.write_text(json.dumps(_AUDIT_POLICY))
        flags += [f"--audit-policy-file={policy}", f"--audit-log-path={folder / 'audit.log'}"]
    component("kube-apiserver", *flags, *server_flags)
    if controllers:
        component(
            "kube-controller-manager",
            f"--kubeconfig={kubeconfig}",
            f"--service-account-private-key-file={key}",
            "--use-service-account-credentials",
            f"--root-ca-file={plane.ca}",
            "--leader-elect=false",
            "--secure-port=0",
            # kwok binds claims; the real binder, which may not have seen the volume yet, would call them lost.
            *(["--controllers=*,-persistentvolume-binder-controller"] if kwok else []),
        )
    if scheduler:
        component("kube-scheduler", f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0")
    if kwok:
        (port,) = free_ports(1)
        component(
            "kwok",
            f"--kubeconfig={kubeconfig}",
            "--manage-all-nodes=true",
            "--cidr=10.1.0.0/16",
            "--node-ip=127.0.0.1",
            f"--server-address=127.0.0.1:{port}",
            *(f"--config={plane.programs / 'stages' / stage}.yaml" for stage in _STAGES),
        )
        # What it writes is the kubelet's and the volume controller's on a real node: nobody should see a stranger.
        plane.components["kwok"].called = "kubelet"
