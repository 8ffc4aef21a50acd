"""lib/schema against upstream's own schemas: thousands of objects, valid and broken in small ways, must get the same verdict.

Every difference must be one of those that ``schema_differential/disagreements.md`` explains, and proves it: the test removes
the cause and asks again. MLOPS_NIX_DIFFERENTIAL sets the number of objects (1,500), MLOPS_NIX_DIFFERENTIAL_SEED the seed.
"""

from __future__ import annotations

import copy
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).resolve().parent / "schema_differential"
sys.path.insert(0, str(HERE))

from mutation import Maker, at_the_edge, mutate  # noqa: E402
from original import Loader, Original, core_kinds, definitions  # noqa: E402

CHECKOUT = HERE.parents[2]
GENERATED = CHECKOUT / "generated" / "kubernetes"
NIX = shutil.which("nix-instantiate")
SIZE = int(os.environ.get("MLOPS_NIX_DIFFERENTIAL", "1500"))
SEED = int(os.environ.get("MLOPS_NIX_DIFFERENTIAL_SEED", "1"))
BATCH = 2500
# Without a request for more, the default run reads a part of the CRDs: all of them are 43 MB of YAML.
CUSTOM_FILES = 45 if SIZE <= 3000 else 1000
# Kinds in the schemas that are no object of a manifest: README.md of lib/schema's data leaves them out.
NO_OBJECT = re.compile(
    r"List$|^(APIGroup|APIVersions|ComponentStatus|DeleteOptions|Eviction|Scale|Status|TokenRequest|WatchEvent)$"
)
LONGEST_MATCHED = int((CHECKOUT / "lib" / "schema" / "longest-matched.nix").read_text().split()[-1])
Key = tuple[str, str]

pytestmark = pytest.mark.skipif(NIX is None, reason="nix-instantiate is not installed")


def judge(objects: list[Any], version: str, folder: Path) -> list[dict[str, Any]]:
    """What lib/schema says about each object: ``accepts`` and ``problems``."""
    verdicts: list[dict[str, Any]] = []
    for start in range(0, len(objects), BATCH):
        file = folder / "objects.json"
        file.write_text(json.dumps(objects[start : start + BATCH]))
        run = subprocess.run(
            [str(NIX), "--eval", "--strict", "--json", str(HERE / "verdicts.nix"),
             "--argstr", "file", str(file), "--argstr", "version", version],
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr[-3000:]
        verdicts += json.loads(run.stdout)
    return verdicts


def custom_files(rng: random.Random) -> dict[Key, str]:
    """(apiVersion, kind) -> the CRD file whose schema was generated, of as many files as this run reads."""
    index = json.loads((GENERATED / "custom" / "index.json").read_text())
    files = {
        (api_version, kind): entry["from"]
        for api_version, kinds in index["kinds"].items()
        for kind, entry in kinds.items()
        if "file" in entry
    }
    # Upstream's full CRD is not at hand, and its spec is that of another kind: see disagreements.md.
    files["argoproj.io/v1alpha1", "ClusterWorkflowTemplate"] = files["argoproj.io/v1alpha1", "WorkflowTemplate"]
    names = sorted(set(files.values()))
    chosen = set(rng.sample(names, min(CUSTOM_FILES, len(names))))
    return {key: file for key, file in files.items() if file in chosen}


def rendered(reference: Path) -> list[dict[str, Any]]:
    """Every object of upstream's rendered manifests, CRDs left out."""
    return [
        document
        for path in sorted((reference / "upstream" / "rendered").glob("*.yaml"))
        for document in yaml.load_all(path.read_text(), Loader=Loader)
        if isinstance(document, dict) and document.get("kind") != "CustomResourceDefinition"
    ]


# Differences that disagreements.md explains. Each takes the cause away; what is left must be judged alike.


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value if item is not None]
    return value


def with_address_types(value: dict[str, Any]) -> dict[str, Any]:
    """A Gateway as the API server sees it once defaults are filled in; anything else as it is."""
    if value.get("kind") != "Gateway":
        return value
    filled = copy.deepcopy(value)
    for part in ("spec", "status"):
        for address in _list(_dict(filled.get(part)).get("addresses")):
            _dict(address).setdefault("type", "IPAddress")
    return filled


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shortened(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shortened(item) for item in value]
    return value[:500] if isinstance(value, str) and len(value.encode()) > LONGEST_MATCHED else value


