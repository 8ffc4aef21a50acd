"""Random histories: whatever sets and faults came before, the end is what the last set says.

Hypothesis draws sequences of sets and fault schedules; a failing one is shrunk to the shortest that still fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.cluster.endstate import cluster_state, inventory
from tests.cluster.fakeapi import FakeCluster, Fault, answered
from tests.cluster.fakeapi import status as refusals
from tests.cluster.objects import Object, config_map, deployment, namespace, secret, service
from tests.cluster.user import User, ok

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.command import Launcher

NAMES = st.sampled_from(["a", "b", "c", "d"])
OBJECTS = st.one_of(
    st.builds(config_map, NAMES, st.dictionaries(st.sampled_from(["k", "l"]), st.sampled_from(["1", "2"]))),
    st.builds(secret, NAMES, st.dictionaries(st.sampled_from(["k", "l"]), st.sampled_from(["1", "2"]), min_size=1)),
    st.builds(service, NAMES),
    st.builds(
        lambda name, replicas, image: deployment(name, replicas=replicas, image=image),
        NAMES,
        st.sampled_from([None, 1, 2]),
        st.sampled_from(["registry.test/app:1", "registry.test/app:2"]),
    ),
)
SETS = st.lists(OBJECTS, max_size=6, unique_by=lambda item: (item["kind"], item["metadata"]["name"]))
NUMBERS = st.integers(min_value=1, max_value=60)
FAULTS = st.one_of(
    st.builds(lambda at: Fault("reset", at=at), NUMBERS),
    st.builds(lambda at: Fault("reset-after", at=at), NUMBERS),
    st.builds(lambda at: Fault("half-body", at=at), NUMBERS),
    st.builds(lambda at: answered(refusals.etcd(), at=at), NUMBERS),
    st.builds(lambda at: answered(refusals.unavailable(), at=at), NUMBERS),
)
SETTINGS = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], print_blob=True
)


def complete(items: list[Object]) -> list[Object]:
    return [namespace("ml"), *items]


@SETTINGS
@given(history=st.lists(SETS, min_size=1, max_size=4))
@example(history=[[config_map("a", {"k": "1"})], [config_map("a", {})]])
def test_any_history_of_sets_ends_as_a_fresh_install_of_the_last(
    launcher: Launcher, tmp_path: Path, history: list[list[Object]]
) -> None:
    with FakeCluster() as fake:
        user = User(launcher, tmp_path, fake.kubeconfig())
        for items in history:
            ok(user.apply(complete(items)))
        state, owned = cluster_state(fake), inventory(fake)
    with FakeCluster() as fresh:
        ok(User(launcher, tmp_path, fresh.kubeconfig()).apply(complete(history[-1])))
        assert state == cluster_state(fresh)
        assert owned == inventory(fresh)


@SETTINGS
@given(before=SETS, after=SETS, faults=st.lists(FAULTS, max_size=6))
def test_any_faults_that_pass_leave_no_trace(
    launcher: Launcher, tmp_path: Path, before: list[Object], after: list[Object], faults: list[Fault]
) -> None:
    for fault in faults:
        fault.struck = 0
    with FakeCluster() as fake:
        user = User(launcher, tmp_path, fake.kubeconfig())
        ok(user.apply(complete(before)))
        fake.server.reset_log()
        fake.faults.add(*faults)
        ok(user.apply(complete(after)))
        fake.faults.clear()
        state, owned = cluster_state(fake), inventory(fake)
    with FakeCluster() as calm:
        user = User(launcher, tmp_path, calm.kubeconfig())
        ok(user.apply(complete(before)))
        ok(user.apply(complete(after)))
        assert state == cluster_state(calm)
        assert owned == inventory(calm)


@SETTINGS
@given(items=SETS)
def test_applying_twice_is_applying_once(launcher: Launcher, tmp_path: Path, items: list[Object]) -> None:
    with FakeCluster() as fake:
        user = User(launcher, tmp_path, fake.kubeconfig())
        ok(user.apply(complete(items)))
        state, owned = cluster_state(fake), inventory(fake)
        fake.server.reset_log()
        ok(user.apply(complete(items)))
        assert not fake.server.requests("PATCH")
        assert cluster_state(fake) == state
        assert inventory(fake) == owned
        assert user.diff(complete(items)).code == 0
