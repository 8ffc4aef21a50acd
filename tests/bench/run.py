#!/usr/bin/env python3
"""Measure the library with Nix's own counters, and beside other tools.

    tests/bench/run.py                   every figure, beside its target
    tests/bench/run.py --against main~5  only what differs from that revision
    tests/bench/run.py --only yaml       figures whose name holds the word
    tests/bench/run.py --build           first build helm and kustomize from Go modules, where they are missing

Counters are the same in every run, so one run gives them. CPU time (user and system, of the whole process) is the least of several
runs, and is shown as a ratio to another program measured in the same minute: seconds of one machine mean nothing on another. It is
started by hand and never a test, for a busy machine would fail it. It needs Nix and Python, nothing else.
"""

# ruff: noqa: T201  (its output is what it prints)
from __future__ import annotations

import argparse
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlops-nix" / "bench" / "bin"
GO_MODULES = {
    "helm": "helm.sh/helm/v3/cmd/helm@v3.18.4",
    "kustomize": "sigs.k8s.io/kustomize/kustomize/v5@v5.6.0",
}

APPLICATIONS = 100
"""Applications of eight objects each, in the measurements of objects alone."""

OBJECTS = 8 * APPLICATIONS

COMPONENTS = 94
"""Components of the platform that is compared with other tools: about as many objects as APPLICATIONS have."""


class Unmeasurable(Exception):
    """The case cannot be evaluated, or the program is not there; why."""


@dataclass(frozen=True)
class Usage:
    """What one run of a program took: CPU in seconds, memory in bytes, and Nix's counters where it was Nix."""

    cpu: float
    memory: int
    calls: int = 0
    primops: int = 0
    allocated: int = 0


def spawn(command: Sequence[str], output: Path, environment: dict[str, str] | None = None) -> Usage:
    """Run a program to its end, its standard output in a file."""
    with output.open("wb") as stdout, tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env={**os.environ, **(environment or {})})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            stderr.seek(0)
            raise Unmeasurable(stderr.read().decode(errors="replace").strip() or f"exit code {process.returncode}")
    return Usage(cpu=usage.ru_utime + usage.ru_stime, memory=usage.ru_maxrss * 1024)


@dataclass
class Bench:
    """Measurements of one version of the library."""

    root: Path
    runs: int
    scratch: Path

    def __post_init__(self) -> None:
        # Each is wanted by several figures, and measured once.
        self.nix = functools.cache(self._nix)
        self.program = functools.cache(self._program)
        self.answer = functools.cache(self._answer)

    def _nix(self, case: str, count: int = 1) -> Usage:
        """What a case costs."""
        statistics = self.scratch / "statistics.json"
        environment = {"NIX_SHOW_STATS": "1", "NIX_SHOW_STATS_PATH": str(statistics), "NIX_PATH": ""}
        used = self.best(self.command(case, count), self.scratch / "nix.out", environment)
        counters = json.loads(statistics.read_text())
        return replace(
            used,
            calls=counters["nrFunctionCalls"],
            primops=counters["nrPrimOpCalls"],
            allocated=counters["gc"]["totalBytes"],
        )

    def _program(self, name: str) -> Usage:
        """Another tool over the same objects: 100 applications."""
        if name == "helm":
            command = [program(name), "template", "bench", str(HERE / "chart"), "--set", f"count={APPLICATIONS}"]
            return self.best(command, self.scratch / "helm.yaml")
        folder = self.scratch / "kustomization"
        folder.mkdir(exist_ok=True)
        spawn(self.command("checkedYaml", APPLICATIONS), self.scratch / "yaml.json")
        text = json.loads((self.scratch / "yaml.json").read_text())
        (folder / "objects.yaml").write_text(text, encoding="utf-8")
        (folder / "kustomization.yaml").write_text("resources: [objects.yaml]\nlabels:\n- pairs: {team: bench}\n")
        command = [program(name), "build" if name == "kustomize" else "kustomize", str(folder)]
        return self.best(command, self.scratch / "kustomize.yaml")

    def best(self, command: Sequence[str], output: Path, environment: dict[str, str] | None = None) -> Usage:
        """The run with the least CPU time, of several."""
        first = spawn(command, output, environment)
        # What takes seconds is measured well enough by fewer runs.
        runs = self.runs if first.cpu < 1 else min(self.runs, 3)
        return min([first, *(spawn(command, output, environment) for _ in range(runs - 1))], key=lambda used: used.cpu)

    def _answer(self, case: str, count: int = 1) -> int:
        """The number that a case gives."""
        output = self.scratch / "answer.out"
        spawn(self.command(case, count), output)
        return int(output.read_text())

    def command(self, case: str, count: int) -> list[str]:
        """Nix, to evaluate a case of ``cases.nix`` completely and print it as JSON."""
        return [
            *("nix-instantiate", "--eval", "--strict", "--json", str(HERE / "cases.nix")),
            *("--argstr", "case", case, "--arg", "count", str(count), "--arg", "root", str(self.root)),
        ]

    def objects(self, components: int) -> int:
        """Number of objects in the platform of so many components."""
        return self.answer("platformObjects", components)


