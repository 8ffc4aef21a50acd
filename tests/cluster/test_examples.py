"""A real API server takes every object of every example, in apply order, with Pod Security and RBAC as rendered."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster.controlplane import Unavailable, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.controlplane import ControlPlane

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(
    path.name for path in (ROOT / "examples").iterdir() if (path / "default.nix").exists() and path.name != "flake"
)
CUSTOM = json.loads((ROOT / "generated" / "kubernetes" / "custom" / "index.json").read_text())


def reference() -> Path:
    folder = Path(os.environ.get("MLOPS_NIX_REFERENCE", ROOT.parent / "shared")) / "upstream" / "crds"
    if not folder.is_dir():
        pytest.skip(f"no upstream CRDs at {folder} (set MLOPS_NIX_REFERENCE)")
    return folder


@pytest.fixture(scope="module")
def sets() -> dict[str, Any]:
    names = " ".join(f'"{name}"' for name in EXAMPLES)
    expression = (
        f"builtins.listToAttrs (map (name: {{ inherit name; "
        f'value = (import ({ROOT}/examples + "/${{name}}") {{ }}).set; }}) [ {names} ])'
    )
    done = subprocess.run(
        ["nix-instantiate", "--eval", "--strict", "--json", "-E", expression],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def server(sets: dict[str, Any]) -> Iterator[ControlPlane]:
    """An API server of its own, with the CRDs of all examples and of what they expect on the cluster."""
    folder = reference()
    by_hash = {hashlib.sha256(file.read_bytes()).hexdigest(): file for file in folder.rglob("*.yaml")}
    files = []
    for document in sets.values():
        files += [by_hash[crd["sha256"]] for crd in document["crds"]]
        for requirement in document["external"]:
            files += [folder / CUSTOM["crds"][name]["files"][0] for name in requirement["crds"]]
    try:
        with running(crds=list(dict.fromkeys(files))) as plane:
            yield plane
    except Unavailable as reason:
        pytest.skip(f"no real control plane: {reason}")


def paths(server: ControlPlane) -> dict[tuple[str, str], tuple[str, str, bool]]:
    """Give prefix, plural and whether it is namespaced by (apiVersion, kind)."""
    known = {}
    groups = ["/api/v1"] + [
        f"/apis/{version['groupVersion']}"
        for group in server.admin.get("/apis").body["groups"]
        for version in group["versions"]
    ]
    for prefix in groups:
        for resource in server.admin.get(prefix).body["resources"]:
            if "/" not in resource["name"]:
                version = prefix.removeprefix("/apis/").removeprefix("/api/")
                known[version, resource["kind"]] = (prefix, resource["name"], resource["namespaced"])
    return known


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_object_is_taken(example: str, sets: dict[str, Any], server: ControlPlane) -> None:
    known = paths(server)
    refused = []
    warnings = []
    for entry in sets[example]["entries"]:
        body = entry["object"]
        prefix, plural, namespaced = known[body["apiVersion"], body["kind"]]
        metadata = body["metadata"]
        place = f"/namespaces/{metadata['namespace']}" if namespaced else ""
        # Namespaces and identities are made, so that what comes after them finds them; the rest is only tried.
        query = {} if body["kind"] in {"Namespace", "ServiceAccount"} else {"dryRun": "All"}
        answer = server.admin.apply(
            f"{prefix}{place}/{plural}/{metadata['name']}", body, fieldValidation="Strict", **query
        )
        name = f"{body['kind']} {metadata.get('namespace', '')}/{metadata['name']}"
        if answer.code not in {200, 201}:
            refused.append(f"{name}: {answer.code} {answer.message[:300]}")
        if "Warning" in answer.headers:
            warnings.append(f"{name}: {answer.headers['Warning'][:300]}")
    assert not refused
    # The namespaces warn at `restricted`; what is not must be known to be so.
    unexpected = [text for text in warnings if "/kubeflow" not in text and " kubeflow/" not in text]
    assert not unexpected
