"""The value of a Secret reaches no plan, no diff, no event and no error."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from mlops_nix.cluster import compare, plan, plan_text
from mlops_nix.cluster.answer import classify
from mlops_nix.cluster.compare import changes, unified
from mlops_nix.cluster.connection import connect
from mlops_nix.cluster.desired import from_objects
from mlops_nix.cluster.plan import Policy
from mlops_nix.cluster.redact import Mask
from mlops_nix.cluster.run import Options, apply
from tests.cluster.scripted import refusal

if TYPE_CHECKING:
    from mlops_nix.cluster.events import Event
    from tests.cluster.fakeapi import FakeCluster

Object = dict[str, Any]
# Long enough that they are found nowhere by chance.
values = st.text(min_size=12, max_size=40, alphabet=st.characters(min_codepoint=33, max_codepoint=0x2FF)).filter(
    lambda text: len(set(text)) > 6
)


def secret(value: str, field: str = "data") -> Object:
    held = base64.b64encode(value.encode()).decode() if field == "data" else value
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "ml"},
        field: {"password": held},
    }


def forms(value: str) -> list[str]:
    return [value, base64.b64encode(value.encode()).decode(), json.dumps(value)[1:-1]]


@given(values, values)
def test_a_diff_shows_that_a_value_differs_and_nothing_more(old: str, new: str) -> None:
    mask = Mask()
    before, after = mask.object(secret(old)), mask.object(secret(new))
    shown = str([str(change) for change in changes(before, after)]) + unified(before, after, "s")
    assert not any(form in shown for form in (*forms(old), *forms(new)))
    assert bool(changes(before, after)) == (old != new)


@given(values)
def test_both_spellings_of_a_value_have_one_digest(value: str) -> None:
    mask = Mask()
    assert mask.object(secret(value))["data"] == mask.object(secret(value, "stringData"))["stringData"]


@given(values)
def test_digests_of_two_runs_cannot_be_compared(value: str) -> None:
    assert Mask().digest(value) != Mask().digest(value)


@given(values, st.sampled_from(["data", "stringData"]))
def test_an_error_that_quotes_the_object_is_masked(value: str, field: str) -> None:
    obj = secret(value, field)
    message = f"Secret is invalid: data[password]: Invalid value: {value!r} {forms(value)[1]} {value}"
    shown = Mask().text(message, obj)
    assert value not in shown
    assert forms(value)[1] not in shown


def test_the_annotation_of_kubectl_apply_is_masked_on_secrets_only() -> None:
    noted = {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter2-hunter2"}}}
    assert "hunter2" not in str(Mask().object({**secret("x"), **noted}))
    assert "hunter2" in str(Mask().object({"apiVersion": "v1", "kind": "ConfigMap", **noted}))


def test_other_objects_are_passed_on_as_they_are() -> None:
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"password": "visible"}}
    assert Mask().object(obj) is obj


def test_a_refused_secret_is_planned_without_its_value() -> None:
    item = from_objects("acme", [secret("hunter2-hunter2", "stringData")]).items[0]
    answer = classify(refusal(422, "Invalid", "Invalid value: hunter2-hunter2"))
    assert "hunter2" not in str(plan.refused(item, answer, Mask()))


def test_no_event_of_a_run_holds_a_value(fake: FakeCluster) -> None:
    heard: list[Event] = []
    cluster = connect(kubeconfig=str(fake.kubeconfig()), listener=heard.append)
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml"}}
    text = ""
    for value in ("hunter2-hunter2", "hunter3-hunter3"):
        report = apply(
            cluster, from_objects("acme", [space, secret(value, "stringData")]), Options(Policy("acme"), timeout=30)
        )
        assert report.ok
        text += json.dumps([event.to_json() for event in heard]) + json.dumps(report.plan.to_json())
        text += "\n".join(plan_text.text_of(report.plan))
    assert "hunter" not in text
    assert base64.b64encode(b"hunter2-hunter2").decode() not in text
    assert "<hidden " in text, "the change itself is shown"


def test_what_a_value_is_shown_as_is_bounded() -> None:
    assert len(compare.shown("x" * 100_000)) < 300
