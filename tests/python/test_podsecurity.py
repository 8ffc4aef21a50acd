"""The Pod Security Standards: our verdict on upstream's own fixtures, and the strictest level of a pod."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from mlops_nix.documents import Position
from mlops_nix.objectset import ObjectSet, Pod
from mlops_nix.podsecurity import strictest_level, violations
from mlops_nix.yamlio import Manifest, read

HARDENED: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {"name": "a", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
    ],
}


def pod(spec: dict[str, Any]) -> Pod:
    obj = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec}
    return ObjectSet([Manifest(obj, Position("a.yaml"))]).pods[0]


@pytest.mark.parametrize(
    ("change", "level"),
    [
        ({}, "restricted"),
        ({"securityContext": {}}, "baseline"),
        ({"volumes": [{"name": "a", "nfs": {}}]}, "baseline"),
        ({"hostPID": True}, "privileged"),
        ({"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}, "privileged"),
        ({"ephemeralContainers": [{"name": "b", "securityContext": {"privileged": True}}]}, "privileged"),
        ({"initContainers": [{"name": "b"}]}, "baseline"),
    ],
)
def test_the_strictest_level_that_admits_a_pod(change: dict[str, Any], level: str) -> None:
    assert strictest_level(pod({**HARDENED, **change})) == level


def test_a_violation_speaks_the_words_of_the_server() -> None:
    found = [str(one) for one in violations(pod({"containers": [{"name": "a"}]}))]
    # Source: kube-apiserver 1.36.3, the 403 for this pod in a restricted namespace.
    assert found == [
        'allowPrivilegeEscalation != false (container "a" must set securityContext.allowPrivilegeEscalation=false)',
        'runAsNonRoot != true (pod or container "a" must set securityContext.runAsNonRoot=true)',
        'seccompProfile (pod or container "a" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
        'unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"])',
    ]


def test_privileged_forbids_nothing() -> None:
    assert list(violations(pod({"hostPID": True, "containers": []}), "privileged")) == []


def upstream_fixtures() -> Path | None:
    """Find upstream's fixtures in the Go module cache, where building an API server leaves them."""
    cache = Path(os.environ.get("GOMODCACHE", Path.home() / "go" / "pkg" / "mod"))
    found = sorted(cache.glob("k8s.io/pod-security-admission@v0.*/test/testdata"))
    return found[-1] if found else None


def test_our_verdict_on_every_fixture_of_upstream_is_upstreams() -> None:
    folder = upstream_fixtures()
    if folder is None:
        pytest.skip("no k8s.io/pod-security-admission in the Go module cache")
    count, wrong = 0, []
    for level in ("baseline", "restricted"):
        for minor in range(30, 36):
            for file in sorted((folder / level / f"v1.{minor}").glob("*/*.yaml")):
                (one,) = ObjectSet(read([file]).manifests).pods
                count += 1
                if bool(list(violations(one, level, minor))) != (file.parent.name == "fail"):
                    wrong.append(str(file.relative_to(folder)))
    assert wrong == []
    assert count > 500
