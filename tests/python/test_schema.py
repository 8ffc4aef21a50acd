"""Schemas: every kind compiles, verdict and words agree, messages say path, expected, found and nearest."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlops_nix import schema
from mlops_nix.errors import InputError
from mlops_nix.explain import describe
from mlops_nix.schema import Schemas, choose_version, schema_folder, versions, write_kubeconform_schemas
from mlops_nix.yamlio import read_objects

if TYPE_CHECKING:
    from pathlib import Path

POD = {
    "containers": [
        {
            "name": "web",
            "image": "a:1",
            "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}],
            "env": [
                {"name": "A", "value": "b"},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}},
            ],
            "resources": {"limits": {"cpu": 1, "memory": "2Gi", "nvidia.com/gpu": 1}},
            "livenessProbe": {"httpGet": {"path": "/", "port": "http"}},
        }
    ],
    "volumes": [{"name": "a", "configMap": {"name": "b", "defaultMode": 420}}],
}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"a": "b"}, "creationTimestamp": None},
    "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {"spec": POD}},
}
SERVING = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {"name": "iris"},
    "spec": {"predictor": {"minReplicas": 1, "model": {"modelFormat": {"name": "sklearn"}, "storageUri": "s3://a/b"}}},
}


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    return Schemas()


def changed(base: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """Copy an object with one field set; `...` removes it."""
    result = copy.deepcopy(base)
    target: Any = result
    for step in path[:-1]:
        target = target[step]
    if value is ...:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return result


TEMPLATE = ("spec", "template", "spec")
CONTAINER = (*TEMPLATE, "containers", 0)
C = "spec.template.spec.containers[0]"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("spec", "replicas"), "2", 'spec.replicas: expected an integer, found the string "2"; drop the quotes'),
        (("spec", "replicas"), 1.5, "spec.replicas: expected an integer, found the number 1.5"),
        (("spec", "replicas"), 2**40, "spec.replicas: expected an integer of 32 bits, found 1099511627776"),
        (("spec", "paused"), "yes", 'spec.paused: expected true or false, found the string "yes"; did you mean true?'),
        (("spec", "replica"), 1, "spec.replica: unknown field; did you mean replicas?"),
        (("spec", "selector"), ..., "spec.selector: required field is missing; expected a map"),
        (("spec", "selector"), [], "spec.selector: expected a map, found a list"),
        (("metadata", "labels", "v"), 1.5, "metadata.labels[v]: expected a string, found the number 1.5; quote it"),
        (
            ("metadata", "creationTimestamp"),
            "soon",
            "metadata.creationTimestamp: expected a time such as 2006-01-02T15:04:05Z",
        ),
        ((*CONTAINER, "imge"), "a", f"{C}.imge: unknown field; did you mean image?"),
        ((*CONTAINER, "env"), {"A": "b"}, f"{C}.env: expected a list, found a map"),
        ((*CONTAINER, "env", 1), None, f"{C}.env[1]: expected a map, found null"),
        ((*CONTAINER, "env", 1, "name"), "A", f'{C}.env[1]: duplicate entry name="A": also at index 0'),
        (
            (*CONTAINER, "ports", 1, "protocol"),
            "TCP",
            f'{C}.ports[1]: duplicate entry containerPort=80, protocol="TCP": also at index 0',
        ),
        (
            (*CONTAINER, "resources", "limits", "memory"),
            "2GB",
            f'{C}.resources.limits[memory]: expected a quantity such as 500m or 2Gi, found the string "2GB"; did you mean 2G or 2Gi?',
        ),
        (
            (*CONTAINER, "livenessProbe", "httpGet", "port"),
            True,
            "httpGet.port: expected an integer or a string, found true",
        ),
        ((*TEMPLATE, "containers"), ..., "spec.template.spec.containers: required field is missing; expected a list"),
        ((*TEMPLATE, "containers"), None, "spec.template.spec.containers: expected a list, found null"),
        (
            (*TEMPLATE, "volumes", 0, "name"),
            ...,
            "spec.template.spec.volumes[0].name: required field is missing; expected a string",
        ),
    ],
)
def test_a_mistake_is_explained_with_path_expected_found_and_nearest(
    schemas: Schemas, path: tuple[str | int, ...], value: Any, message: str
) -> None:
    problems = schemas.explain(changed(DEPLOYMENT, path, value))
    assert any(message in f"{one.path}: {one.message}" for one in problems), problems


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "replicas"), None),
        (("spec", "replicas"), 2.0),
        ((*CONTAINER, "env"), None),
        ((*CONTAINER, "resources", "limits", "memory"), 1e9),
        ((*CONTAINER, "ports", 1, "containerPort"), 81),
        (("status",), {"replicas": 1}),
    ],
)
def test_what_the_api_server_takes_is_valid(schemas: Schemas, path: tuple[str | int, ...], value: Any) -> None:
    good = changed(DEPLOYMENT, path, value)
    assert schemas.explain(good) == []
    assert schemas.is_valid(good) is True


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("spec", "predictor", "minReplcas"), 1, "spec.predictor.minReplcas: unknown field; did you mean minReplicas?"),
        (
            ("spec", "predictor", "model", "modelFormat", "name"),
            ...,
            "spec.predictor.model.modelFormat.name: required field is missing",
        ),
        (("spec", "predictor", "scaleMetric"), "cpus", "expected one of"),
    ],
)
def test_custom_kinds_are_checked_too(schemas: Schemas, path: tuple[str | int, ...], value: Any, message: str) -> None:
    assert schemas.explain(SERVING) == []
    problems = schemas.explain(changed(SERVING, path, value))
    assert any(message in f"{one.path}: {one.message}" for one in problems), problems


def test_an_unknown_kind_is_neither_valid_nor_invalid(schemas: Schemas) -> None:
    unknown = {"apiVersion": "a.io/v1", "kind": "A", "metadata": {"name": "a"}}
    assert schemas.is_valid(unknown) is None
    assert schemas.explain(unknown) == []


@pytest.mark.parametrize("version", [versions()[0], versions()[-1], schema.default_version()])
def test_every_kind_of_a_version_compiles_and_is_closed(version: str) -> None:
    own = Schemas(version)
    for kind in own.kinds():
        document = own.json_schema(kind.api_version, kind.kind)
        text = json.dumps(document)
        assert '"$id"' not in text
        assert all(part.startswith("#/$defs/") for part in _references(document)), kind
        verdict = own.is_valid({"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": 3}})
        assert verdict is False, kind


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [one for child in value.values() for one in _references(child)]
    return [one for child in value for one in _references(child)] if isinstance(value, list) else []


def _places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, child in children for place in [(*path, key), *_places(child, (*path, key))]]


WRONG = st.sampled_from([None, True, 0, -1, 2**40, 1.5, "", "x", "2", [], [None], {}, {"x": 1}, ...])


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(base=st.sampled_from([DEPLOYMENT, SERVING]), data=st.data())
def test_verdict_words_and_a_second_validator_agree(
    schemas: Schemas, base: dict[str, Any], data: st.DataObject
) -> None:
    places = [place for place in _places(base) if place[0] not in {"apiVersion", "kind"}]
    mutant = changed(base, data.draw(st.sampled_from(places)), data.draw(WRONG))
    verdict = schemas.is_valid(mutant)
    problems = schemas.explain(mutant)
    assert bool(problems) is not verdict
    if not _second_validator(base["kind"]).is_valid(mutant):
        assert verdict is False
    elif verdict is False:  # what JSON Schema cannot say, or that validator does not look at: formats
        assert all(one.check == "list-duplicates" or "expected a time" in one.message for one in problems), problems


_SECOND: dict[str, Any] = {}


def _second_validator(kind: str) -> Any:
    if kind not in _SECOND:
        base = DEPLOYMENT if kind == "Deployment" else SERVING
        _SECOND[kind] = jsonschema.Draft202012Validator(Schemas().json_schema(base["apiVersion"], kind))
    return _SECOND[kind]


def test_upstream_objects_are_valid_but_for_one_known_mistake(reference: Path) -> None:
    own = Schemas()
    objects = []
    for file in sorted((reference / "upstream" / "rendered").glob("*.yaml")):
        if "hub-secret-values" not in file.name:  # values of a chart, no manifest
            objects += read_objects([file])
    own.add_crds(objects)
    wrong = [(one["kind"], one["metadata"]["name"], own.explain(one)) for one in objects if own.is_valid(one) is False]
    # KServe's own sample has a field of v1alpha2.
    assert [(kind, name) for kind, name, _ in wrong] == [("InferenceService", "rollout-strategy-example")]


CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Cluster",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["spec"],
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["size"],
                                "properties": {
                                    "size": {"type": "integer", "minimum": 1, "maximum": 9},
                                    "mode": {"type": "string", "enum": ["fast", "slow"]},
                                    "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 4},
                                    "port": {"x-kubernetes-int-or-string": True},
                                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                                    "tags": {
                                        "type": "array",
                                        "x-kubernetes-list-type": "set",
                                        "items": {"type": "string"},
                                    },
                                    "parts": {
                                        "type": "array",
                                        "x-kubernetes-list-type": "map",
                                        "x-kubernetes-list-map-keys": ["id"],
                                        "items": {"type": "object", "properties": {"id": {"type": "string"}}},
                                    },
                                    "inner": {
                                        "type": "object",
                                        "x-kubernetes-embedded-resource": True,
                                        "x-kubernetes-preserve-unknown-fields": True,
                                        "properties": {"apiVersion": {"type": "string"}},
                                    },
                                    "odd": {
                                        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
                                        "type": "object",
                                        "x-kubernetes-preserve-unknown-fields": True,
                                    },
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {
                "size": 1,
                "mode": "fast",
                "name": "ab",
                "port": "http",
                "free": {"x": [1]},
                "tags": ["a"],
                "parts": [{"id": "a"}],
            },
            None,
        ),
        ({"size": 1, "inner": {"apiVersion": "v1", "kind": "Pod", "spec": {}}}, None),
        ({"size": 1, "mode": None}, None),
        ({}, "spec.size: required field is missing; expected an integer"),
        ({"size": 10}, "spec.size: expected at most 9, found 10"),
        ({"size": 0}, "spec.size: expected at least 1, found 0"),
        (
            {"size": 1, "mode": "fst"},
            'spec.mode: expected one of fast, slow, found the string "fst"; did you mean fast?',
        ),
        ({"size": 1, "name": "ABC"}, "spec.name: expected a text that matches ^[a-z]+$"),
        ({"size": 1, "name": "abcde"}, "spec.name: expected at most 4 characters, found 5"),
        ({"size": 1, "port": 1.5}, "spec.port: expected an integer or a string"),
        ({"size": 1, "tags": ["a", "a"]}, 'spec.tags[1]: duplicate entry "a": also at index 0'),
        ({"size": 1, "parts": [{"id": "a"}, {"id": "a"}]}, 'spec.parts[1]: duplicate entry id="a": also at index 0'),
        ({"size": 1, "inner": {"spec": {}}}, "spec.inner.apiVersion: required field is missing"),
        ({"size": 1, "sise": 2}, "spec.sise: unknown field; did you mean size?"),
        ({"size": 1, "odd": {}}, "spec.odd: "),
    ],
)
def test_the_crds_of_the_user_are_understood(spec: dict[str, Any], message: str | None) -> None:
    own = Schemas()
    assert own.add_crds([CRD, DEPLOYMENT]) == 1
    assert own.scope("example.com", "v1", "Widget") == "Cluster"
    problems = own.explain({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": spec})
    if message is None:
        assert problems == []
    else:
        assert any(message in f"{one.path}: {one.message}" for one in problems), problems


def test_a_crd_whose_pattern_cannot_be_compiled_is_one_clear_error() -> None:
    broken = changed(
        CRD,
        ("spec", "versions", 0, "schema", "openAPIV3Schema", "properties", "spec", "properties", "name", "pattern"),
        "(",
    )
    own = Schemas()
    own.add_crds([broken])
    with pytest.raises(InputError, match="Widget: its schema cannot be used"):
        own.is_valid({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": {}})


@pytest.mark.parametrize(
    ("wanted", "chosen"), [("1.36", "1.36"), ("v1.34", "1.34"), ("1.35.2", "1.35"), (None, "1.36")]
)
def test_a_version_is_chosen(wanted: str | None, chosen: str) -> None:
    assert choose_version(wanted) == chosen


@pytest.mark.parametrize("wanted", ["1.9", "latest", "36", "", "1.36x"])
def test_an_unknown_version_names_the_known_ones(wanted: str) -> None:
    with pytest.raises(InputError, match=r"expected one of 1\.30, .*1\.37"):
        choose_version(wanted)


def test_a_field_of_a_newer_version_is_unknown_in_an_older_one() -> None:
    # resources at the level of the pod came with 1.32.
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a"},
        "spec": {**POD, "resources": {"limits": {"cpu": 1}}},
    }
    assert Schemas("1.36").is_valid(pod) is True
    assert [one.path for one in Schemas("1.30").explain(pod)] == ["spec.resources"]


def test_schemas_for_kubeconform_have_the_layout_that_it_looks_for(tmp_path: Path, schemas: Schemas) -> None:
    count = write_kubeconform_schemas(tmp_path, schemas=schemas)
    files = sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.json"))
    assert len(files) == count == len(schemas.kinds())
    assert {
        "v1/configmap_v1.json",
        "apps/deployment_v1.json",
        "serving.kserve.io/inferenceservice_v1beta1.json",
    } <= set(files)
    document = json.loads((tmp_path / "v1" / "configmap_v1.json").read_text())
    jsonschema.Draft202012Validator.check_schema(document)


def test_missing_schemas_are_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schema_folder.cache_clear()
    monkeypatch.setenv("MLOPS_NIX_SCHEMAS", str(tmp_path))
    try:
        with pytest.raises(InputError, match="no API schemas found") as caught:
            Schemas()
        assert "make generate" in str(caught.value.hint)
        (tmp_path / "index.json").write_text('{"format": "other"}')
        with pytest.raises(InputError, match="found other"):
            Schemas()
        (tmp_path / "index.json").write_text("{")
        with pytest.raises(InputError, match="broken JSON"):
            Schemas()
    finally:
        schema_folder.cache_clear()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1, "the number 1"),
        ("a", 'the string "a"'),
        ("x" * 99, 'the string "' + "x" * 57 + '..."'),
        ([], "a list"),
        ({}, "a map"),
    ],
)
def test_a_value_is_described_shortly(value: Any, text: str) -> None:
    assert describe(value) == text
