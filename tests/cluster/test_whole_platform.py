"""Whole platforms on a real API server: from nothing to ready in one command, and everything that comes after.

Pods are simulated by kwok; operators are played by `operators.py` (webhooks really answer); the rest is real.
CustomResourceDefinitions come from the folder that MLOPS_NIX_REFERENCE names, since tests use no network.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster.controlplane import ControlPlane, Object, Unavailable, running
from tests.cluster.operators import Operators, condition
from tests.cluster.user import actions, ok

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.command import Done, Launcher

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "generated" / "manifests"
REFERENCE = Path(os.environ.get("MLOPS_NIX_REFERENCE", ROOT.parent / "shared")) / "upstream" / "crds"
# The largest example, with operators and webhooks, and a small one; that every object of all examples is taken by a
# real server is another test's.
EXAMPLES = [name for name in ("starter", "tracking") if (MANIFESTS / name / "mlops-nix.json").is_file()]
READY: dict[str, Object] = {
    "/apis/cert-manager.io/v1/certificates": condition(),
    "/apis/cert-manager.io/v1/issuers": condition(),
    "/apis/cert-manager.io/v1/clusterissuers": condition(),
    "/apis/serving.kserve.io/v1beta1/inferenceservices": condition(),
}
"""What the operators would do: collection -> status of its objects."""


def document(example: str) -> Any:
    return json.loads((MANIFESTS / example / "mlops-nix.json").read_text())


def external_definitions() -> list[Path]:
    """Return the CRD files of the operators that the examples expect on the cluster."""
    wanted = {name for example in EXAMPLES for external in document(example)["external"] for name in external["crds"]}
    index = json.loads((REFERENCE / "index.json").read_text())
    return [REFERENCE / entry["file"] for entry in index if wanted & {crd["name"] for crd in entry["crds"]}]


@dataclass(frozen=True)
class Platform:
    """A cluster on which platforms are applied."""

    plane: ControlPlane
    operators: Operators
    launcher: Launcher

    def run(self, command: str, target: str | Path, *options: str, seconds: float = 240.0) -> Done:
        """Run a command with JSON output."""
        environment = {"MLOPS_NIX_CRD_SOURCE": str(REFERENCE)}
        words = [*command.split(), str(target), "--output", "json", *options]
        return self.launcher.run(*words, kubeconfig=self.plane.kubeconfig(), environment=environment, seconds=seconds)


@pytest.fixture(scope="module")
def platform(launcher: Launcher) -> Iterator[Platform]:
    if not EXAMPLES:
        pytest.skip(f"no rendered examples in {MANIFESTS}: run `make generate`")
    if not (REFERENCE / "index.json").is_file():
        pytest.skip(f"no CRDs in {REFERENCE}: set MLOPS_NIX_REFERENCE")
    namespaces = sorted(
        {
            entry["object"]["metadata"]["name"]
            for example in EXAMPLES
            for entry in document(example)["entries"]
            if entry["object"]["kind"] == "Namespace"
        }
    )
    try:
        # Addresses of Services on the loopback network: the API server reaches the webhooks that this test plays.
        with (
            running(nodes=3, service_range="127.77.0.0/16", crds=external_definitions()) as plane,
            Operators(plane, namespaces, READY) as operators,
        ):
            yield Platform(plane, operators, launcher)
            assert not operators.errors, operators.errors
    except Unavailable as reason:
        pytest.skip(f"no real control plane: {reason}")


def changed_set(example: str, folder: Path) -> tuple[Path, str]:
    """Write a copy of an example with one Deployment scaled; return it and the Deployment's `Kind/name`."""
    changed = document(example)
    autoscaled = {
        entry["object"]["spec"]["scaleTargetRef"]["name"]
        for entry in changed["entries"]
        if entry["object"]["kind"] == "HorizontalPodAutoscaler"
    }
    item = next(
        entry["object"]
        for entry in changed["entries"]
        if entry["object"]["kind"] == "Deployment"
        and "replicas" in entry["object"]["spec"]
        and entry["object"]["metadata"]["name"] not in autoscaled
    )
    item["spec"]["replicas"] += 1
    for crd in changed["crds"]:
        # Without the rendered folder, the files come from MLOPS_NIX_CRD_SOURCE by their hash.
        crd["file"] = f"elsewhere/{crd['file']}"
    changed.pop("files", None)
    path = folder / f"{example}.json"
    path.write_text(json.dumps(changed))
    return path, f"Deployment/{item['metadata']['name']}"