def program(name: str) -> str:
    """A program, by the environment (HELM=…), on PATH, or built before by ``--build``."""
    found = os.environ.get(name.upper()) or shutil.which(name) or shutil.which(name, path=str(CACHE))
    if not found:
        raise Unmeasurable(f"{name} is not installed")
    return found


def build_programs() -> None:
    """Build what is missing from Go modules, into the cache folder."""
    for name, module in GO_MODULES.items():
        if shutil.which(name) or shutil.which(name, path=str(CACHE)):
            continue
        CACHE.mkdir(parents=True, exist_ok=True)
        print(f"building {module}", file=sys.stderr)
        subprocess.run(["nice", "go", "install", module], env={**os.environ, "GOBIN": str(CACHE)}, check=True)


@dataclass(frozen=True)
class Figure:
    """One measured number, and the most that it may be."""

    name: str
    value: Callable[[Bench], float]
    limit: float | None = None
    exact: bool = True
    """A counter, the same in every run; otherwise a time or a size, which vary."""

    unit: str = ""


def per_object(case: str, base: str) -> Callable[[Bench], float]:
    return lambda bench: (bench.nix(case, APPLICATIONS).calls - bench.nix(base, APPLICATIONS).calls) / OBJECTS


def cpu_ratio(case: str) -> Callable[[Bench], float]:
    return lambda bench: bench.nix(case, APPLICATIONS).cpu / bench.nix("objects", APPLICATIONS).cpu


def per_platform_object(bench: Bench) -> float:
    return bench.nix("platformYaml", COMPONENTS).calls / bench.objects(COMPONENTS)


def platform_cpu(other: str) -> Callable[[Bench], float]:
    """CPU per object of a whole platform, by that of another tool over plain objects."""
    return lambda bench: (
        (bench.nix("platformYaml", COMPONENTS).cpu / bench.objects(COMPONENTS)) / (bench.program(other).cpu / OBJECTS)
    )


def platform_cpu_by_json(bench: Bench) -> float:
    plain = bench.nix("objects", APPLICATIONS).cpu / OBJECTS
    return bench.nix("platformYaml", COMPONENTS).cpu / bench.objects(COMPONENTS) / plain


def per_component(count: int) -> Callable[[Bench], float]:
    return lambda bench: bench.nix("platformYaml", count).calls / count


def per_option(bench: Bench) -> float:
    return (bench.nix("configs", 200).calls - bench.nix("configs", 100).calls) / 100 / bench.answer("declaredOptions")


def growth(of: Callable[[Usage], float], case: str = "platformYaml") -> Callable[[Bench], float]:
    return lambda bench: of(bench.nix(case, 1000)) / of(bench.nix(case, 100))


def wrong_by_good(bench: Bench) -> float:
    def each(case: str) -> float:
        return (bench.nix(case, 101).calls - bench.nix(case, 1).calls) / 100

    return each("wrongArguments") / each("goodArguments")


