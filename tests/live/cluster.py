"""A cluster of one machine for rendered manifests: each pod has its own network, processes, file systems and rights.

Objects are started as they were rendered, with nothing replaced: Services have addresses and names, and pass connections on to the
pods that their selectors choose; volumes are folders; programs of this machine stand for images (see images.py). All of it lives
in namespaces of the kernel that nothing outside can reach, and ends with the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import http.client
import itertools
import json
import os
import secrets as random
import shutil
import signal
import string
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

from tests.live import containers
from tests.live.containers import CannotStart, Object, Sources
from tests.live.images import Image, image, require_isolation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")
Key = tuple[str, str, str]

ROOT = Path(__file__).resolve().parents[2]
LETTERS = string.ascii_letters + string.digits
_libc = ctypes.CDLL(None, use_errno=True)
# Programs end with the test run, however that ends.
WITH_US = ["setpriv", "--pdeathsig=KILL"]
CLONE_NEWNET = 0x40000000


class Failed(AssertionError):
    """A container ended with an error, or did not become ready; the message has the end of its log."""


def rendered(expression: str) -> Object:
    """The set document of a platform, given as a Nix expression over `mlops`, the library."""
    run = subprocess.run(
        [
            *["nix-instantiate", "--eval", "--strict", "--json", "--expr"],
            f"let mlops = import {ROOT}/lib {{ }}; in ({expression}).set",
        ],
        capture_output=True,
        timeout=120,
        check=False,
        env={**os.environ, "NO_COLOR": "1", "NIX_PATH": ""},
    )
    if run.returncode != 0:
        raise AssertionError(run.stderr.decode(errors="replace"))
    document: Object = json.loads(run.stdout)
    return document


def _children(process: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return []


def _wait(question: Callable[[], T | None], seconds: float, complaint: Callable[[], str]) -> T:
    end = time.monotonic() + seconds
    while (answer := question()) is None:
        if time.monotonic() > end:
            raise Failed(f"not within {seconds:.0f} s: {complaint()}")
        time.sleep(0.05)
    return answer


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Container:
    """A started container: the chain of programs that made it, whose last is process 1 of the container."""

    pod: Pod
    spec: Object
    process: subprocess.Popen[bytes]
    log: Path
    environment: dict[str, str]
    rights: list[str]
    stop_signal: signal.Signals

    def main(self) -> int | None:
        """Process id of the container's first process, seen from outside."""
        if self.process.poll() is not None:
            return None
        mine = os.readlink("/proc/self/ns/pid")
        at = self.process.pid
        while children := _children(at):
            at = children[0]
            with contextlib.suppress(OSError):
                # nsenter is in the pod's namespace already; what unshare forked is in one of its own.
                if os.readlink(f"/proc/{at}/ns/pid") not in {mine, self.pod.processes_namespace}:
                    return at
        return None

    def output(self, last: int = 60) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-last:])

    def returncode(self) -> int | None:
        return self.process.poll()

    def finished(self, seconds: float) -> int:
        """Exit code of a container that ends by itself.

        Raises:
            Failed: when it does not end in time.
        """
        return _wait(self.returncode, seconds, lambda: f"{self.pod.name}/{self.spec['name']} to end\n{self.output()}")

    def signal(self, number: int) -> None:
        if (main := self.main()) is not None:
            os.kill(main, number)

    def kill(self) -> None:
        """End it at once, as a node that loses power does."""
        self.signal(signal.SIGKILL)
        if self.process.poll() is None and self.main() is None:
            self.process.kill()
        self.process.wait(timeout=10)

    def stop(self) -> bool:
        """Ask it to end; false where it did not within the pod's grace period and had to be killed."""
        seconds = self.pod.spec.get("terminationGracePeriodSeconds", 30)
        self.signal(self.stop_signal)
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def execute(self, *command: str, seconds: float = 20) -> subprocess.CompletedProcess[str]:
        """Run a program in the container, as `kubectl exec` does: same files, network, user and environment."""
        main = self.main()
        if main is None:
            raise Failed(f"{self.pod.name}/{self.spec['name']} does not run\n{self.output()}")
        return subprocess.run(
            [
                *["nsenter", f"--target={main}", "--mount", "--net", "--pid", "--root", "--wd"],
                *["/usr/bin/setpriv", *self.rights, "/usr/bin/env", "-i"],
                *[f"{name}={value}" for name, value in self.environment.items()],
                *command,
            ],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def memory(self) -> int:
        """Bytes that the container's processes hold, shared pages counted once."""
        main = self.main()
        if main is None:
            return 0
        namespace = os.readlink(f"/proc/{main}/ns/pid")
        total = 0
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{entry}/ns/pid") != namespace:
                    continue
                for line in Path(f"/proc/{entry}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
        return total


@dataclass
class Pod:
    """A pod: one network and one address for its containers."""

    cluster: Cluster
    name: str
    namespace: str
    labels: dict[str, str]
    spec: Object
    address: str
    sandbox: subprocess.Popen[bytes]
    pause: int
    folder: Path
    volumes: dict[str, Path] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)
    ready: bool = False

    @property
    def processes_namespace(self) -> str:
        try:
            return os.readlink(f"/proc/{self.pause}/ns/pid")
        except OSError:
            return ""

    @property
    def main(self) -> Container:
        return self.containers[self.spec["containers"][0]["name"]]

    def port(self, reference: int | str) -> int:
        if isinstance(reference, int):
            return reference
        for container in self.spec["containers"]:
            for port in container.get("ports", []):
                if port.get("name") == reference:
                    return int(port["containerPort"])
        raise CannotStart(f"pod {self.name} has no port {reference}")

    def wait_ready(self, seconds: float = 90) -> Pod:
        """Wait until the startup and then the readiness probe of each container succeed.

        Raises:
            Failed: when they do not in time, or when a container ends.
        """
        end = time.monotonic() + seconds
        for container in self.containers.values():
            for probe in ("startupProbe", "readinessProbe"):
                if probe not in container.spec:
                    continue
                why = ""
                while True:
                    if container.returncode() is not None:
                        raise Failed(f"{self.name} ended with {container.returncode()}\n{container.output()}")
                    why = self._probe(container, container.spec[probe])
                    if not why:
                        break
                    if time.monotonic() > end:
                        raise Failed(f"{self.name}: {probe} fails for {seconds:.0f} s: {why}\n{container.output()}")
                    time.sleep(0.1)
        self.ready = True
        return self

    def _probe(self, container: Container, probe: Object) -> str:
        """Why a probe fails, empty where it succeeds. Addresses are what a kubelet uses: the pod's own."""
        timeout = probe.get("timeoutSeconds", 1)
        if "httpGet" in probe:
            get = probe["httpGet"]
            try:
                port = self.port(get["port"])
                answer = self.cluster.http(
                    f"http://{self.address}:{port}{get.get('path', '/')}",
                    headers={header["name"]: header["value"] for header in get.get("httpHeaders", [])},
                    seconds=timeout,
                )
            except OSError as error:
                return str(error)
            return "" if 200 <= answer.status < 400 else f"HTTP {answer.status}: {answer.text[:200]}"
        if "exec" in probe:
            try:
                done = container.execute(*probe["exec"]["command"], seconds=timeout)
            except (subprocess.TimeoutExpired, Failed) as error:
                return str(error)
            return "" if done.returncode == 0 else done.stdout + done.stderr
        if "tcpSocket" in probe:
            try:
                self.cluster.inside(self.cluster.connect, self.address, self.port(probe["tcpSocket"]["port"]), timeout)
            except OSError as error:
                return str(error)
            return ""
        return f"unknown probe {', '.join(probe)}"

    def kill(self) -> None:
        """Kill all containers at once and give the pod's address back, as when a node fails."""
        self.ready = False
        for container in self.containers.values():
            container.kill()
        self.remove()

    def remove(self) -> None:
        """End what still runs in the pod, and give its address back."""
        self.ready = False
        if self in self.cluster.pods:
            self.cluster.pods.remove(self)
        self.cluster.end(self.sandbox, self.pause)
        for container in self.containers.values():
            container.process.wait(timeout=10)
        self.cluster.write_hosts()


class Cluster:
    """The objects of a set, and the pods that were started of them."""

    def __init__(
        self,
        folder: Path,
        document: Object,
        values: Mapping[Key, str] | None = None,
        images: Mapping[str, str] | None = None,
    ) -> None:
        """Make an empty cluster.

        Args:
            folder: Where volumes and logs are kept.
            document: The set document.
            values: Values of Secrets, by namespace, name and key, that are not to be made up.
            images: Images that stand for others.
        """
        require_isolation()
        self.folder = folder
        self.images = dict(images or {})
        self.objects: dict[Key, Object] = {}
        self.secrets: dict[tuple[str, str], dict[str, str]] = {}
        self.pods: list[Pod] = []
        self._numbers = itertools.count(2)
        self._addresses: dict[tuple[str, str], str] = {}
        self._listening: set[tuple[str, int]] = set()
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None] | None] = set()
        # Mount points, and sockets of servers, need short paths that other users can pass.
        self._roots = Path(f"/run/mlops-nix-live-{os.getpid()}-{random.token_hex(3)}")
        self._roots.mkdir(mode=0o755)
        folder.chmod(0o755)
        self._network, self._holder = self._namespaces(["--net"])
        self._inside = ThreadPoolExecutor(max_workers=4, initializer=self._enter)
        self._loop = asyncio.new_event_loop()
        self._router = threading.Thread(target=self._route, daemon=True)
        # An address of its own: else the bridge takes that of a pod, and changes it when pods come and go.
        bridge = "link add br0 address 02:00:0a:60:00:01 type bridge forward_delay 0"
        self._ip("link set lo up", bridge, "addr add 10.96.0.1/16 dev br0", "link set br0 up")
        self._router.start()
        self.update(document, values)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pod in list(self.pods):
            pod.remove()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._router.join(timeout=10)
        self._inside.shutdown(wait=True)
        self.end(self._network, self._holder)
        shutil.rmtree(self._roots, ignore_errors=True)

    # --- the network ---------------------------------------------------------------------------------------------------------

    @staticmethod
    def _namespaces(kinds: list[str]) -> tuple[subprocess.Popen[bytes], int]:
        """A process that does nothing in namespaces of its own; all processes in them end with it."""
        process = subprocess.Popen(
            [*WITH_US, "unshare", *kinds, "--pid", "--fork", "--kill-child=SIGKILL", "sleep", "infinity"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

        def started() -> int | None:
            for child in _children(process.pid):
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{child}/exe").endswith("sleep"):
                        return child
            return None

        return process, _wait(started, 10, lambda: "namespaces of the kernel")

    @staticmethod
    def end(namespaces: subprocess.Popen[bytes], holder: int) -> None:
        """End namespaces, and with them all that runs in them."""
        # A number whose process is gone may be somebody else's by now.
        if namespaces.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(holder, signal.SIGKILL)
        namespaces.wait(timeout=10)

    def _enter(self) -> None:
        with Path(f"/proc/{self._holder}/ns/net").open("rb") as file:
            if _libc.setns(file.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    def _ip(self, *commands: str, target: int | None = None) -> None:
        for command in commands:
            subprocess.run(
                ["nsenter", f"--net=/proc/{target or self._holder}/ns/net", "ip", *command.split()],
                check=True,
                timeout=10,
            )

    def inside(self, call: Callable[..., T], *arguments: Any) -> T:
        """Call a function in the cluster's network."""
        return self._inside.submit(call, *arguments).result()

    @staticmethod
    def connect(address: str, port: int, seconds: float) -> None:
        import socket

        socket.create_connection((address, port), timeout=seconds).close()

    def _route(self) -> None:
        self._enter()
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._close_connections())
        self._loop.close()

    async def _close_connections(self) -> None:
        for server in self._servers:
            server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _listen(self, service: Object, port: Object) -> None:
        address = self._addresses[service["metadata"]["namespace"], service["metadata"]["name"]]
        if (address, port["port"]) in self._listening:
            return
        self._listening.add((address, port["port"]))
        turns = itertools.count()

        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers = [writer]
            # The loop itself holds tasks weakly only.
            task = asyncio.current_task()
            self._connections.add(task)
            try:
                if pods := [pod for pod in self._chosen(service) if pod.ready]:
                    pod = pods[next(turns) % len(pods)]
                    target = pod.port(port.get("targetPort", port["port"]))
                    answers, there = await asyncio.open_connection(pod.address, target)
                    writers.append(there)
                    await asyncio.gather(self._pump(reader, there), self._pump(answers, writer))
            except (OSError, asyncio.CancelledError):
                # A pod that went away, or the end of the cluster.
                pass
            finally:
                for one in writers:
                    one.close()
                    with contextlib.suppress(OSError):
                        await one.wait_closed()
                self._connections.discard(task)

        listening = asyncio.start_server(accepted, address, port["port"])
        self._servers.append(asyncio.run_coroutine_threadsafe(listening, self._loop).result(10))

    @staticmethod
    async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        with contextlib.suppress(OSError):
            target.write_eof()

    def _chosen(self, service: Object) -> list[Pod]:
        selector = service["spec"].get("selector", {})
        return [
            pod
            for pod in self.pods
            if pod.namespace == service["metadata"]["namespace"] and selector and selector.items() <= pod.labels.items()
        ]

    def _services(self) -> Iterator[tuple[str, str, Object]]:
        for (kind, namespace, name), found in self.objects.items():
            if kind == "Service":
                yield namespace, name, found

    def hosts(self, namespace: str) -> Path:
        """The hosts file of the pods of a namespace: names of Services in all their forms."""
        return self.folder / f"hosts-{namespace}"

    def write_hosts(self) -> None:
        lines = []
        for namespace, name, service in self._services():
            if service["spec"].get("clusterIP") == "None":
                addresses = [pod.address for pod in self._chosen(service)]
            else:
                addresses = [self._addresses[namespace, name]]
            lines += [(address, namespace, name) for address in addresses]
        for seen_from in {key[1] for key in self.objects} | {pod.namespace for pod in self.pods}:
            text = "127.0.0.1 localhost\n"
            for address, namespace, name in lines:
                full = f"{name}.{namespace}"
                names = [f"{full}.svc.cluster.local", f"{full}.svc", full, *([name] if namespace == seen_from else [])]
                text += f"{address} {' '.join(names)}\n"
            # In place: the file is mounted in running pods.
            with self.hosts(seen_from).open("w", encoding="utf-8") as file:
                file.write(text)

    def http(
        self,
        url: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        seconds: float = 30,
    ) -> Response:
        """Send a request from within the cluster's network; the host is a Service's or a pod's address."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        host = next(
            (
                address
                for (namespace, name), address in self._addresses.items()
                if parts.hostname
                in {f"{name}.{namespace}.svc.cluster.local", f"{name}.{namespace}.svc", f"{name}.{namespace}"}
            ),
            parts.hostname,
        )
        sent = {"Host": parts.netloc, **(headers or {})}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")

        def ask() -> Response:
            connection = http.client.HTTPConnection(host, parts.port or 80, timeout=seconds)
            try:
                connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), data, sent)
                answer = connection.getresponse()
                return Response(answer.status, dict(answer.getheaders()), answer.read().decode(errors="replace"))
            except http.client.HTTPException as error:
                raise ConnectionError(repr(error)) from error
            finally:
                connection.close()

        return self.inside(ask)

    # --- objects -------------------------------------------------------------------------------------------------------------

    def update(self, document: Object, values: Mapping[Key, str] | None = None) -> None:
        """Take over a set: its objects take the place of the old ones, Secrets that exist keep their values."""
        self.objects.clear()
        for entry in document["entries"]:
            found = entry["object"]
            self.objects[found["kind"], found["metadata"].get("namespace", ""), found["metadata"]["name"]] = found
        self._expose_services()
        self._fill_secrets(document["secrets"], values or {})
        self.write_hosts()

    def add(self, thing: Object) -> None:
        """Add an object that is none of the set's, such as the Service of a server that others run."""
        self.objects[thing["kind"], thing["metadata"].get("namespace", ""), thing["metadata"]["name"]] = thing
        self._expose_services()
        self.write_hosts()

    def _expose_services(self) -> None:
        for namespace, name, service in self._services():
            if (namespace, name) not in self._addresses and service["spec"].get("clusterIP") != "None":
                address = self._addresses[namespace, name] = self._address()
                self._ip(f"addr add {address}/16 dev br0")
            if service["spec"].get("clusterIP") != "None":
                for port in service["spec"]["ports"]:
                    self._listen(service, port)

    def _fill_secrets(self, wanted: list[Object], given: Mapping[Key, str]) -> None:
        copies = []
        for secret in wanted:
            namespace, name = secret["namespace"], secret["name"]
            data = self.secrets.setdefault((namespace, name), {})
            for key in secret["keys"]:
                fixed = given.get((namespace, name, key["key"]))
                if fixed is not None:
                    data[key["key"]] = fixed
                elif key["copyOf"]:
                    copies.append((data, key["key"], key["copyOf"]))
                elif key["key"] in data:
                    continue
                elif key["value"] is not None:
                    data[key["key"]] = key["value"]
                elif key["generate"]:
                    data[key["key"]] = "".join(random.choice(LETTERS) for _ in range(key["generate"]["length"]))
        for data, key, source in copies:
            data[key] = self.secrets[source["namespace"], source["name"]][source["key"]]

    def find(self, kind: str, name: str) -> Object:
        """An object by kind and name; names of Jobs end in a hash, so that their beginning is enough."""
        found = [
            thing
            for (of_kind, _, of_name), thing in self.objects.items()
            if of_kind == kind and (of_name == name or (kind == "Job" and of_name.rpartition("-")[0] == name))
        ]
        assert found, (
            f"no {kind} {name} in the set, which has {sorted(key[2] for key in self.objects if key[0] == kind)}"
        )
        return found[-1]

    def _address(self) -> str:
        number = next(self._numbers)
        return f"10.96.{number // 250}.{number % 250 + 1}"

    # --- pods ----------------------------------------------------------------------------------------------------------------

    def pod(
        self,
        namespace: str,
        name: str,
        labels: Mapping[str, str],
        spec: Object,
        claims: Mapping[str, str] | None = None,
    ) -> Pod:
        """Make a pod without starting its containers. `claims` are claims that a StatefulSet makes for it, by volume."""
        number = next(self._numbers)
        address = self._address()
        folder = self.folder / "pods" / f"{name}-{number}"
        folder.mkdir(parents=True)
        sandbox, pause = self._namespaces(["--net"])
        self._ip(
            f"link add v{number} type veth peer name eth0 netns {pause}",
            f"link set v{number} master br0 up",
        )
        self._ip("link set lo up", f"addr add {address}/16 dev eth0", "link set eth0 up", target=pause)
        made = Pod(self, name, namespace, dict(labels), spec, address, sandbox, pause, folder)
        self.pods.append(made)
        group = spec.get("securityContext", {}).get("fsGroup", 0)
        sources = Sources(namespace, self.objects, self.secrets)
        try:
            for volume in spec.get("volumes", []):
                made.volumes[volume["name"]] = self._volume(made, volume, sources, group)
            for volume_name, claim in (claims or {}).items():
                made.volumes[volume_name] = self._claim(namespace, claim, group)
        except CannotStart:
            made.remove()
            raise
        self.write_hosts()
        return made

    def _volume(self, pod: Pod, volume: Object, sources: Sources, group: int) -> Path:
        folder = pod.folder / "volumes" / volume["name"]
        if "persistentVolumeClaim" in volume:
            claim = volume["persistentVolumeClaim"]["claimName"]
            if ("PersistentVolumeClaim", pod.namespace, claim) not in self.objects:
                raise CannotStart(f"persistentvolumeclaim {claim} not found")
            return self._claim(pod.namespace, claim, group)
        folder.mkdir(parents=True)
        if "emptyDir" in volume:
            os.chown(folder, 0, group)
            folder.chmod(0o2777 if group else 0o777)
        elif "configMap" in volume:
            source = volume["configMap"]
            containers.fill(folder, source, sources.all("ConfigMap", source["name"]), group)
        elif "secret" in volume:
            source = volume["secret"]
            containers.fill(folder, source, sources.all("Secret", source["secretName"]), group)
        else:
            raise CannotStart(f"volume {volume['name']}: {sorted(volume)} is not supported here")
        return folder

    def claim(self, namespace: str, name: str) -> Path:
        """Folder of a PersistentVolumeClaim; it outlives pods."""
        return self.folder / "claims" / namespace / name

    def _claim(self, namespace: str, name: str, group: int) -> Path:
        folder = self.claim(namespace, name)
        if not folder.exists():
            folder.mkdir(parents=True)
            # A new file system has this folder, and belongs to root.
            (folder / "lost+found").mkdir(mode=0o700)
        if group:
            os.chown(folder, 0, group)
            folder.chmod(0o2775)
        return folder

    def run(self, pod: Pod, spec: Object) -> Container:
        """Start a container of a pod."""
        reference = self.images.get(spec["image"], spec["image"])
        programs: Image = image(reference)
        fields = {
            "metadata.name": pod.name,
            "metadata.namespace": pod.namespace,
            "status.podIP": pod.address,
            "status.hostIP": "10.96.0.1",
            "spec.nodeName": "node",
        }
        sources = Sources(pod.namespace, self.objects, self.secrets)
        environment = {"PATH": containers.path_of(programs), "HOSTNAME": pod.name, "HOME": "/", **programs.variables}
        environment |= containers.environment_of(spec, sources, fields, self._links(pod))
        mounts = []
        for mount in spec.get("volumeMounts", []):
            if mount["name"] not in pod.volumes:
                raise CannotStart(f"container {spec['name']} mounts {mount['name']}, which the pod does not have")
            volume = next((one for one in pod.spec.get("volumes", []) if one["name"] == mount["name"]), {})
            read_only = mount.get("readOnly", False) or "configMap" in volume or "secret" in volume
            mounts.append((pod.volumes[mount["name"]] / mount.get("subPath", ""), mount["mountPath"], read_only))
        number = next(self._numbers)
        root = self._roots / str(number)
        root.mkdir()
        start = pod.folder / f"{spec['name']}-{number}.sh"
        start.write_text(
            containers.script(spec, pod.spec, programs, mounts, environment, self.hosts(pod.namespace), root),
            encoding="utf-8",
        )
        start.chmod(0o600)
        log = pod.folder / f"{spec['name']}-{number}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [
                    *[*WITH_US, "nsenter", f"--net=/proc/{pod.pause}/ns/net", f"--pid=/proc/{pod.pause}/ns/pid"],
                    *["unshare", "--mount", "--propagation=private", "--pid", "--fork", "sh", str(start)],
                ],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        user, group, groups = containers.identity(pod.spec, spec)
        rights = [f"--reuid={user}", f"--regid={group}"]
        rights.append(f"--groups={','.join(map(str, groups))}" if groups else "--clear-groups")
        started = Container(pod, spec, process, log, environment, rights, programs.stop)
        pod.containers[spec["name"]] = started
        return started

    def _links(self, pod: Pod) -> dict[str, str]:
        """The variables of Services, which Kubernetes adds unless a pod says no."""
        result = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
        if not pod.spec.get("enableServiceLinks", True):
            return result
        for namespace, name, service in self._services():
            if namespace != pod.namespace or service["spec"].get("clusterIP") == "None":
                continue
            address = self._addresses[namespace, name]
            prefix = name.upper().replace("-", "_")
            port = service["spec"]["ports"][0]["port"]
            result[f"{prefix}_SERVICE_HOST"] = address
            result[f"{prefix}_SERVICE_PORT"] = str(port)
            result[f"{prefix}_PORT"] = f"tcp://{address}:{port}"
        return result

    def start(self, kind: str, name: str, number: int = 0, seconds: float = 90, *, wait: bool = True) -> Pod:
        """Start a pod of a Deployment or StatefulSet and wait until its probes succeed."""
        owner = self.find(kind, name)
        template = owner["spec"]["template"]
        pod_name = f"{name}-{number}" if kind == "StatefulSet" else f"{name}-{random.token_hex(4)}"
        claims = {
            claim["metadata"]["name"]: f"{claim['metadata']['name']}-{pod_name}"
            for claim in owner["spec"].get("volumeClaimTemplates", [])
        }
        pod = self.pod(
            owner["metadata"]["namespace"], pod_name, template["metadata"].get("labels", {}), template["spec"], claims
        )
        for spec in template["spec"].get("initContainers", []):
            self._finish(pod, spec, seconds)
        for spec in template["spec"]["containers"]:
            self.run(pod, spec)
        return pod.wait_ready(seconds) if wait else pod

    def _finish(self, pod: Pod, spec: Object, seconds: float) -> str:
        container = self.run(pod, spec)
        try:
            code = container.finished(seconds)
        finally:
            if container.returncode() is None:
                container.kill()
        if code != 0:
            raise Failed(f"{pod.name}/{spec['name']} ended with {code}\n{container.output()}")
        return container.output(1000)

    def complete(self, kind: str, name: str, seconds: float = 120) -> str:
        """Run a Job, or a CronJob once, and give its log.

        Raises:
            Failed: when a container ends with an error or not at all.
        """
        owner = self.find(kind, name)
        spec = owner["spec"]["jobTemplate"]["spec"] if kind == "CronJob" else owner["spec"]
        return self.once(owner["metadata"]["namespace"], name, spec["template"]["spec"], seconds)

    def once(self, namespace: str, name: str, spec: Object, seconds: float = 60) -> str:
        """Run a pod to its end and give its log."""
        pod = self.pod(namespace, f"{name}-{random.token_hex(3)}", {}, spec)
        try:
            return "\n".join(
                self._finish(pod, one, seconds) for one in [*spec.get("initContainers", []), *spec["containers"]]
            )
        finally:
            pod.remove()

    def program(
        self, namespace: str, image_name: str, *command: str, env: Mapping[str, str] | None = None, seconds: float = 60
    ) -> str:
        """Run a program of an image in a namespace, such as a client; the log is what it prints.

        Raises:
            Failed: when it ends with an error or not at all.
        """
        container = {
            "name": "client",
            "image": image_name,
            "command": list(command),
            "env": [
                {"name": name, "value": value.replace("$", "$$")}
                for name, value in {"HOME": "/tmp", **(env or {})}.items()
            ],
            "securityContext": {"runAsUser": 1234, "runAsGroup": 1234},
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        }
        spec = {"containers": [container], "volumes": [{"name": "tmp", "emptyDir": {}}], "enableServiceLinks": False}
        try:
            return self.once(namespace, "client", spec, seconds)
        except Failed as failure:
            # What a client suffers is explained by the servers.
            logs = [f"--- {pod.name}\n{pod.main.output(40)}" for pod in self.pods if pod.containers]
            raise Failed("\n".join([str(failure), *logs])) from None

    def stand_in(
        self, kind: str, name: str, port: str, image_name: str, command: list[str], seconds: float = 60
    ) -> Pod:
        """Start another program in the place of a rendered server that cannot be had: its Service leads to it.

        It is ready when it listens on this port of the rendered container.
        """
        owner = self.find(kind, name)
        template = owner["spec"]["template"]
        ports = template["spec"]["containers"][0]["ports"]
        container = {
            "name": "stand-in",
            "image": image_name,
            "command": command,
            "ports": ports,
            "securityContext": {"runAsUser": 1000, "runAsGroup": 1000},
            "readinessProbe": {"tcpSocket": {"port": port}},
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        }
        spec = {"containers": [container], "volumes": [{"name": "tmp", "emptyDir": {}}], "enableServiceLinks": False}
        pod = self.pod(owner["metadata"]["namespace"], f"{name}-stand-in", template["metadata"]["labels"], spec)
        self.run(pod, container)
        return pod.wait_ready(seconds)