def where_is(plane: ControlPlane, example: str, ref: str) -> str:
    kind, name = ref.split("/")
    item = next(
        entry["object"]
        for entry in document(example)["entries"]
        if entry["object"]["kind"] == kind and entry["object"]["metadata"]["name"] == name
    )
    path = f"/apis/apps/v1/namespaces/{item['metadata']['namespace']}/deployments/{name}"
    assert plane.admin.get(path).code == 200
    return path


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_platform_from_nothing_to_ready_changed_rolled_back_repaired_and_deleted(
    example: str, platform: Platform, tmp_path: Path
) -> None:
    target = MANIFESTS / example
    objects = len(document(example)["entries"])
    ok(platform.run("secrets create", target))

    # One command, from nothing to ready.
    first = ok(platform.run("apply", target, "--yes", "--timeout", "200"))
    assert len(first.of_type("object")) >= objects
    assert set(actions(first).values()) <= {"created", "changed"}
    if any(entry["object"]["kind"].endswith("WebhookConfiguration") for entry in document(example)["entries"]):
        assert platform.operators.asked, "no webhook was asked"
    again = ok(platform.run("apply", target, "--yes", "--timeout", "60"))
    assert set(actions(again).values()) == {"unchanged"}
    assert ok(platform.run("diff", target)).code == 0
    ok(platform.run("status", target))

    # Changed: exactly what the set says.
    path, ref = changed_set(example, tmp_path)
    shown = platform.run("diff", path)
    assert shown.code == 2, str(shown)
    changed = ok(platform.run("apply", path, "--yes", "--timeout", "100"))
    assert {one for one, action in actions(changed).items() if action != "unchanged"} == {ref}

    # Rolled back.
    ok(platform.run("rollback", path, "--to", "1", "--yes", "--timeout", "100"))
    assert ok(platform.run("diff", target)).code == 0

    # Drifted by hand: found, named, repaired.
    place = where_is(platform.plane, example, ref)
    replicas = platform.plane.admin.get(place).body["spec"]["replicas"]
    platform.plane.admin.merge(place, {"spec": {"replicas": replicas + 3}}, fieldManager="ann-edit")
    drifted = platform.run("drift", target)
    assert drifted.code == 2, str(drifted)
    assert "ann-edit" in drifted.text
    assert "spec.replicas" in drifted.text
    assert platform.run("apply", target, "--yes", "--timeout", "60").code == 4, "another's field is not taken unasked"
    ok(platform.run("apply", target, "--yes", "--force-conflicts", "--timeout", "100"))
    assert platform.plane.admin.get(place).body["spec"]["replicas"] == replicas
    assert ok(platform.run("drift", target)).code == 0

    # The inventory lost, and rebuilt from labels.
    name = document(example)["name"]
    secrets = platform.plane.admin.get("/api/v1/secrets", fieldSelector=f"metadata.name=mlops-nix-{name}").body["items"]
    assert len(secrets) == 1
    metadata = secrets[0]["metadata"]
    platform.plane.admin.delete(f"/api/v1/namespaces/{metadata['namespace']}/secrets/{metadata['name']}")
    ok(platform.run("inventory repair", target))
    ok(platform.run("apply", target, "--yes", "--timeout", "60"))

    # Deleted: data, definitions and namespaces only when asked.
    ok(platform.run("delete", target, "--yes", "--timeout", "120"))
    namespaces = [
        e["object"]["metadata"]["name"] for e in document(example)["entries"] if e["object"]["kind"] == "Namespace"
    ]
    assert platform.plane.admin.get(place).code == 404
    for namespace in namespaces:
        assert platform.plane.admin.get(f"/api/v1/namespaces/{namespace}").code == 200
    everything = ("--data", "--crds", "--namespaces")
    ok(platform.run("delete", target, "--yes", "--timeout", "150", *everything))
    for namespace in namespaces:
        assert platform.plane.admin.get(f"/api/v1/namespaces/{namespace}").code == 404
    left = platform.plane.admin.get("/api/v1/secrets", labelSelector=f"mlops-nix.dev/inventory={name}").body["items"]
    assert not left
