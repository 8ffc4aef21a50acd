"""What is sent again, how often, and how long is waited in between; all without a server and without waiting."""

from __future__ import annotations

import pytest
from mlops_nix.cluster import events
from mlops_nix.cluster.answer import Outcome
from mlops_nix.cluster.api import Stop
from mlops_nix.cluster.pace import Pace, backoff
from mlops_nix.cluster.transport import Disconnected
from mlops_nix.errors import ClusterError, Interrupted
from tests.cluster.scripted import ManualClock, answer, refusal, scripted

OK = answer(200, {"kind": "ConfigMap"})
BUSY = answer(429, "Too many requests, please try again later.", retry_after="2")


def test_429_is_tried_again_after_the_time_that_the_server_asks_for() -> None:
    api, transport, clock, heard = scripted(BUSY, OK)
    assert api.send("GET", "/x").ok
    assert len(transport.sent) == 2
    assert sum(clock.slept) == pytest.approx(2.2)
    assert [event.seconds for event in heard if isinstance(event, events.Throttled)] == [2.0]


def test_after_429_fewer_requests_are_in_flight_and_with_success_more_again() -> None:
    pace = Pace(ManualClock(), limit=8, jitter=lambda: 0.0)
    for _ in range(2):
        pace.enter()
        pace.leave(throttled=True, retry_after=0.0)
    assert pace.limit == 2
    for _ in range(32):
        pace.enter()
        pace.leave()
    assert pace.limit == 4


def test_never_fewer_than_one_request_is_in_flight() -> None:
    pace = Pace(ManualClock(), limit=4, jitter=lambda: 0.0)
    for _ in range(9):
        pace.enter()
        pace.leave(throttled=True, retry_after=0.0)
    assert pace.limit == 1


@pytest.mark.parametrize(
    "trouble",
    [
        Disconnected("connection reset by peer"),
        refusal(503, "ServiceUnavailable", "unavailable"),
        refusal(500, "InternalError", "etcdserver: request timed out"),
        refusal(403, "Forbidden", "error looking up service account ml/default: not found"),
    ],
)
def test_what_can_get_better_is_tried_again(trouble: object) -> None:
    api, transport, _, heard = scripted(OK, trouble, trouble, OK)
    api.send("GET", "/first")
    assert api.send("PATCH", "/x", body={}).ok
    assert len(transport.sent) == 4
    assert [event.attempt for event in heard if isinstance(event, events.Retrying)] == [1, 2]


@pytest.mark.parametrize(
    "final",
    [
        answer(
            500,
            {
                "kind": "Status",
                "message": "failed to create typed patch object: .spec.zz: field not declared in schema",
            },
        ),
        refusal(422, "Invalid", "no"),
        refusal(403, "Forbidden", "cannot patch"),
        refusal(409, "Conflict", "modified"),
        refusal(500, "InternalError", 'failed calling webhook "w": connection refused'),
    ],
)
def test_what_cannot_get_better_by_itself_comes_back_at_once(final: object) -> None:
    api, transport, clock, _ = scripted(final)
    assert not api.send("PATCH", "/x", body={}).ok
    assert len(transport.sent) == 1
    assert clock.slept == []


def test_a_server_that_never_answered_is_given_up_sooner_than_one_that_did() -> None:
    api, _, clock, _ = scripted(Disconnected("connection refused"), first_patience=30.0, patience=600.0)
    began = clock.time
    with pytest.raises(ClusterError, match="connection refused"):
        api.send("GET", "/x")
    assert clock.time - began < 31
    api, _, clock, _ = scripted(OK, Disconnected("connection refused"), first_patience=30.0, patience=600.0)
    api.send("GET", "/x")
    began = clock.time
    with pytest.raises(ClusterError):
        api.send("GET", "/x")
    assert 580 < clock.time - began < 610


def test_the_deadline_of_the_run_ends_all_patience() -> None:
    api, _, clock, _ = scripted(OK, refusal(503, "ServiceUnavailable", "no"))
    api.send("GET", "/x")
    api.deadline = clock.time + 5
    assert api.send("GET", "/x").outcome is Outcome.TRANSIENT
    assert clock.time <= api.deadline


