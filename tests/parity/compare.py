"""Compare what the library renders with what an upstream project ships, object by object.

A reference is a YAML stream in the folder that the environment variable ``MLOPS_NIX_REFERENCE`` names (default:
``../shared`` beside the checkout). Both sides are read as the API server would read them: defaults filled in by the
server count as written, RBAC rules are sets of rights, YAML or JSON inside a ConfigMap is compared as data.

Every difference is either a failure or explained by a row of a list that people can read::

    - objects: Deployment/*
      paths: spec.template.spec.containers[*].securityContext.readOnlyRootFilesystem
      reason: hardening; the program writes nothing but /tmp

``*`` stands for anything. ``paths`` left out means the whole object: made by one side only. ``variants`` limits a row
to some of the references; a row that explains nothing in one of its variants is a failure, too.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = Path(os.environ.get("MLOPS_NIX_REFERENCE", ROOT.parent / "shared"))

Json = Any
Object = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Difference:
    """One place in which an object is not as upstream's; ``MISSING`` where a side has nothing there."""

    object: str
    path: str
    ours: Json
    upstream: Json

    def __str__(self) -> str:
        place = f"{self.object}: {self.path}" if self.path else self.object
        return f"{place}\n    ours     {_shown(self.ours)}\n    upstream {_shown(self.upstream)}"


class _Missing:
    def __repr__(self) -> str:
        return "(nothing)"


MISSING = _Missing()


def _shown(value: Json) -> str:
    text = repr(value) if value is MISSING else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:197]}…"


@dataclasses.dataclass(frozen=True)
class Explanation:
    """A row of the list: which differences are meant, and why they are."""

    objects: str
    paths: str
    reason: str
    variants: tuple[str, ...] | None = None

    def matches(self, difference: Difference) -> bool:
        return bool(
            _pattern(self.objects).fullmatch(difference.object) and _pattern(self.paths).fullmatch(difference.path)
        )

    def __str__(self) -> str:
        return f"{self.objects}: {self.paths or '(whole object)'}"


@functools.cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in text.split("*")), re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What comparing one variant gave. Counts are of objects, by the names that either side uses."""

    variant: str
    equal: int
    labels: int
    explained: int
    ours_only: int
    upstream_only: int
    unexplained: tuple[Difference, ...]
    idle: tuple[Explanation, ...]

    def __str__(self) -> str:
        return (
            f"{self.variant}: {self.equal} equal, {self.labels} equal but for labels, {self.explained} differ as listed, "
            f"{self.ours_only} only ours, {self.upstream_only} only upstream's, {len(self.unexplained)} differences not listed"
        )

    def problems(self) -> list[str]:
        """Unlisted differences, and rows that explain nothing any more."""
        return [f"not listed: {difference}" for difference in self.unexplained] + [
            f"listed, but does not occur any more: {row}" for row in self.idle
        ]


def reference(name: str) -> list[Object]:
    """Upstream's objects of a file in ``rendered/``; skips the test where the folder is absent."""
    path = REFERENCE / "upstream" / "rendered" / name
    if not path.is_file():
        pytest.skip(f"{path} is not here; set MLOPS_NIX_REFERENCE to the folder that holds upstream/")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return _without_hashes([item for item in yaml.load_all(path.read_text(), Loader=loader) if item])


def _without_hashes(objects: list[Object]) -> list[Object]:
    """Objects with the names of generated ConfigMaps as their author wrote them: kustomize appends a hash."""
    text = json.dumps(objects)
    for item in objects:
        name = item["metadata"]["name"]
        hashed = re.fullmatch(r"(.+)-[2456789bcdfghkmt]{10}", name)
        if hashed and item["kind"] in {"ConfigMap", "Secret"}:
            text = text.replace(json.dumps(name), json.dumps(hashed[1]))
    plain: list[Object] = json.loads(text)
    return plain


