"""Reading managedFields: who owns what, and whether applying would change anything."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlops_nix.cluster import fields
from mlops_nix.cluster.desired import with_owner
from mlops_nix.cluster.quantity import parse, same_amount

if TYPE_CHECKING:
    from tests.cluster.fakeapi import FakeCluster

Object = dict[str, Any]


def live(obj: Object, owned: Object, *others: Object, **more: Any) -> Object:
    """An object on the cluster, whose fields `owned` are ours."""
    found = copy.deepcopy(obj)
    entry = {"manager": "mlops-nix", "operation": "Apply", "apiVersion": obj["apiVersion"], "fieldsV1": owned}
    found["metadata"]["managedFields"] = [entry, *others]
    found.update(more)
    return found


POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "x"}},
    "spec": {
        "containers": [{"name": "c", "image": "i:1", "ports": [{"containerPort": 80}], "args": ["--a"]}],
        "tolerations": [{"key": "gpu"}],
    },
}
PORT = 'k:{"containerPort":80,"protocol":"TCP"}'
OWNED: Object = {
    "f:metadata": {"f:labels": {"f:app.kubernetes.io/name": {}}},
    "f:spec": {
        "f:containers": {
            'k:{"name":"c"}': {
                ".": {},
                "f:name": {},
                "f:image": {},
                "f:args": {},
                "f:ports": {PORT: {".": {}, "f:containerPort": {}}},
            }
        },
        "f:tolerations": {},
    },
}


def defaulted() -> Object:
    """The pod as the server stores it: with defaults, also inside of what is owned as a whole."""
    found = live(POD, OWNED)
    found["spec"]["containers"][0]["ports"][0]["protocol"] = "TCP"
    found["spec"]["containers"][0]["imagePullPolicy"] = "IfNotPresent"
    return found


def test_an_object_whose_fields_and_values_are_there_is_settled() -> None:
    assert fields.settled(POD, defaulted(), known=False)


def test_defaults_inside_an_atomic_list_count_only_for_the_object_that_was_applied_last() -> None:
    found = defaulted()
    found["spec"]["tolerations"][0]["operator"] = "Exists"
    assert fields.settled(POD, found, known=True)
    assert not fields.settled(POD, found, known=False)


@pytest.mark.parametrize(
    "change",
    [
        lambda pod: pod["spec"]["containers"][0].update(image="i:2"),
        lambda pod: pod["spec"]["containers"][0].update(command=["x"]),
        lambda pod: pod["spec"]["containers"][0].pop("args"),
        lambda pod: pod["spec"]["containers"].append({"name": "d", "image": "i"}),
        lambda pod: pod["spec"].pop("tolerations"),
        lambda pod: pod["spec"]["tolerations"].append({"key": "cpu"}),
        lambda pod: pod["metadata"]["labels"].update(more="1"),
        lambda pod: pod["metadata"].update(annotations={"a": "b"}),
        lambda pod: pod["spec"]["containers"][0]["ports"].append({"containerPort": 81}),
        lambda pod: pod.update(apiVersion="v2"),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_any_change_of_the_set_is_seen(change: Any, known: bool) -> None:
    wanted = copy.deepcopy(POD)
    change(wanted)
    assert not fields.settled(wanted, defaulted(), known=known)


@pytest.mark.parametrize(
    "change",
    [
        lambda pod: pod["spec"]["containers"][0].update(image="by-hand"),
        lambda pod: pod["metadata"]["labels"].clear(),
        lambda pod: pod["spec"]["tolerations"].append({"key": "cpu"}),
        lambda pod: pod["metadata"]["managedFields"].clear(),
        lambda pod: pod["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:containers"]['k:{"name":"c"}'].pop(
            "f:image"
        ),
    ],
)
def test_any_change_of_the_cluster_is_seen(change: Any) -> None:
    found = defaulted()
    change(found)
    assert not fields.settled(POD, found, known=True)


def test_another_order_of_a_merged_list_is_a_change() -> None:
    wanted: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {},
        "spec": {"containers": [{"name": "a"}, {"name": "b"}]},
    }
    owned = {"f:spec": {"f:containers": {f'k:{{"name":"{name}"}}': {".": {}, "f:name": {}} for name in "ab"}}}
    assert fields.settled(wanted, live(wanted, owned), known=True)
    turned = copy.deepcopy(wanted)
    turned["spec"]["containers"].reverse()
    assert not fields.settled(turned, live(wanted, owned), known=True)


def test_paths_are_written_as_the_server_writes_them() -> None:
    written = {fields.text(path) for path in fields.paths(OWNED)}
    assert '.spec.containers[name="c"].ports[containerPort=80,protocol="TCP"].containerPort' in written
    assert ".metadata.labels.app.kubernetes.io/name" in written


def test_a_field_is_taken_out_with_the_maps_that_it_leaves_empty_and_nothing_else() -> None:
    path = ("f:metadata", "f:labels", "f:app.kubernetes.io/name")
    left = fields.without(POD, [path])
    assert "labels" not in left["metadata"]
    assert left["spec"] is POD["spec"]
    assert POD["metadata"]["labels"], "the object itself stays as it is"
    item = ("f:spec", "f:containers", 'k:{"name":"c"}', "f:image")
    assert "image" not in fields.without(POD, [item])["spec"]["containers"][0]


def test_replicas_that_an_autoscaler_wrote_are_left_to_it() -> None:
    wanted: Object = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"replicas": 2}}
    scaled = {
        "manager": "anything",
        "operation": "Update",
        "subresource": "scale",
        "fieldsV1": {"f:spec": {"f:replicas": {}}},
    }
    edited = {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    assert [path for path, _ in fields.yielded(wanted, live(wanted, {}, scaled))] == [("f:spec", "f:replicas")]
    assert fields.yielded(wanted, live(wanted, {}, edited)) == []


names = st.text(alphabet="abcdefgh.-/", min_size=1, max_size=8)
leaves = st.one_of(st.integers(0, 9), st.booleans(), st.text(max_size=6))
values = st.recursive(leaves, lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3), max_leaves=8)


def owned_of(value: Any) -> Object:
    """The fields that applying a value of maps and leaves owns."""
    if not isinstance(value, dict):
        return {}
    return {f"f:{name}": owned_of(inner) for name, inner in value.items()}


@given(st.dictionaries(names, values, min_size=1, max_size=4))
def test_what_was_applied_is_settled_and_every_path_leads_to_its_value(spec: Object) -> None:
    wanted: Object = {"apiVersion": "a.test/v1", "kind": "A", "metadata": {"name": "a"}, "spec": spec}
    found = live(wanted, {"f:spec": owned_of(spec)})
    assert fields.settled(wanted, found, known=False)
    for path in fields.paths(found["metadata"]["managedFields"][0]["fieldsV1"]):
        assert fields.lookup(found, path) is not fields.MISSING
        assert fields.lookup(fields.without(wanted, [path]), path) is fields.MISSING


@given(st.dictionaries(names, values, min_size=1, max_size=4), st.dictionaries(names, values, min_size=1, max_size=4))
def test_two_different_specs_are_never_taken_for_one(spec: Object, other: Object) -> None:
    wanted: Object = {"apiVersion": "a.test/v1", "kind": "A", "metadata": {"name": "a"}, "spec": spec}
    applied: Object = {"apiVersion": "a.test/v1", "kind": "A", "metadata": {"name": "a"}, "spec": other}
    assert fields.settled(wanted, live(applied, {"f:spec": owned_of(other)}), known=False) == (
        (spec == other and repr(spec) == repr(other)) or _same(spec, other)
    )


def _same(first: Any, second: Any) -> bool:
    """Equal as JSON: order of keys apart, and true is not 1."""
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_same(first[name], second[name]) for name in first)
    return bool(first == second and isinstance(first, bool) == isinstance(second, bool))


def test_the_fields_that_a_server_writes_are_understood(fake: FakeCluster) -> None:
    wanted = with_owner(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "a", "namespace": "default"},
            "spec": {
                "selector": {"matchLabels": {"app": "a"}},
                "template": {
                    "metadata": {"labels": {"app": "a"}},
                    "spec": {
                        "containers": [
                            {
                                "name": "c",
                                "image": "i",
                                "env": [{"name": "A", "value": "1"}],
                                "ports": [{"containerPort": 8}],
                            }
                        ]
                    },
                },
            },
        },
        "acme",
    )
    path = "/apis/apps/v1/namespaces/default/deployments/a"
    fake.admin.apply(path, wanted, fieldManager="mlops-nix")
    assert fields.settled(wanted, fake.admin.get(path).body, known=True)


@pytest.mark.parametrize(
    ("field", "first", "second", "same"),
    [
        ("cpu", "500m", "0.5", True),
        ("cpu", 1, "1000m", True),
        ("memory", "1Gi", "1024Mi", True),
        ("memory", "1G", "1Gi", False),
        ("nvidia.com/gpu", 1, "1", True),
        ("storage", "1e3", "1k", True),
        ("command", "1", "1000m", False),
        ("cpu", "half", "0.5", False),
    ],
)
def test_two_spellings_of_one_amount(field: str, first: Any, second: Any, same: bool) -> None:
    assert same_amount(field, first, second) is same


@given(st.text(max_size=8))
def test_any_text_is_a_quantity_or_none(text: str) -> None:
    parse(text)
