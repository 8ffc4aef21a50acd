"""Silencing: per object and per call, never without a reason, never in vain, never more than asked."""

from __future__ import annotations

import pytest
from mlops_nix.documents import Position
from mlops_nix.errors import InputError
from mlops_nix.findings import Ignore, all_checks, parse_ignore, run_checks, silence
from mlops_nix.objectset import ObjectSet
from mlops_nix.yamlio import Manifest


def pod(name: str = "a", *, ignore: str | None = None, namespace: str = "ml") -> dict[str, object]:
    metadata: dict[str, object] = {"name": name, "namespace": namespace}
    if ignore is not None:
        metadata["annotations"] = {"mlops-nix.dev/ignore": ignore}
    spec = {"hostPID": True, "hostNetwork": True, "containers": [{"name": "c", "image": "d"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def silenced(*objects: dict[str, object], ignores: tuple[str, ...] = ()) -> list[tuple[str, str, str | None]]:
    objects_ = ObjectSet([Manifest(one, Position("a.yaml", index)) for index, one in enumerate(objects)])
    found = run_checks(objects_, only=["host-namespaces", "mutable-image-tag"])
    result = silence(found, objects_, [parse_ignore(text) for text in ignores])
    return [(one.ref.name, one.check, one.silenced) for one in result]


def test_an_annotation_silences_that_check_of_that_object_with_its_reason() -> None:
    found = silenced(pod(ignore="host-namespaces=reads the node; mutable-image-tag=a demo"), pod("b"))
    assert sorted(one for one in found if one[0] == "a") == [
        ("a", "host-namespaces", "reads the node"),
        ("a", "host-namespaces", "reads the node"),
        ("a", "mutable-image-tag", "a demo"),
    ]
    assert all(reason is None for name, _, reason in found if name == "b")


def test_a_reason_may_contain_an_equals_sign() -> None:
    assert ("a", "mutable-image-tag", "x=y") in silenced(pod(ignore="mutable-image-tag=x=y"))


@pytest.mark.parametrize(
    ("annotation", "check"),
    [
        ("host-namespace=x", "unknown-check"),
        ("host-namespaces", "ignore-without-reason"),
        ("host-namespaces=  ", "ignore-without-reason"),
        ("docker-socket=x", "unused-ignore"),
    ],
)
def test_an_ignore_that_is_wrong_or_does_nothing_is_a_finding_itself(annotation: str, check: str) -> None:
    found = silenced(pod(ignore=annotation))
    assert ("a", check, None) in found
    assert all(reason is None for _, _, reason in found)


@pytest.mark.parametrize(
    ("ignore", "names"),
    [
        ("host-namespaces=x", {"a", "b"}),
        ("host-namespaces:pod=x", {"a", "b"}),
        ("host-namespaces:Pod/a=x", {"a"}),
        ("host-namespaces:Pod/dev/*=x", {"b"}),
        ("host-namespaces:*/ml/a=x", {"a"}),
        ("host-namespaces:Pod//b=x", {"b"}),
    ],
)
def test_an_ignore_of_the_call_covers_what_it_names(ignore: str, names: set[str]) -> None:
    found = silenced(pod("a"), pod("b", namespace="dev"), ignores=(ignore,))
    assert {name for name, check, reason in found if check == "host-namespaces" and reason == "x"} == names
    assert "unused-ignore" not in {check for _, check, _ in found}


def test_an_ignore_of_the_call_that_covers_nothing_is_a_finding() -> None:
    assert ("", "unused-ignore", None) in silenced(pod(), ignores=("host-namespaces:Pod/x=y",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("host-pth=x", "unknown check; did you mean host-path?"),
        ("host-path", "expected a reason"),
        ("host-path:Pod/a= ", "expected a reason"),
        ("host-path:a/b/c/d=x", "expected kind, kind/name or kind/namespace/name"),
        ("=x", "unknown check"),
    ],
)
def test_an_ignore_that_cannot_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_ignore(text)


def test_a_parsed_ignore_is_what_was_written() -> None:
    assert parse_ignore("host-path:Pod/ml/a=why") == Ignore("host-path", "why", "Pod", "ml", "a")


def test_ids_are_names_of_lower_case_words() -> None:
    for check in all_checks():
        assert check == check.lower()
        assert all(part.isalnum() for part in check.split("-")), check