def test_a_certificate_that_is_not_trusted_is_final() -> None:
    api, transport, _, _ = scripted(Disconnected("certificate verify failed", final=True))
    with pytest.raises(ClusterError, match="certificate"):
        api.send("GET", "/x")
    assert len(transport.sent) == 1


def test_401_is_tried_once_more_with_fresh_credentials() -> None:
    refused = refusal(401, "Unauthorized", "Unauthorized")
    api, transport, _, heard = scripted(refused, OK)
    assert api.send("GET", "/x").ok
    assert transport.renewals == 1
    assert any(isinstance(event, events.Noticed) for event in heard)
    api, transport, _, _ = scripted(refused)
    assert api.send("GET", "/x").outcome is Outcome.UNAUTHORIZED
    assert len(transport.sent) == 2


def test_nothing_is_sent_after_the_user_asked_to_stop_but_the_lock_is_given_back() -> None:
    stop = Stop()
    api, transport, _, _ = scripted(OK, stop=stop)
    stop.set("SIGINT")
    with pytest.raises(Interrupted, match="SIGINT"):
        api.send("PATCH", "/x", body={})
    assert transport.sent == []
    assert api.send("DELETE", "/lock", unstoppable=True).ok


def test_the_wish_to_stop_is_felt_while_waiting() -> None:
    stop = Stop()
    api, _, clock, _ = scripted(OK, refusal(503, "ServiceUnavailable", "no", retryAfterSeconds=300), stop=stop)
    api.send("GET", "/x")
    sleep = clock.sleep

    def sleep_and_stop(seconds: float) -> None:
        sleep(seconds)
        stop.set()

    clock.sleep = sleep_and_stop  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        api.send("GET", "/x")
    assert sum(clock.slept) <= 0.5


class Lost:
    """A fence of a lock that is not ours."""

    def __init__(self) -> None:
        self.asked = 0

    def check(self) -> None:
        self.asked += 1
        raise ClusterError("lock lost")

    def valid(self) -> bool:
        return False


def test_a_write_asks_the_fence_and_a_dry_run_or_a_read_does_not() -> None:
    api, transport, _, _ = scripted(OK)
    fence = Lost()
    api.fence = fence
    api.send("GET", "/x")
    api.send("PATCH", "/x", query=[("dryRun", "All")], body={})
    assert fence.asked == 0
    with pytest.raises(ClusterError, match="lock lost"):
        api.send("PATCH", "/x", body={})
    assert [sent.method for sent in transport.sent] == ["GET", "PATCH"]


def test_a_warning_is_told_once() -> None:
    api, _, _, heard = scripted(answer(200, {}, warning='299 - "would violate PodSecurity"'))
    api.send("GET", "/x")
    api.send("GET", "/x")
    assert [event.text for event in heard if isinstance(event, events.Warned)] == ["would violate PodSecurity"]


def test_a_list_goes_on_where_a_page_ends_and_begins_anew_where_its_token_is_too_old() -> None:
    from mlops_nix.cluster.discovery import SECRETS

    def item(name: str) -> dict[str, object]:
        return {"metadata": {"name": name}}

    first = answer(200, {"metadata": {"continue": "t"}, "items": [item("a")]})
    second = answer(200, {"metadata": {}, "items": [item("b")]})
    api, _, _, _ = scripted(first, second)
    assert [entry["metadata"]["name"] for entry in api.list(SECRETS, "ml", page=1).value["items"]] == ["a", "b"]
    expired = refusal(410, "Expired", "too old")
    api, transport, _, _ = scripted(first, expired, answer(200, {"metadata": {}, "items": [item("c")]}))
    assert [entry["metadata"]["name"] for entry in api.list(SECRETS, "ml", page=1).value["items"]] == ["c"]
    assert len(transport.sent) == 3


def test_back_off_grows_and_is_bounded() -> None:
    steps = [backoff(attempt, 1.0) for attempt in range(1, 12)]
    assert steps == sorted(steps)
    assert steps[0] == pytest.approx(0.2)
    assert steps[-1] == 8.0
    assert backoff(3, 0.0) > 0