FIGURES = [
    Figure("plain objects: calls per object", lambda bench: bench.nix("objects", APPLICATIONS).calls / OBJECTS),
    Figure("checked JSON: calls per object above the objects' own", per_object("checkedJson", "objects"), 60),
    Figure("checked JSON: CPU by toJSON", cpu_ratio("checkedJson"), 2, exact=False),
    Figure("YAML: calls per object above the objects' own", per_object("yaml", "objects")),
    Figure("YAML: CPU by toJSON", cpu_ratio("yaml"), exact=False),
    Figure("checked YAML: calls per object above the objects' own", per_object("checkedYaml", "objects"), 125),
    Figure("checked YAML: CPU by toJSON", cpu_ratio("checkedYaml"), 4, exact=False),
    Figure("helm template: CPU by toJSON", lambda b: b.program("helm").cpu / b.nix("objects", APPLICATIONS).cpu, exact=False),
    Figure("kustomize build: CPU by toJSON", lambda b: b.program("kustomize").cpu / b.nix("objects", APPLICATIONS).cpu, exact=False),
    Figure("kubectl kustomize: CPU by toJSON", lambda b: b.program("kubectl").cpu / b.nix("objects", APPLICATIONS).cpu, exact=False),
    Figure("platform: objects", lambda bench: bench.objects(COMPONENTS)),
    Figure("platform: calls per object, the whole way to YAML", per_platform_object, 400),
    Figure("platform: CPU per object by toJSON of plain objects", platform_cpu_by_json, exact=False),
    Figure("platform: CPU per object by helm template", platform_cpu("helm"), 1, exact=False),
    Figure("platform: peak memory", lambda bench: bench.nix("platformYaml", COMPONENTS).memory / 1e6, 80, exact=False, unit="MB"),
    Figure("platform: allocated", lambda bench: bench.nix("platformYaml", COMPONENTS).allocated / 1e6, unit="MB"),
    *(Figure(f"platform of {count}: calls per component", per_component(count)) for count in (1, 10, 100, 1000)),
    Figure("platform of 1,000 by one of 100: calls", growth(lambda used: used.calls), 10.2),
    Figure("platform of 1,000 by one of 100: CPU", growth(lambda used: used.cpu), 9, exact=False),
    Figure(
        "set document: calls per object",
        lambda bench: bench.nix("platformSet", COMPONENTS).calls / bench.objects(COMPONENTS),
    ),
    Figure("set of 1,000 by one of 100: calls", growth(lambda used: used.calls, "platformSet"), 10.2),
    Figure("builder arguments: calls per declared option", per_option, 12),
    Figure("start-up with one component (MLflow): calls", lambda bench: bench.nix("startUp").calls, 10_000),
    Figure("start-up with one component (object store): calls", lambda bench: bench.nix("startUpStore").calls, 10_000),
    Figure("wrong arguments by good ones: calls", wrong_by_good, 10),
]  # fmt: skip


def shown(value: float, unit: str = "") -> str:
    text = f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:,.2f}"
    return f"{text} {unit}".strip()


def measure(figure: Figure, bench: Bench) -> float | str:
    """The figure's value, or in a line why there is none."""
    try:
        return figure.value(bench)
    except Unmeasurable as reason:
        return str(reason).splitlines()[0]


def report(figures: list[Figure], bench: Bench, *, as_json: bool) -> None:
    results = {}
    for figure in figures:
        value = measure(figure, bench)
        results[figure.name] = {"value": value, "limit": figure.limit}
        if as_json:
            continue
        if isinstance(value, str):
            print(f"{figure.name:<56} {'-':>11}   {value}")
            continue
        target = ""
        if figure.limit is not None:
            target = f"at most {shown(figure.limit, figure.unit):<8} {'ok' if value <= figure.limit else 'OVER'}"
        print(f"{figure.name:<56} {shown(value, figure.unit):>11}   {target}".rstrip(), flush=True)
    if as_json:
        print(json.dumps(results, indent=2))


def compare(figures: list[Figure], bench: Bench, reference: str) -> None:
    """Print the figures that differ from a git revision: counters by any amount, times and sizes by more than a tenth."""
    with tempfile.TemporaryDirectory(prefix="mlops-nix-bench-") as folder:
        tree = Path(folder) / "tree"
        git = ["git", "-C", str(CHECKOUT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), reference], check=True)
        try:
            other = Bench(root=tree, runs=bench.runs, scratch=Path(folder))
            differences = 0
            for figure in figures:
                before, now = measure(figure, other), measure(figure, bench)
                if before == now:
                    continue
                change = ""
                if not isinstance(before, str) and not isinstance(now, str):
                    if not figure.exact and before and abs(now / before - 1) <= 0.1:
                        continue
                    change = f"{(now / before - 1) * 100:+.1f} %" if before else ""
                differences += 1
                texts = [value if isinstance(value, str) else shown(value, figure.unit) for value in (before, now)]
                print(f"{figure.name:<56} {texts[0]:>11} -> {texts[1]:<11} {change}".rstrip(), flush=True)
            print(f"{differences} of {len(figures)} figures differ from {reference}")
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def main() -> None:
    description, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", metavar="REF", help="print only what differs from this git revision")
    parser.add_argument("--only", metavar="WORD", default="", help="figures whose name holds this word")
    parser.add_argument("--runs", type=int, default=9, help="runs per CPU time (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--build", action="store_true", help="build helm and kustomize from Go modules where they are missing"
    )
    options = parser.parse_args()
    figures = [figure for figure in FIGURES if options.only.lower() in figure.name.lower()]
    if not figures:
        parser.error(f"no figure has {options.only!r} in its name")
    if not shutil.which("nix-instantiate"):
        sys.exit("bench: nix-instantiate is not installed")
    if options.build:
        build_programs()
    with tempfile.TemporaryDirectory(prefix="mlops-nix-bench-") as folder:
        bench = Bench(root=CHECKOUT, runs=options.runs, scratch=Path(folder))
        if options.against:
            compare(figures, bench, options.against)
        else:
            report(figures, bench, as_json=options.json)


if __name__ == "__main__":
    main()
