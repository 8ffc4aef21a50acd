"""The rendered examples under the linters that users run: kube-score itself, and our own checks in the place of others."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from mlops_nix.findings import all_checks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CHECKOUT = Path(__file__).resolve().parents[2]
EXCEPTIONS = yaml.safe_load(Path(__file__).with_name("linters.yaml").read_text())
EXAMPLES = sorted(path.parent.name for path in (CHECKOUT / "examples").glob("*/default.nix"))
KUBE_SCORE = "github.com/zegl/kube-score/cmd/kube-score@v1.20.0"
CRITICAL = 1

COVERED = {
    "latest-tag": "mutable-image-tag",
    "privileged-container": "privileged-container",
    "privilege-escalation-container": "privilege-escalation",
    "run-as-non-root": "run-as-non-root",
    "no-read-only-root-fs": "writable-root-filesystem",
    "drop-net-raw-capability": "capabilities-not-dropped",
    "host-network": "host-namespaces",
    "host-pid": "host-namespaces",
    "host-ipc": "host-namespaces",
    "docker-sock": "docker-socket",
    "sensitive-host-mounts": "host-path",
    "unsafe-sysctls": "unsafe-sysctls",
    "env-var-secret": "secret-in-env",
    "duplicate-env-var": "list-duplicates",
    "unset-cpu-requirements": "missing-requests",
    "unset-memory-requirements": "missing-limits",
    "no-liveness-probe": "missing-liveness-probe",
    "no-readiness-probe": "missing-readiness-probe",
    "liveness-port": "probe-port",
    "readiness-port": "probe-port",
    "startup-port": "probe-port",
    "mismatching-selector": "selector-mismatch",
    "dangling-service": "service-without-pods",
    "dangling-ingress": "missing-service",
    "dangling-networkpolicy": "network-policy-without-pods",
    "dangling-horizontalpodautoscaler": "missing-scale-target",
    "dangling-servicemonitor": "monitor-without-target",
    "invalid-target-ports": "service-target-port",
    "non-existent-service-account": "missing-service-account",
    "non-isolated-pod": "pod-without-network-policy",
    "pod-networkpolicy": "pod-without-network-policy",
    "default-service-account": "unused-service-account-token",
    "automountServiceAccountToken": "unused-service-account-token",
    "cluster-admin-role-binding": "cluster-admin-binding",
    "wildcard-in-rules": "wildcard-rule",
    "access-to-secrets": "secret-access",
    "job-ttl-seconds-after-finished": "job-without-ttl",
    "pdb-min-available": "pdb-blocks-drain",
    "pdb-max-unavailable": "pdb-blocks-drain",
    "pdbDisruptionsIsZero": "pdb-blocks-drain",
    "pdb-unhealthy-pod-eviction-policy": "pdb-unhealthy-pods",
    "no-anti-affinity": "no-anti-affinity",
    "container-seccomp-profile": "missing-seccomp",
    "linuxHardening": "capabilities-not-dropped",
    "stable-version": "deprecated-api",
    "deployment-targeted-by-hpa-does-not-have-replicas-configured": "autoscaled-replicas",
    "statefulset-has-servicename": "missing-service",
    "pod-probes-identical": "identical-probes",
    "container-ephemeral-storage-request-and-limit": "missing-ephemeral-storage",
    "hpaMinAvailability": "autoscaler-range",
    "rolePodExecAttach": "pod-exec",
    "clusterrolePodExecAttach": "pod-exec",
    "tlsSettingsMissing": "ingress-without-tls",
}
"""The checks of kube-linter, kube-score and Polaris that our examples must pass, and the check of ours that stands for each."""

# Asked for by who wants it: reasons in linters.yaml, under kube-score's name of the same.
OFF = {"missing-ephemeral-storage"}


@cache
def stream(name: str) -> str:
    """Give the manifests of an example, without upstream's CRDs."""
    if shutil.which("nix-instantiate") is None:
        pytest.skip("nix-instantiate is not installed")
    run = subprocess.run(
        ["nix-instantiate", "--eval", "--strict", "--json", "-E", f"(import {CHECKOUT}/examples/{name} {{ }}).yaml"],
        capture_output=True,
        timeout=120,
        check=True,
    )
    text = json.loads(run.stdout)
    assert isinstance(text, str)
    return text


@cache
def kube_score() -> str:
    """Give the program, built once."""
    cache_folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    program = cache_folder / "mlops-nix" / "bin" / "kube-score"
    if not program.exists():
        if shutil.which("go") is None:
            pytest.skip("kube-score is not installed, and Go, which would build it, is not either")
        environment = {**os.environ, "GOBIN": str(program.parent), "GOFLAGS": "-mod=mod"}
        run = subprocess.run(
            ["go", "install", KUBE_SCORE], env=environment, capture_output=True, text=True, timeout=900, check=False
        )
        if run.returncode != 0:
            pytest.skip(f"kube-score could not be built: {run.stderr.strip().splitlines()[-1:]}")
    return str(program)


