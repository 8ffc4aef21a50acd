"""The record of what a set owns: written and read back, damaged, lost, rebuilt, and kept small."""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlops_nix.cluster import history, inventory
from mlops_nix.cluster.connection import Cluster, connect
from mlops_nix.cluster.desired import digest, from_objects
from mlops_nix.cluster.history import History
from mlops_nix.cluster.inventory import KEPT_REVISIONS, Inventory, Pending, Ref, Revision, Store
from mlops_nix.cluster.plan import Policy
from mlops_nix.cluster.run import Options, apply
from mlops_nix.cluster.sets import listed, repair
from mlops_nix.errors import ClusterError, InputError

if TYPE_CHECKING:
    from tests.cluster.fakeapi import FakeCluster

Object = dict[str, Any]

words = st.text(alphabet="abcdef-.", min_size=1, max_size=10)
refs = st.builds(
    Ref,
    group=words,
    kind=words,
    version=words,
    namespace=st.one_of(st.just(""), words),
    name=words,
    wave=st.integers(0, 99),
    digest=st.one_of(st.just(""), st.binary(min_size=6, max_size=6).map(lambda raw: base64.b64encode(raw).decode())),
)
lists = st.lists(refs, max_size=6, unique_by=lambda ref: ref.key).map(lambda found: tuple(sorted(found)))
revisions = st.lists(st.builds(Revision, st.integers(1, 9), words, words, words, st.integers(0, 9)), max_size=3).map(
    tuple
)
inventories = st.builds(
    Inventory,
    set=words,
    revisions=revisions,
    refs=lists,
    pending=st.one_of(st.none(), st.builds(Pending, words, words, lists)),
    recovered=st.booleans(),
)


@given(inventories)
def test_what_is_written_is_read_back(given_one: Inventory) -> None:
    assert inventory.decode(inventory.encode(given_one)) == given_one


@given(inventories)
def test_equal_inventories_are_equal_bytes(given_one: Inventory) -> None:
    assert inventory.encode(given_one) == inventory.encode(inventory.decode(inventory.encode(given_one)))


@given(inventories)
def test_everything_that_may_be_on_the_cluster_is_owned(given_one: Inventory) -> None:
    pending = given_one.pending.refs if given_one.pending else ()
    assert set(given_one.owned) == {ref.key for ref in (*given_one.refs, *pending)}
    assert not set(given_one.digests()) & {ref.key for ref in pending}, "what is pending may not have been applied"


@given(inventories, st.data())
def test_damage_is_an_error_and_never_another_inventory(given_one: Inventory, data: st.DataObject) -> None:
    raw = bytearray(inventory.encode(given_one))
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(ValueError):
        assert inventory.decode(bytes(raw)) == given_one


def test_five_thousand_objects_fit_many_times() -> None:
    many = tuple(
        Ref("apps", "Deployment", "v1", f"team-{number % 40}", f"service-{number}", 55, digest({"n": number}))
        for number in range(5000)
    )
    assert len(inventory.encode(Inventory("acme", (), many))) < 100_000


@pytest.fixture
def cluster(fake: FakeCluster) -> Cluster:
    return connect(kubeconfig=str(fake.kubeconfig()))


def space(name: str = "ml") -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def settings(name: str, value: str = "1") -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "ml"},
        "data": {"v": value},
    }


def put(cluster: Cluster, *objects: Object, name: str = "acme", **options: Any) -> Any:
    return apply(
        cluster, from_objects(name, objects), Options(Policy(name, **options.pop("policy", {})), timeout=20, **options)
    )


def test_a_write_that_somebody_overtook_is_refused(cluster: Cluster) -> None:
    put(cluster, space())
    store = Store(cluster.api, "acme", "mlops-nix-system")
    first, second = store.read(), store.read()
    assert first is not None
    assert second is not None
    store.write(
        Inventory("acme", refs=(Ref("", "ConfigMap", "v1", "ml", "a", 20),), resource_version=first.resource_version)
    )
    with pytest.raises(ClusterError, match="somebody else"):
        store.write(second)


def test_a_set_in_one_namespace_keeps_its_inventory_there(cluster: Cluster) -> None:
    put(cluster, space(), name="spaces")
    put(cluster, settings("a"), shared_namespaces=("ml",))
    assert {(known.name, known.namespace) for known in listed(cluster)} == {
        ("spaces", "mlops-nix-system"),
        ("acme", "ml"),
    }


def test_an_inventory_is_found_although_the_set_changed_its_shape(cluster: Cluster) -> None:
    put(cluster, space(), name="spaces")
    put(cluster, settings("a"), shared_namespaces=("ml",))
    report = put(cluster, space("other"), settings("b"), shared_namespaces=("ml",))
    assert {result.ref.name: result.action for result in report.results}["a"] == "pruned"
    assert [(known.name, known.namespace) for known in listed(cluster) if known.name == "acme"] == [("acme", "ml")]


def test_repair_finds_what_labels_and_managed_fields_prove(cluster: Cluster, fake: FakeCluster) -> None:
    put(cluster, space(), settings("a"), settings("b"))
    copied = settings("copied-label")
    copied["metadata"]["labels"] = {"mlops-nix.dev/set": "acme"}
    fake.state.put("v1", "ConfigMap", copied)
    fake.admin.delete("/api/v1/namespaces/mlops-nix-system/secrets/mlops-nix-acme")
    repaired = repair(cluster, "acme")
    assert sorted(ref.name for ref in repaired.refs) == ["a", "b", "ml"]
    assert repaired.number == 1, "the history tells which revisions there were"
    report = put(cluster, space(), settings("a"))
    assert {result.ref.name: result.action for result in report.results}["b"] == "pruned"


def test_history_keeps_ten_revisions_and_reads_each(cluster: Cluster) -> None:
    for number in range(KEPT_REVISIONS + 2):
        put(cluster, space(), settings("a", str(number)))
    kept = History(cluster.api, "acme", "mlops-nix-system")
    assert kept.numbers() == list(range(3, KEPT_REVISIONS + 3))
    assert kept.read(3).items[1].object["data"] == {"v": "2"}
    with pytest.raises(InputError, match="revision 2"):
        kept.read(2)


def test_a_set_too_large_for_one_secret_is_kept_in_parts(cluster: Cluster) -> None:
    import random

    put(cluster, space("mlops-nix-system"), name="home")
    source = random.Random(1)
    noise = [
        settings(str(number), "".join(source.choices("0123456789abcdefghijklmnopqrstuvwxyz", k=500_000)))
        for number in range(4)
    ]
    desired = from_objects("acme", noise)
    kept = History(cluster.api, "acme", "mlops-nix-system")
    kept.keep(1, desired)
    assert len(history.encode(desired)) > 1_000_000
    assert kept.read(1).items == desired.items