def has_null(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(has_null(item) for item in (value.values() if isinstance(value, dict) else value))
    return value is None


@dataclass
class Count:
    """How a run went, for people and for the assertions at its end."""

    objects: int = 0
    valid: int = 0
    explained: Counter[str] = field(default_factory=Counter)
    unexplained: list[tuple[str, bool, list[Any], Any]] = field(default_factory=list)

    def text(self) -> str:
        return f"{self.objects} objects, {self.valid} valid, explained {dict(self.explained)}, unexplained {len(self.unexplained)}"


def compare(objects: list[Any], original: Original, folder: Path, count: Count) -> None:
    verdicts = judge(objects, original.version, folder)
    again: list[tuple[str, Any]] = []
    for value, verdict in zip(objects, verdicts, strict=True):
        expected = original.accepts(value)
        count.objects += 1
        count.valid += expected
        assert verdict["accepts"] == (verdict["problems"] == []), (value, verdict)
        if verdict["accepts"] == expected:
            continue
        if expected and has_null(value) and any("null" in problem["message"] for problem in verdict["problems"]):
            again.append(("null", without_nulls(value)))
        elif not expected and shortened(value) != value:
            again.append(("longer than 2,000 bytes", shortened(value)))
        elif not expected and with_address_types(value) != value:
            again.append(("Gateway address without type", with_address_types(value)))
        else:
            count.unexplained.append((original.version, expected, verdict["problems"], value))
    if again:
        cleaned = [value for _, value in again]
        for (reason, value), verdict in zip(again, judge(cleaned, original.version, folder), strict=True):
            if verdict["accepts"] == original.accepts(value):
                count.explained[reason] += 1
            else:
                count.unexplained.append((original.version, original.accepts(value), verdict["problems"], value))


def show(count: Count) -> str:
    lines = [count.text()]
    for version, expected, problems, value in count.unexplained[:15]:
        lines.append(f"Kubernetes {version}: upstream {'accepts' if expected else 'refuses'}; ours: {problems[:3]}")
        lines.append("  " + json.dumps(value)[:1500])
    return "\n".join(lines)


def test_same_verdict_as_upstreams_schemas(reference: Path, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    versions = json.loads((GENERATED / "index.json").read_text())["versions"]
    files = custom_files(rng)
    manifests = rendered(reference)
    count = Count()
    # Half of the objects on the newest version that is the default, the rest on all others in turn.
    shares = {version: SIZE // 2 if version == "1.36" else SIZE // 2 // (len(versions) - 1) for version in versions}
    for version, share in shares.items():
        original = Original(version, reference / "upstream" / "crds", files)
        maker = Maker(rng, definitions(version))
        kinds = sorted(core_kinds(version)) + (sorted(files) * 2 if version == "1.36" else [])
        known = [value for value in manifests if original.schema((value.get("apiVersion"), value.get("kind")))]
        objects: list[Any] = []
        while len(objects) < share:
            if rng.random() < 0.4:
                value = rng.choice(known)
            else:
                key = rng.choice(kinds)
                if NO_OBJECT.search(key[1]):
                    continue
                value = maker.object(key, original.schema(key) or {})
            objects.append(value)
            schema = original.schema((value["apiVersion"], value["kind"])) or {}
            objects += [
                at_the_edge(rng, value, schema, definitions(version)) or mutate(rng, value),
                at_the_edge(rng, value, schema, definitions(version)) or mutate(rng, value),
                mutate(rng, value),
                mutate(rng, mutate(rng, value)),
            ]
        compare(objects, original, tmp_path, count)
    sys.stdout.write(count.text() + "\n")
    assert not count.unexplained, show(count)
    # The comparison says something only when there is enough of both.
    assert count.valid > count.objects * 0.15, count.text()
    assert count.valid < count.objects * 0.85, count.text()


def test_every_disagreement_has_its_reason() -> None:
    text = (HERE / "disagreements.md").read_text()
    for name in ("null", "longer than 2,000 bytes", "Gateway address without type", "ClusterWorkflowTemplate"):
        assert f"## {name}" in text