def place(kind: str, namespace: str, name: str) -> str:
    """Write an object as linters.yaml does: Jobs without the hash in their name."""
    return f"{kind}/{namespace}/{re.sub(r'-[0-9a-f]{8}$', '', name) if kind == 'Job' else name}"


def explained(linter: str, check: str, where: str, summary: str, used: set[int]) -> bool:
    """Tell whether a finding is listed; the lines that list it are noted."""
    found = False
    for number, line in enumerate(EXCEPTIONS[linter]):
        if (
            line["check"] == check
            and line.get("summary", summary) == summary
            and any(fnmatchcase(where, pattern) for pattern in line["objects"])
        ):
            used.add(number)
            found = True
    return found


def unused(linter: str, used: Iterable[int], seen: Iterable[tuple[str, str]]) -> list[str]:
    """Name what is listed and no longer found: whole lines, and single patterns."""
    seen = set(seen)
    gone = [EXCEPTIONS[linter][n]["check"] for n in range(len(EXCEPTIONS[linter])) if n not in set(used)]
    for line in EXCEPTIONS[linter]:
        gone += [
            f"{line['check']}: {pattern}"
            for pattern in line["objects"]
            if not any(check == line["check"] and fnmatchcase(where, pattern) for check, where in seen)
        ]
    return gone


def test_kube_score() -> None:
    unlisted: list[str] = []
    used: set[int] = set()
    seen: set[tuple[str, str]] = set()
    for name in EXAMPLES:
        text = stream(name)
        run = subprocess.run(
            [kube_score(), "score", "--kubernetes-version", "v1.32", "--output-format", "json", "-"],
            input=text,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert run.returncode in {0, 1}, run.stderr
        objects = json.loads(run.stdout)
        assert len(objects) > 5, "kube-score has looked at nothing"
        for found in objects:
            meta = found["object_meta"]
            where = place(found["type_meta"]["kind"], meta.get("namespace", ""), meta["name"])
            for check in found["checks"]:
                if check["skipped"] or check["grade"] > CRITICAL:
                    continue
                for comment in check["comments"] or [{"summary": ""}]:
                    seen.add((check["check"]["id"], where))
                    if not explained("kube-score", check["check"]["id"], where, comment["summary"], used):
                        unlisted.append(f"{name}: {where}: {check['check']['id']}: {comment['summary']}")
    assert unlisted == []
    assert unused("kube-score", used, seen) == []


def findings(cli: Callable[..., Any], tmp_path: Path, name: str) -> list[dict[str, Any]]:
    """Give what our checks find in an example, as its rendered folder shows it."""
    stream(name)
    folder = tmp_path / name
    rendered = cli("render", CHECKOUT / "examples" / name, "--out", folder, "--crds", "none")
    assert rendered.exit_code == 0, rendered.stderr
    checked = cli("validate", folder, "--output", "json", "--all")
    document = json.loads(checked.stdout)
    assert document["problems"] == []
    result: list[dict[str, Any]] = document["findings"]
    return result


def test_our_own_checks(cli: Callable[..., Any], tmp_path: Path) -> None:
    unlisted: list[str] = []
    used: set[int] = set()
    seen: set[tuple[str, str]] = set()
    for name in EXAMPLES:
        for found in findings(cli, tmp_path, name):
            obj = found["object"]
            where = place(obj["kind"], obj.get("namespace") or "", obj["name"])
            if "silenced" in found:
                continue
            line = f"{name}: {where}: {found['check']}: {found['message']}"
            if found["severity"] != "info":
                # Nothing but infos may be listed: a warning is silenced where it is rendered, with its reason.
                unlisted.append(line)
            elif found["check"] in COVERED.values():
                seen.add((found["check"], where))
                if not explained("mlops-nix", found["check"], where, "", used):
                    unlisted.append(line)
    assert unlisted == []
    assert unused("mlops-nix", used, seen) == []


def test_every_name_of_other_linters_is_one_of_our_checks() -> None:
    checks = all_checks()
    assert {name: check for name, check in COVERED.items() if check not in checks} == {}
    assert {check for check in COVERED.values() if not checks[check].on} == OFF


@pytest.mark.parametrize("linter", EXCEPTIONS)
def test_every_exception_has_a_reason(linter: str) -> None:
    for line in EXCEPTIONS[linter]:
        assert len(line["reason"]) > 20, line
        assert line["objects"], line