def rendered(expression: str) -> list[Object]:
    """Objects of a Nix expression in which ``mlops`` is the library."""
    code = f"let mlops = import {ROOT}/lib {{ }}; in {expression}"
    done = subprocess.run(
        ["nix-instantiate", "--eval", "--strict", "--json", "-E", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    objects: list[Object] = json.loads(done.stdout)
    return objects


def explanations(path: Path) -> list[Explanation]:
    """The rows of a list of differences."""
    return [
        Explanation(
            objects=row["objects"],
            paths=row.get("paths", ""),
            reason=row["reason"].strip(),
            variants=tuple(row["variants"]) if "variants" in row else None,
        )
        for row in yaml.safe_load(path.read_text())
    ]


def compare(
    variant: str, ours: Iterable[Object], upstream: Iterable[Object], listed: Sequence[Explanation]
) -> Comparison:
    """Compare two sets of objects and sort every difference into listed and not listed."""
    mine, theirs = _by_name(ours), _by_name(upstream)
    rows = [row for row in listed if row.variants is None or variant in row.variants]
    used: set[int] = set()
    unexplained: list[Difference] = []
    counts = {"equal": 0, "labels": 0, "explained": 0, "ours": 0, "upstream": 0}
    for name in sorted(mine.keys() | theirs.keys()):
        if name not in theirs:
            counts["ours"] += 1
            found = [Difference(name, "", "made", MISSING)]
        elif name not in mine:
            counts["upstream"] += 1
            found = [Difference(name, "", MISSING, "made")]
        else:
            found = list(_walk(name, "", normal(mine[name]), normal(theirs[name])))
            labels = all("metadata.labels." in difference.path for difference in found)
            counts["equal" if not found else "labels" if labels else "explained"] += 1
        for difference in found:
            by = [index for index, row in enumerate(rows) if row.matches(difference)]
            used.update(by)
            if not by:
                unexplained.append(difference)
    idle = [row for index, row in enumerate(rows) if index not in used]
    return Comparison(
        variant,
        counts["equal"],
        counts["labels"],
        counts["explained"],
        counts["ours"],
        counts["upstream"],
        tuple(unexplained),
        tuple(idle),
    )


def _by_name(objects: Iterable[Object]) -> dict[str, Object]:
    named: dict[str, Object] = {}
    for item in objects:
        name = f"{item['kind']}/{item['metadata']['name']}"
        assert name not in named, f"{name} is there twice"
        named[name] = item
    return named


# What the API server fills in when it is left out, by the field's name or by the last fields of its path.
_DEFAULTS: dict[str, Json] = {
    "protocol": "TCP",
    "fieldRef.apiVersion": "v1",
    "httpGet.scheme": "HTTP",
    "successThreshold": 1,
    "failureThreshold": 3,
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "initialDelaySeconds": 0,
    "readOnly": False,
    "optional": False,
    "privileged": False,
    "replicas": 1,
    "restartPolicy": "Always",
    "sessionAffinity": "None",
    "automountServiceAccountToken": True,
    "enableServiceLinks": True,
    "scope": "*",
    "updateStrategy.type": "RollingUpdate",
}


def normal(item: Object) -> Json:
    """An object with the server's defaults left out and its lists keyed, so that it compares as what it means."""
    return _normal(item, (), item)


def _normal(value: Json, path: tuple[str, ...], item: Object) -> Json:
    if isinstance(value, dict):
        if path[-1:] in {("httpGet",), ("tcpSocket",)}:
            value = {**value, "port": _port_numbers(item).get(value.get("port"), value.get("port"))}
        if "matchExpressions" in value:
            value = _labels_of_expressions(value)
        result = {
            key: _normal(inner, (*path, key), item)
            for key, inner in value.items()
            if inner is not None and not _is_default(value, key, inner, path, item)
        }
        # An environment variable without a value is one with an empty value.
        if path[-1:] == ("env",) and result.get("value") == "":
            del result["value"]
        return result
    if isinstance(value, list):
        return _normal_list(value, path, item)
    if isinstance(value, str) and path[:1] == ("data",) and len(path) == 2:
        return _document(value)
    if isinstance(value, int) and path[-2:-1] in {("limits",), ("requests",)}:
        return str(value)
    return value


def _port_numbers(item: Object) -> dict[Json, int]:
    """The numbers of the ports that containers of an object have names for."""
    spec = item.get("spec", {}).get("template", {}).get("spec", {})
    ports = [port for container in spec.get("containers", []) for port in container.get("ports", [])]
    return {port["name"]: port["containerPort"] for port in ports if "name" in port}


def _labels_of_expressions(selector: Object) -> Object:
    """A label that must be in a list of one is a label that must be equal."""
    rest = [e for e in selector["matchExpressions"] if e["operator"] != "In" or len(e["values"]) != 1]
    single = {e["key"]: e["values"][0] for e in selector["matchExpressions"] if e not in rest}
    labels = {**selector.get("matchLabels", {}), **single}
    return {**selector, "matchExpressions": rest, "matchLabels": labels}


def _is_default(parent: Mapping[str, Json], key: str, value: Json, path: tuple[str, ...], item: Object) -> bool:
    if isinstance(value, (dict, list)):
        return not value and item["kind"] not in {"NetworkPolicy", "AuthorizationPolicy"}
    if path[:1] == ("data",):
        return False
    tail = f"{path[-1]}.{key}" if path else key
    if (tail in _DEFAULTS and value == _DEFAULTS[tail]) or (key in _DEFAULTS and value == _DEFAULTS[key]):
        return True
    if key == "apiGroup":
        return value in ("", "rbac.authorization.k8s.io")
    if key == "targetPort" and item["kind"] == "Service":
        return bool(value == parent.get("port"))
    if key == "type" and item["kind"] == "Service":
        return bool(value == "ClusterIP")
    if key == "imagePullPolicy":
        floating = not re.search(r":[^/:]+$|@", parent.get("image", "")) or parent.get("image", "").endswith(":latest")
        return bool(value == ("Always" if floating else "IfNotPresent"))
    if key == "action" and item["kind"] == "AuthorizationPolicy":
        return bool(value == "ALLOW")
    if key == "namespace" and path[:1] == ("subjects",):
        return bool(value == item["metadata"].get("namespace"))
    return False


def _document(text: str) -> Json:
    """YAML or JSON that stands in a ConfigMap, as data; any other text as it is."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return data if isinstance(data, (dict, list)) else text


# Lists whose items are told apart by a field; the first that all items have, and have once.
_KEYS = ("containerPort", "port", "mountPath", "name", "path", "topologyKey")


def _normal_list(items: list[Json], path: tuple[str, ...], root: Object) -> Json:
    if path == ("rules",) and root["kind"] in ("Role", "ClusterRole"):
        return dict.fromkeys(_rights(items), True)
    inner = [_normal(item, path, root) for item in items]
    if inner and all(isinstance(item, dict) for item in inner):
        for key in _KEYS:
            keys = [item.get(key) for item in inner]
            if None not in keys and len(set(map(str, keys))) == len(keys):
                return {f"[{item[key]}]": item for item in inner}
    return inner


def _rights(rules: list[Json]) -> Iterator[str]:
    for rule in rules:
        names = f" {','.join(rule['resourceNames'])}" if "resourceNames" in rule else ""
        for group in rule.get("apiGroups", ["-"]):
            for resource in rule.get("resources", []) + rule.get("nonResourceURLs", []):
                for verb in rule["verbs"]:
                    yield f"[{verb} {group}/{resource}{names}]"


def _walk(name: str, path: str, ours: Json, upstream: Json) -> Iterator[Difference]:
    if isinstance(ours, dict) and isinstance(upstream, dict):
        for key in sorted(ours.keys() | upstream.keys(), key=str):
            inner = f"{path}{key}" if str(key).startswith("[") or not path else f"{path}.{key}"
            yield from _walk(name, inner, ours.get(key, MISSING), upstream.get(key, MISSING))
    elif isinstance(ours, list) and isinstance(upstream, list) and len(ours) == len(upstream):
        for index, (mine, theirs) in enumerate(zip(ours, upstream, strict=True)):
            yield from _walk(name, f"{path}[{index}]", mine, theirs)
    elif ours is MISSING and isinstance(upstream, dict) and upstream:
        for key, value in upstream.items():
            inner = f"{path}{key}" if str(key).startswith("[") else f"{path}.{key}"
            yield from _walk(name, inner, MISSING, value)
    elif upstream is MISSING and isinstance(ours, dict) and ours:
        for key, value in ours.items():
            inner = f"{path}{key}" if str(key).startswith("[") else f"{path}.{key}"
            yield from _walk(name, inner, value, MISSING)
    elif type(ours) is not type(upstream) or ours != upstream:
        yield Difference(name, path, ours, upstream)
