"""Plans: what is compared, what is refused, what may be deleted, in which order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlops_nix.cluster import conflicts, desired, immutable, plan, prune, references
from mlops_nix.cluster.answer import classify
from mlops_nix.cluster.compare import changes
from mlops_nix.cluster.conflicts import ConflictPolicy, Resolution
from mlops_nix.cluster.desired import from_objects, problems, wave_of
from mlops_nix.cluster.inventory import Ref
from mlops_nix.cluster.plan import Action, Policy, Step
from mlops_nix.cluster.redact import Mask
from mlops_nix.cluster.renames import renames
from mlops_nix.objects import ObjectRef
from tests.cluster.scripted import answer, refusal

Object = dict[str, Any]


def item(kind: str = "ConfigMap", name: str = "a", version: str = "v1", **more: Any) -> desired.Item:
    obj = {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "ml"}, **more}
    return from_objects("acme", [obj]).items[0]


def on_cluster(entry: desired.Item, *, owner: str = "acme", **more: Any) -> Object:
    meta = {
        **entry.object["metadata"],
        "uid": "u1",
        "resourceVersion": "7",
        "labels": {"mlops-nix.dev/set": owner} if owner else {},
    }
    return {**entry.object, "metadata": meta, **more}


# Comparing -----------------------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(0, 5), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["name", "a", "b"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(json_values)
def test_an_object_does_not_differ_from_itself(value: Any) -> None:
    obj = {"kind": "A", "metadata": {}, "spec": value}
    assert changes(obj, {**obj, "status": {"x": 1}, "metadata": {"resourceVersion": "9", "managedFields": []}}) == ()


@given(json_values, json_values)
def test_different_objects_differ_somewhere(first: Any, second: Any) -> None:
    found = changes({"metadata": {}, "spec": first}, {"metadata": {}, "spec": second})
    assert bool(found) == (repr(first) != repr(second) and not _equal(first, second))


def _equal(first: Any, second: Any) -> bool:
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_equal(first[key], second[key]) for key in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_equal, first, second))
    return bool(first == second and isinstance(first, bool) == isinstance(second, bool))


def test_items_of_a_list_are_compared_by_name() -> None:
    before = {"metadata": {}, "spec": {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}}
    after = {"metadata": {}, "spec": {"env": [{"name": "B", "value": "3"}]}}
    assert [str(change) for change in changes(before, after)] == [
        '- .spec.env[name="A"]: {"name": "A", "value": "1"}',
        '~ .spec.env[name="B"].value: 2 -> 3',
    ]


# Conflicts -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "field", "manager", "subresource", "expected"),
    [
        (ConflictPolicy(), ".data.k", "kubectl-edit", "", Resolution.REPORT),
        (ConflictPolicy(force_all=True), ".data.k", "kubectl-edit", "", Resolution.FORCE),
        (ConflictPolicy(force_all=True), ".spec.replicas", "x", "scale", Resolution.KEEP),
        (ConflictPolicy(), ".spec.replicas", "x", "scale", Resolution.KEEP),
        (ConflictPolicy(force_fields=(".spec.replicas",)), ".spec.replicas", "x", "scale", Resolution.FORCE),
        (ConflictPolicy(force_fields=("spec.template",)), ".spec.template.spec.x", "y", "", Resolution.FORCE),
        (ConflictPolicy(force_fields=(".spec.temp",)), ".spec.template", "y", "", Resolution.REPORT),
        (ConflictPolicy(force_managers=("helm",)), ".data.k", "helm", "", Resolution.FORCE),
        (ConflictPolicy(force_managers=("helm",)), ".data.k", "other", "", Resolution.REPORT),
        (ConflictPolicy(force_all=True, keep_fields=(".data",)), ".data.k", "y", "", Resolution.KEEP),
        (ConflictPolicy(keep_managers=("y",), force_all=True), ".data.k", "y", "", Resolution.KEEP),
    ],
)
def test_who_has_the_last_word_on_a_field(
    policy: ConflictPolicy, field: str, manager: str, subresource: str, expected: Resolution
) -> None:
    assert policy.resolve(field, manager, subresource) is expected


def conflict(field: str = ".data.k", manager: str = "ann") -> Any:
    cause = {"reason": "FieldManagerConflict", "message": f'conflict with "{manager}" using v1', "field": field}
    return classify(refusal(409, "Conflict", "Apply failed with 1 conflict", causes=[cause]))


def contested() -> tuple[desired.Item, Object]:
    entry = item(data={"k": "ours", "other": "x"})
    owned = [{"manager": "ann", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:data": {"f:k": {}}}}]
    there = on_cluster(entry, data={"k": "theirs"})
    there["metadata"]["managedFields"] = owned
    return entry, there


def test_an_open_conflict_names_manager_field_and_both_values() -> None:
    entry, there = contested()
    step = plan.judge_conflict(entry, entry.object, there, conflict(), ConflictPolicy(), Mask())
    assert isinstance(step, Step)
    assert (step.action, step.code) == (Action.BLOCKED, "field-conflict")
    assert '"ann"' in step.reason
    assert ".data.k   yours ours, cluster theirs" in step.reason


def test_a_field_that_is_left_to_its_owner_is_taken_out_of_what_is_sent() -> None:
    entry, there = contested()
    again = plan.judge_conflict(
        entry, entry.object, there, conflict(), ConflictPolicy(keep_fields=(".data.k",)), Mask()
    )
    assert isinstance(again, plan.Again)
    assert again.body["data"] == {"other": "x"}
    assert not again.force


def test_a_forced_field_is_forced() -> None:
    entry, there = contested()
    again = plan.judge_conflict(
        entry, entry.object, there, conflict(), ConflictPolicy(force_fields=(".data.k",)), Mask()
    )
    assert isinstance(again, plan.Again)
    assert again.force
    assert again.body is entry.object


def test_the_path_of_a_key_with_dots_is_found() -> None:
    there = {
        "metadata": {"managedFields": [{"manager": "ann", "fieldsV1": {"f:metadata": {"f:labels": {"f:a.b/c.d": {}}}}}]}
    }
    assert conflicts.locate(".metadata.labels.a.b/c.d", "ann", there) == ("f:metadata", "f:labels", "f:a.b/c.d")


# Previews ------------------------------------------------------------------------------------------------------------------


def judged(entry: desired.Item, there: Object, response: Any, **policy: Any) -> Step:
    return plan.judge_preview(
        entry, entry.object, there, classify(response), Policy("acme", **policy), Mask(), digest="d"
    )


def job_answer() -> Any:
    cause = {
        "reason": "FieldValueInvalid",
        "message": f"Invalid value: {{{'x' * 5000}}}: field is immutable",
        "field": "spec.template",
    }
    return refusal(422, "Invalid", "Job is invalid", kind="Job", causes=[cause])


def test_a_changed_job_template_blocks_and_says_how_to_go_on() -> None:
    entry = item("Job", "migrate", "batch/v1")
    step = judged(entry, on_cluster(entry), job_answer())
    assert (step.action, step.code) == (Action.BLOCKED, "immutable-field")
    assert "--recreate Job/migrate" in (step.hint or "")
    assert len(step.reason) < 1000


def test_it_is_replaced_where_the_user_allowed_it() -> None:
    entry = item("Job", "migrate", "batch/v1")
    step = judged(entry, on_cluster(entry), job_answer(), recreate=("Job/*",))
    assert (step.action, step.uid) == (Action.REPLACE, "u1")


@pytest.mark.parametrize("kind", sorted(immutable.NEVER_REPLACED))
def test_what_holds_data_is_never_replaced(kind: str) -> None:
    assert immutable.refuses_replacement(kind, has_claims=False)


def test_a_statefulset_with_claims_is_never_replaced_and_one_without_may_be() -> None:
    cause = {
        "reason": "FieldValueForbidden",
        "message": "updates to statefulset spec for fields other than 'replicas' are forbidden",
        "field": "spec",
    }
    response = refusal(422, "Invalid", "no", kind="StatefulSet", causes=[cause])
    entry = item("StatefulSet", "db", "apps/v1")
    with_claims = judged(entry, on_cluster(entry, spec={"volumeClaimTemplates": [{}]}), response, recreate=("*",))
    assert with_claims.action is Action.BLOCKED
    assert "--cascade=orphan" in (with_claims.hint or "")
    assert judged(entry, on_cluster(entry, spec={}), response, recreate=("*",)).action is Action.REPLACE


@pytest.mark.parametrize(
    "response",
    [
        refusal(400, "BadRequest", 'admission webhook "w" does not support dry run'),
        refusal(500, "InternalError", 'failed calling webhook "w": connection refused'),
        answer(429, "Too many requests", retry_after="1"),
    ],
)
def test_without_a_preview_an_object_is_applied_all_the_same_and_that_is_said(response: Any) -> None:
    entry = item()
    step = judged(entry, on_cluster(entry), response)
    assert step.action is Action.CHANGE
    assert step.reason


def test_an_object_of_another_set_is_refused_and_its_owner_named() -> None:
    entry = item()
    step = plan.foreign(entry, on_cluster(entry, owner="other"), Policy("acme"))
    assert step is not None
    assert "'other'" in step.reason
    assert plan.foreign(entry, on_cluster(entry), Policy("acme")) is None
    assert plan.foreign(entry, on_cluster(entry, owner=""), Policy("acme")) is None


# Pruning -------------------------------------------------------------------------------------------------------------------


def ref(kind: str, name: str = "a", wave: int = 50, group: str = "") -> Ref:
    return Ref(group, kind, "v1", "ml", name, wave)


def there(owner: str = "acme", **annotations: str) -> Object:
    return {
        "metadata": {"uid": "u", "labels": {"mlops-nix.dev/set": owner} if owner else {}, "annotations": annotations}
    }


@pytest.mark.parametrize(
    ("kind", "live", "policy", "kept_because"),
    [
        ("ConfigMap", there(), {}, ""),
        ("ConfigMap", there(""), {}, "label is gone"),
        ("ConfigMap", there("other"), {}, "'other'"),
        (
            "ConfigMap",
            {"metadata": {**there()["metadata"], "annotations": {"mlops-nix.dev/prune": "keep"}}},
            {},
            "annotation",
        ),
        ("ConfigMap", there(), {"prune": False}, "switched off"),
        ("Namespace", there(), {}, "--prune-namespaces"),
        ("Namespace", there(), {"prune_namespaces": True}, ""),
        ("CustomResourceDefinition", there(), {}, "--prune-crds"),
        ("CustomResourceDefinition", there(), {"prune_definitions": True}, ""),
        ("PersistentVolumeClaim", there(), {}, "--prune-data"),
        ("PersistentVolumeClaim", there(), {"prune_claims": True}, ""),
        ("PersistentVolumeClaim", there("other"), {"prune_claims": True}, "'other'"),
    ],
)
def test_what_may_be_deleted(kind: str, live: Object, policy: dict[str, Any], kept_because: str) -> None:
    step = prune.decide(ref(kind), live, Policy("acme", **policy))
    assert step.action is (Action.KEEP if kept_because else Action.PRUNE)
    assert kept_because in step.reason
    assert step.uid == "u"


def test_after_a_rebuilt_inventory_nothing_is_deleted_without_a_word() -> None:
    assert prune.decide(ref("ConfigMap"), there(), Policy("acme"), recovered=True).action is Action.KEEP
    allowed = Policy("acme", prune_recovered=True)
    assert prune.decide(ref("ConfigMap"), there(), allowed, recovered=True).action is Action.PRUNE


def test_deletions_go_backwards_with_webhooks_first_and_what_holds_data_last() -> None:
    kinds = [
        ("Namespace", 0),
        ("CustomResourceDefinition", 10),
        ("ConfigMap", 20),
        ("PersistentVolumeClaim", 20),
        ("Deployment", 30),
        ("ValidatingWebhookConfiguration", 30),
        ("InferenceService", 50),
    ]
    policy = Policy("acme", prune_namespaces=True, prune_definitions=True, prune_claims=True)
    steps = [prune.decide(ref(kind, wave=wave), there(), policy) for kind, wave in kinds]
    assert [step.ref.kind for step in prune.in_order(steps)] == [
        "InferenceService",
        "ValidatingWebhookConfiguration",
        "Deployment",
        "ConfigMap",
        "PersistentVolumeClaim",
        "CustomResourceDefinition",
        "Namespace",
    ]
    assert [len(batch) for batch in prune.batches(steps)] == [1] * 7


def named(*names: str, space: str = "ml") -> list[Any]:
    return [ObjectRef("apps", "v1", kind, space, name) for name in names for kind in ("Deployment", "Service")]


@pytest.mark.parametrize(
    ("created", "leaving", "told"),
    [
        (
            named("tracking", "tracking-db"),
            named("mlflow", "mlflow-db"),
            ["rename: mlflow is now tracking (4 objects)"],
        ),
        (
            named("a", space="new"),
            named("a", space="old"),
            ["rename: what was in the namespace old is now in new (2 objects)"],
        ),
        (named("a"), [], []),
        ([], named("a"), []),
        (named("b")[:1], named("a")[:1], []),
        (named("a-new"), named("a"), []),
    ],
)
def test_a_rename_is_told_as_one(created: list[Any], leaving: list[Any], told: list[str]) -> None:
    assert renames(created, leaving) == told


# Sets ----------------------------------------------------------------------------------------------------------------------


def test_plain_objects_get_waves_in_which_one_pass_works() -> None:
    kinds = [
        ("v1", "Namespace"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ("v1", "PersistentVolumeClaim"),
        ("apps/v1", "Deployment"),
        ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
        ("serving.kserve.io/v1beta1", "InferenceService"),
    ]
    waves = [wave_of({"apiVersion": version, "kind": kind}) for version, kind in kinds]
    assert waves == sorted(waves)
    assert len(set(waves)) == len(waves)


@pytest.mark.parametrize(
    ("obj", "word"),
    [
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "../../x"}}, "path"),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b%2fc"}}, "path"),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": ".."}}, "path"),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a\nb"}}, "path"),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a" * 254}}, "253"),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}}, "generateName"),
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "x" * 1_100_000}},
            "1,048,576",
        ),
        (
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"k": "x" * 1_100_000}},
            "1,048,576",
        ),
        (
            {"apiVersion": "a.test/v1", "kind": "A", "metadata": {"name": "a"}, "spec": {"k": "x" * 3_200_000}},
            "3,145,728",
        ),
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "annotations": {"k": "x" * 270_000}}},
            "262,144",
        ),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "\ud800"}}, "UTF-8"),
        ({"kind": "ConfigMap", "metadata": {"name": "a"}}, "apiVersion"),
    ],
)
def test_what_cannot_be_applied_is_found_offline(obj: Object, word: str) -> None:
    found = problems(from_objects("acme", [obj]))
    assert len(found) == 1
    assert word in str(found[0])


def test_a_secret_of_the_greatest_size_is_accepted() -> None:
    obj = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"k": "x" * 1_000_000}}
    assert problems(from_objects("acme", [obj])) == []


def test_an_object_that_stands_twice_is_found() -> None:
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    assert "twice" in str(problems(from_objects("acme", [obj, obj]))[0])


@pytest.mark.parametrize("name", ["", "A", "a/b", "-a", "a" * 64, "ä"])
def test_a_name_that_cannot_be_a_label_is_refused(name: str) -> None:
    assert problems(from_objects(name, []))


def test_what_a_pod_names_is_what_it_needs() -> None:
    pod = {
        "serviceAccountName": "sa",
        "volumes": [
            {"configMap": {"name": "cm"}},
            {"secret": {"secretName": "s"}},
            {"persistentVolumeClaim": {"claimName": "pvc"}},
            {"projected": {"sources": [{"secret": {"name": "p"}}, {"configMap": {"name": "q"}}]}},
        ],
        "containers": [
            {
                "name": "c",
                "envFrom": [{"secretRef": {"name": "e"}}],
                "env": [{"valueFrom": {"configMapKeyRef": {"name": "f"}}}],
            }
        ],
    }
    entry = item("Deployment", "a", "apps/v1", spec={"template": {"spec": pod}})
    named = {(key[1], key[3]) for key in references.needs(entry, {})}
    assert named == {
        ("Namespace", "ml"),
        ("ServiceAccount", "sa"),
        ("ConfigMap", "cm"),
        ("Secret", "s"),
        ("PersistentVolumeClaim", "pvc"),
        ("Secret", "p"),
        ("ConfigMap", "q"),
        ("Secret", "e"),
        ("ConfigMap", "f"),
    }
    assert references.mounted_claims([entry]) == {("ml", "pvc")}
