# ruff: noqa: T201 - a program for people: its answer is a table
"""Compare `mlops-nix apply` with kubectl, Flux's ssa and Helm on the same real control plane and the same set.

    python tests/bench/cluster.py                          the starter example, 1,000 and 5,000 small objects
    python tests/bench/cluster.py --objects 200 --runs 3   smaller, the best of three
    python tests/bench/cluster.py --tool kubectl           only kubectl: others are built from Go modules first

Rows: first apply, second apply with nothing changed, one field changed, diff of one changed field. Columns: wall
time in seconds, requests that reached the server (from its audit log), and peak resident memory in MB of the tool.
kubectl is `kubectl apply --server-side -f`, Flux's ssa the engine of its kustomize-controller with eight workers, Helm
`helm upgrade --install --server-side`. Every tool gets namespaces of its own on one server; each measured run is a process of its own, started cold.
Needs what `tests/cluster/controlplane` needs (Go, for the build).
"""

from __future__ import annotations

import argparse
import copy
import functools
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.cluster.controlplane import ControlPlane, Unavailable, running  # noqa: E402
from tests.cluster.controlplane.build import cache_folder  # noqa: E402
from tests.cluster.objects import Object, config_map, namespace, placed, secret, service, set_document  # noqa: E402

RUN_SECONDS = 900.0
RIVALS = Path(__file__).with_name("rivals")
# The others neither wait for pods (of which there are none here) nor look for Secrets that are missing.
EQUAL = ("--no-wait", "--without-secrets")
# Exit codes of a diff that found something.
DIFFERENT = {"mlops-nix": (2,), "kubectl": (1,), "flux-ssa": (0,)}
ROWS = ("first apply", "second apply", "one field changed", "diff")


@dataclass(frozen=True)
class Measured:
    """One row of one tool."""

    tool: str
    set: str
    objects: int
    row: str
    seconds: float
    requests: int
    megabytes: float


def small_objects(count: int, where: str, *, value: str = "1") -> list[Object]:
    """Return a namespace and `count` objects that are ready as soon as they exist."""
    items: list[Object] = []
    for number in range(count):
        name = f"object-{number:05}"
        match number % 10:
            case 0 | 1:
                items.append(secret(name, {"user": "service", "password": f"not-a-secret-{number}"}))
            case 2:
                items.append(service(name))
            case 3:
                items.append(role(name))
            case _:
                items.append(config_map(name, {"key": value if number == count - 1 else "1", "text": "word " * 20}))
    labels = {"app.kubernetes.io/part-of": "bench", "app.kubernetes.io/managed-by": "bench"}
    for item in items:
        item["metadata"]["labels"] = dict(labels)
    return [namespace(where), *(placed(item, where) for item in items)]


def role(name: str) -> Object:
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name},
        "rules": [rule],
    }


class Kubectl:
    """`kubectl apply --server-side -f FILE`."""

    name = "kubectl"

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.program = str(plane.programs / "kubectl")
        self.folder = folder

    def write(self, items: list[Object], name: str) -> Path:
        path = self.folder / f"{name}.kubectl.json"
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        return path

    def apply(self, path: Path) -> list[str]:
        return [self.program, "apply", "--server-side", "-f", str(path)]

    def diff(self, path: Path) -> list[str]:
        return [self.program, "diff", "--server-side", "-f", str(path)]


class MlopsNix:
    """`mlops-nix apply SET`."""

    name = "mlops-nix"

    def __init__(self, _plane: ControlPlane, folder: Path) -> None:
        self.folder = folder

    def write(self, items: list[Object], name: str) -> Path:
        path = self.folder / f"{name}.set.json"
        path.write_text(json.dumps(set_document(name, items, where="")))
        return path

    def apply(self, path: Path) -> list[str]:
        return [sys.executable, "-m", "mlops_nix", "apply", str(path), "--yes", "--output", "json", *EQUAL]

    def diff(self, path: Path) -> list[str]:
        return [sys.executable, "-m", "mlops_nix", "diff", str(path)]


