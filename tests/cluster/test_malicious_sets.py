"""Sets that are broken or meant to harm: one clear error before the first write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.cluster.fakeapi import writes
from tests.cluster.objects import Object, config_map, deployment, namespace, secret, set_document
from tests.cluster.user import ok

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.fakeapi import FakeCluster
    from tests.cluster.user import User


def written(fake: FakeCluster) -> list[str]:
    return [
        str(entry.request)
        for entry in fake.server.log
        if writes(entry.request) and "/selfsubject" not in entry.request.path
    ]


def named(name: str) -> Object:
    return config_map(name)


def in_namespace(where: str) -> Object:
    item = config_map("a")
    item["metadata"]["namespace"] = where
    return item


def without_name() -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}}


BROKEN = {
    "slash in a name": (named("a/b"), "metadata.name"),
    "dots": (named(".."), "metadata.name"),
    "percent": (named("a%2fb"), "metadata.name"),
    "control characters": (named("a\nb"), "metadata.name"),
    "escape sequence": (named("a\x1b[31mred"), "metadata.name"),
    "very long name": (named("a" * 300), "metadata.name"),
    "path in a namespace": (in_namespace("../../apis"), "metadata.namespace"),
    "no name": (without_name(), "name"),
    "no kind": ({"apiVersion": "v1", "metadata": {"name": "a"}}, "kind"),
    "unknown kind": ({"apiVersion": "no.such/v1", "kind": "Thing", "metadata": {"name": "a"}}, "Thing"),
    "too much data": (config_map("big", {"k": "x" * 2_000_000}), "1,048,576"),
    "too many annotations": (
        {**config_map("n"), "metadata": {"name": "n", "annotations": {"a": "x" * 300_000}}},
        "annotations",
    ),
    "a cluster-scoped object in a namespace": (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x", "namespace": "ml"}},
        "cluster-scoped",
    ),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_object_is_refused_before_the_first_write(name: str, fake: FakeCluster, user: User) -> None:
    item, word = BROKEN[name]
    done = user.apply([namespace("ml"), config_map("good"), item])
    assert done.code == 3, str(done)
    assert word in done.text, str(done)
    assert "\x1b" not in done.text, "an escape sequence reaches the terminal"
    assert "Traceback" not in done.text
    assert not written(fake)


def test_the_same_object_twice(fake: FakeCluster, user: User) -> None:
    done = user.apply([namespace("ml"), config_map("a", {"k": "1"}), config_map("a", {"k": "2"})])
    assert done.code == 3, str(done)
    assert "twice" in done.text
    assert not written(fake)


def test_invalid_utf8_in_a_set(fake: FakeCluster, user: User) -> None:
    document = json.dumps(set_document("acme", [namespace("ml"), config_map("a", {"k": "VALUE"})]))
    path = user.folder / "acme.json"
    path.write_bytes(document.encode().replace(b"VALUE", b"\xff\xfe"))
    done = user.run("apply", path)
    assert done.code == 3, str(done)
    assert "Traceback" not in done.text
    assert not written(fake)


def test_a_lone_surrogate_in_a_set(fake: FakeCluster, user: User) -> None:
    done = user.apply([namespace("ml"), config_map("a", {"k": "\ud800"})])
    assert done.code == 3, str(done)
    assert "Traceback" not in done.text
    assert not written(fake)


def test_an_object_of_another_set_is_not_taken(fake: FakeCluster, user: User) -> None:
    ok(user.apply([namespace("ml"), config_map("theirs", {"k": "1"})], name="theirs"))
    fake.server.reset_log()
    done = user.apply([config_map("theirs", {"k": "2"})], name="acme")
    assert done.code == 4, str(done)
    assert "theirs" in done.text
    live = fake.state.find("ConfigMap", "theirs", "ml")
    assert live
    assert live["data"] == {"k": "1"}


def test_an_object_of_another_set_is_not_pruned(fake: FakeCluster, user: User) -> None:
    ok(user.apply([namespace("ml"), config_map("moves", {"k": "1"}), config_map("stays")]))
    live = fake.state.find("ConfigMap", "moves", "ml")
    assert live
    live["metadata"]["labels"]["mlops-nix.dev/set"] = "theirs"
    fake.state.put("v1", "ConfigMap", live)
    done = user.apply([namespace("ml"), config_map("stays")])
    assert fake.state.find("ConfigMap", "moves", "ml"), str(done)


def test_namespaces_and_claims_are_not_pruned_unasked(fake: FakeCluster, user: User) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    ok(user.apply([namespace("ml"), namespace("side"), claim, config_map("a")]))
    ok(user.apply([config_map("a")]))
    assert fake.state.find("Namespace", "ml")
    assert fake.state.find("Namespace", "side")
    assert fake.state.find("PersistentVolumeClaim", "data", "ml")


def test_five_thousand_objects(user: User) -> None:
    items = [namespace("ml"), *(config_map(f"c{number}", {"k": "v"}) for number in range(5000))]
    items[2500]["metadata"]["name"] = "Not_A_Name"
    done = user.apply(items, "--timeout", "100", seconds=150)
    assert done.code in (3, 4), str(done)[:3000]
    assert "Not_A_Name" in done.text
    assert len(done.text) < 5_000_000


def test_a_secret_given_in_plain_is_not_printed_by_an_error(user: User) -> None:
    item = secret("s", {"k": "plain-text-password"})
    item["metadata"]["name"] = "a/b"
    done = user.apply([namespace("ml"), item, deployment("app")])
    assert done.code == 3, str(done)
    assert "plain-text-password" not in done.text


def test_a_set_with_a_name_that_is_a_path(fake: FakeCluster, user: User, tmp_path: Path) -> None:
    path = tmp_path / "set.json"
    path.write_text(json.dumps(set_document("../../etc", [namespace("ml")])))
    done = user.run("apply", path)
    assert done.code == 3, str(done)
    assert not written(fake)