class FluxSsa:
    """Flux's apply engine, as its kustomize-controller uses it, with as many workers as ours."""

    name = "flux-ssa"

    def __init__(self, _plane: ControlPlane, folder: Path) -> None:
        self.program = str(rival("flux-ssa"))
        self.folder = folder

    def write(self, items: list[Object], name: str) -> Path:
        path = self.folder / f"{name}.list.json"
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        return path

    def apply(self, path: Path) -> list[str]:
        return [self.program, "apply", str(path)]

    def diff(self, path: Path) -> list[str]:
        return [self.program, "diff", str(path)]


class Helm:
    """`helm upgrade --install --server-side=true` of a chart that holds the objects; Helm itself has no diff."""

    name = "helm"

    def __init__(self, _plane: ControlPlane, folder: Path) -> None:
        self.program = str(rival("helm"))
        self.folder = folder

    def write(self, items: list[Object], name: str) -> Path:
        chart = self.folder / name
        (chart / "templates").mkdir(parents=True, exist_ok=True)
        (chart / "Chart.yaml").write_text(json.dumps({"apiVersion": "v2", "name": name, "version": "1.0.0"}))
        # Read as a file, so that what looks like a template in an object is none.
        (chart / "objects.yaml").write_text("\n---\n".join(json.dumps(item) for item in items))
        (chart / "templates" / "objects.yaml").write_text('{{ .Files.Get "objects.yaml" }}')
        return chart

    def apply(self, path: Path) -> list[str]:
        return [self.program, "upgrade", path.name, str(path), "--install", "--server-side=true", "--namespace=default"]

    def diff(self, _path: Path) -> list[str]:
        return []


TOOLS: tuple[type[MlopsNix | Kubectl | FluxSsa | Helm], ...] = (MlopsNix, Kubectl, FluxSsa, Helm)


@functools.cache
def rival(name: str) -> Path:
    """Return a program of the module in `rivals`, built into the user's cache where it is not there yet."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(RIVALS.rglob("*")) if path.is_file()))
    folder = cache_folder().parent / "rivals" / digest.hexdigest()[:20]
    if not (folder / "helm").is_file():
        command = [
            "go",
            "build",
            "-mod=readonly",
            "-buildvcs=false",
            "-trimpath",
            "-ldflags",
            "-s -w",
            "-o",
            f"{folder}/",
        ]
        environment = {**os.environ, "CGO_ENABLED": "0"}
        subprocess.run(
            [*command, "./flux-ssa", "helm.sh/helm/v4/cmd/helm"], cwd=RIVALS, env=environment, check=True, timeout=3600
        )
    return folder / name


def measure(plane: ControlPlane, command: list[str], codes: tuple[int, ...]) -> tuple[float, int, float]:
    """Run a command; return seconds, requests and peak megabytes.

    Raises:
        AssertionError: it ended with another exit code than `codes`, with what it printed.
    """
    before = len(plane.audit())
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "KUBECONFIG": str(plane.kubeconfig()), "NO_COLOR": "1"},
        )
        deadline = began + RUN_SECONDS
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                process.kill()
            time.sleep(0.005)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    assert process.returncode in codes, f"{' '.join(command)}: exit {process.returncode}\n{text[-2000:]}"
    events = plane.audit()[before:]
    requests = sum(1 for event in events if event["user"]["username"] == "admin")
    return seconds, requests, usage.ru_maxrss / 1024


def bench(
    plane: ControlPlane, tool: Any, name: str, label: str, first: list[Object], changed: list[Object]
) -> list[Measured]:
    """Measure all rows of one tool with one set, and with the same set after one field changed."""
    rows: list[Measured] = []

    def row(text: str, command: list[str], codes: tuple[int, ...] = (0,)) -> None:
        rows.append(Measured(tool.name, label, len(first), text, *measure(plane, command, codes)))
        told = f"{rows[-1].seconds:8.2f} s {rows[-1].requests:7} {rows[-1].megabytes:6.0f} MB"
        print(f"  {tool.name:10} {label:16} {text:18} {told}", file=sys.stderr)

    path = tool.write(first, name)
    row("first apply", tool.apply(path))
    row("second apply", tool.apply(path))
    path = tool.write(changed, name)
    if tool.diff(path):
        row("diff", tool.diff(path), DIFFERENT[tool.name])
    row("one field changed", tool.apply(path))
    return rows


def bench_small(tool: Any, plane: ControlPlane, count: int, run: int) -> list[Measured]:
    """Measure with `count` small objects in a namespace of the tool's own."""
    name = f"bench-{tool.name}-{count}-{run}"
    first, changed = small_objects(count, name), small_objects(count, name, value="2")
    return bench(plane, tool, name, f"{count:,} small", first, changed)


def bench_example(tool_of: Any, example: str, folder: Path) -> list[Measured]:
    """Measure with the built-in objects of a rendered example, on a server of the tool's own.

    Custom resources and webhooks are left out: no tool but ours can apply them in one go.
    """
    document = json.loads((ROOT / "generated" / "manifests" / example / "mlops-nix.json").read_text())
    first = [entry["object"] for entry in document["entries"] if is_built_in(entry["object"])]
    changed = copy.deepcopy(first)
    next(item for item in changed if item["kind"] == "Deployment")["spec"]["revisionHistoryLimit"] = 3
    with running(audit=True) as plane:
        return bench(plane, tool_of(plane, folder), example, example, first, changed)


def is_built_in(item: Object) -> bool:
    """Tell whether every API server takes an object."""
    group = item["apiVersion"].rpartition("/")[0]
    return ("." not in group or group.endswith(".k8s.io")) and not item["kind"].endswith("WebhookConfiguration")


def best(measured: list[Measured]) -> list[Measured]:
    """Return the fastest run of each row."""
    found: dict[tuple[str, str, str], Measured] = {}
    for one in measured:
        key = (one.tool, one.set, one.row)
        if key not in found or one.seconds < found[key].seconds:
            found[key] = one
    return list(found.values())


def table(measured: list[Measured]) -> str:
    """Return a Markdown table: a line per set and row, a group of columns per tool."""
    tools = list(dict.fromkeys(one.tool for one in measured))
    by = {(one.tool, one.set, one.row): one for one in measured}
    head = " | ".join(f"{tool} s | requests | MB" for tool in tools)
    lines = [
        f"| set | objects | | {head} |",
        "| --- | ---: | --- | " + " | ".join(["---: | ---: | ---:"] * len(tools)) + " |",
    ]
    for label, count in dict.fromkeys((one.set, one.objects) for one in measured):
        for row in ROWS:
            cells = [by.get((tool, label, row)) for tool in tools]
            texts = [
                f"{one.seconds:.2f} | {one.requests:,} | {one.megabytes:.0f}" if one else "- | - | -" for one in cells
            ]
            lines.append(f"| {label} | {count:,} | {row} | {' | '.join(texts)} |")
    return "\n".join(lines)


def main() -> int:
    """Run the comparison and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, nargs="*", default=[1000, 5000], help="numbers of small objects")
    parser.add_argument("--example", nargs="*", default=["starter"], help="rendered examples to measure, too")
    parser.add_argument("--runs", type=int, default=1, help="take the best of so many")
    parser.add_argument("--tool", action="append", choices=[tool.name for tool in TOOLS])
    parser.add_argument("--json", type=Path, help="also write the measurements to this file")
    options = parser.parse_args()
    measured: list[Measured] = []
    try:
        tools = [tool for tool in TOOLS if not options.tool or tool.name in options.tool]
        with tempfile.TemporaryDirectory() as folder:
            for example in options.example:
                for _ in range(options.runs):
                    for tool in tools:
                        measured += bench_example(tool, example, Path(folder))
            with running(audit=True) as plane:
                for count in options.objects:
                    for run in range(options.runs):
                        for tool in tools:
                            measured += bench_small(tool(plane, Path(folder)), plane, count, run)
    except Unavailable as error:
        print(f"error: {error}", file=sys.stderr)
        return 5
    found = best(measured)
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in found], indent=2) + "\n")
    print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
