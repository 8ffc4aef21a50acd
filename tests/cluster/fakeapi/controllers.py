"""The controllers' part: CRDs become established, namespaces empty, workloads ready.

They act a moment after each write, as the real ones do, in one thread. A test decides with
`Controllers.keep` which object stays as it is, or gets a status of the test's own.
"""

from __future__ import annotations

import copy
import heapq
import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

from .api import CRD, NAMESPACE, FakeApi
from .kinds import custom
from .store import Event, Item, now

if TYPE_CHECKING:
    from collections.abc import Callable

_CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


def condition(kind: str, value: str = "True", reason: str = "", message: str = "") -> Item:
    """Return a status condition."""
    return {"type": kind, "status": value, "reason": reason or kind, "message": message, "lastTransitionTime": now()}


class Controllers:
    """All controllers of a fake cluster.

    Args:
        fake: the API server's state.
        delay: seconds between a write and the controllers' answer to it.
    """

    def __init__(self, fake: FakeApi, *, delay: float = 0.01) -> None:
        self.fake = fake
        self.delay = delay
        self.errors: list[BaseException] = []
        self._kept: dict[tuple[str, str], Item | None] = {}
        self._statuses: dict[str, Item] = {}
        self._wake = threading.Condition()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="controllers", daemon=True)
        fake.store.observers.append(self._observe)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        with self._wake:
            self._stopped = True
            self._wake.notify()
        self._thread.join(10)

    def keep(self, kind: str, name: str, status: Item | None = None) -> None:
        """Give the object this status (None: none at all) in place of readiness."""
        self._kept[kind, name] = status

    def release(self, kind: str, name: str, namespace: str = "") -> None:
        """Let the object become ready after all."""
        self._kept.pop((kind, name), None)
        item = self.fake.find(kind, name, namespace)
        if item is not None:
            self._later(0.0, lambda: self._ready(kind, namespace, name))

    def settle(self, kind: str, *, seconds: float = 10.0) -> None:
        """Wait until the controllers have answered for every object of a kind."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with self.fake.store.lock:
                known = next(one for one in self.fake.kinds() if one.kind == kind)
                if all(item.get("status") for item in self.fake.store.items(known.key)):
                    return
            time.sleep(0.01)

    def answer(self, kind: str, status: Item) -> None:
        """Give every object of a custom kind this status."""
        self._statuses[kind] = status

    # -- the loop ------------------------------------------------------------------------------

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        with self._wake:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._count), action))
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                if self._stopped:
                    return
                wait = self._due[0][0] - time.monotonic() if self._due else 1.0
                if wait > 0:
                    self._wake.wait(min(wait, 1.0))
                    continue
                action = heapq.heappop(self._due)[2]
            try:
                with self.fake.store.lock:
                    action()
            except Exception as error:  # noqa: BLE001 - the fixture fails the test with it
                self.errors.append(error)

    def _observe(self, event: Event) -> None:
        item = event.item
        kind, metadata = item.get("kind", ""), item["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        if event.kind == "DELETED":
            if namespace and self._terminating(namespace):
                self._later(self.delay, lambda: self._empty_namespace(namespace))
            return
        if metadata.get("deletionTimestamp"):
            self._later(self.delay, lambda: self._delete(event.key, namespace, name))
            return
        if event.key == CRD:
            self._later(max(self.delay, self.fake.establish_lag), lambda: self._establish(name))
        elif event.key == NAMESPACE and event.kind == "ADDED":
            self._later(0.0, lambda: self._account(name))
        elif event.kind == "ADDED" or (event.before or {}).get("metadata", {}).get("generation") != metadata.get(
            "generation"
        ):
            self._later(self.delay, lambda: self._ready(kind, namespace, name))

    # -- deletion ------------------------------------------------------------------------------

    def _terminating(self, namespace: str) -> bool:
        item = self.fake.store.get(NAMESPACE, "", namespace)
        return item is not None and "deletionTimestamp" in item["metadata"]

    def _delete(self, key: tuple[str, str], namespace: str, name: str) -> None:
        item = self.fake.store.get(key, namespace, name)
        if item is None:
            return
        if key == NAMESPACE:
            self._empty_namespace(name)
            return
        finalizers = list(item["metadata"].get("finalizers") or ())
        if key == CRD and _CLEANUP in finalizers:
            remaining = self._delete_all(item)
            if remaining:
                self._later(self.delay, lambda: self._delete(key, namespace, name))
                return
            finalizers.remove(_CLEANUP)
            self.fake.unserve(item)
        if "foregroundDeletion" in finalizers:
            finalizers.remove("foregroundDeletion")
        if not finalizers:
            self.fake.store.remove(key, namespace, name)
        elif finalizers != item["metadata"]["finalizers"]:
            changed = copy.deepcopy(item)
            changed["metadata"]["finalizers"] = finalizers
            self._put(key, changed)

    def _delete_all(self, crd: Item) -> int:
        spec = crd["spec"]
        key = (spec["group"], spec["names"]["plural"])
        return self._delete_items(key, None)

    def _delete_items(self, key: tuple[str, str], namespace: str | None) -> int:
        """Delete the objects of a kind; return how many are left because of finalizers."""
        left = 0
        for item in list(self.fake.store.items(key, namespace)):
            metadata = item["metadata"]
            if not metadata.get("finalizers"):
                self.fake.store.remove(key, metadata.get("namespace", ""), metadata["name"])
                continue
            left += 1
            if not metadata.get("deletionTimestamp"):
                marked = copy.deepcopy(item)
                marked["metadata"]["deletionTimestamp"] = now()
                self._put(key, marked)
        return left

    def _empty_namespace(self, name: str) -> None:
        item = self.fake.store.get(NAMESPACE, "", name)
        if item is None or not item["metadata"].get("deletionTimestamp"):
            return
        left: dict[str, int] = {}
        finalizers: dict[str, int] = {}
        for kind in self.fake.kinds():
            if not kind.namespaced:
                continue
            count = self._delete_items(kind.key, name)
            if count:
                left[kind.resource] = count
                for one in self.fake.store.items(kind.key, name):
                    for finalizer in one["metadata"].get("finalizers") or ():
                        finalizers[finalizer] = finalizers.get(finalizer, 0) + 1
        if not left and not item["metadata"].get("finalizers"):
            self.fake.store.remove(NAMESPACE, "", name)
            return
        remaining = ", ".join(f"{resource} has {count} resource instances" for resource, count in left.items())
        held = ", ".join(f"{finalizer} in {count} resource instances" for finalizer, count in finalizers.items())
        conditions = [
            condition(
                "NamespaceContentRemaining", "True", "SomeResourcesRemain", f"Some resources are remaining: {remaining}"
            ),
            condition(
                "NamespaceFinalizersRemaining",
                "True",
                "SomeFinalizersRemain",
                f"Some content in the namespace has finalizers remaining: {held}",
            ),
        ]
        known = [
            {key: value for key, value in one.items() if key != "lastTransitionTime"}
            for one in (item.get("status") or {}).get("conditions", ())
        ]
        if known != [{key: value for key, value in one.items() if key != "lastTransitionTime"} for one in conditions]:
            changed = copy.deepcopy(item)
            changed["status"] = {"phase": "Terminating", "conditions": conditions}
            self._put(NAMESPACE, changed)

    def _put(self, key: tuple[str, str], item: Item) -> None:
        kind = next((one for one in self.fake.kinds() if one.key == key), None)
        if kind is None:
            # A custom kind that is served no longer: its CRD still says what it is.
            crd = self.fake.store.get(CRD, "", f"{key[1]}.{key[0]}")
            kind = custom(crd)[0] if crd else None
        if kind is not None:
            self.fake.store.put(kind, item)

    # -- readiness -----------------------------------------------------------------------------

    def _establish(self, name: str) -> None:
        crd = self.fake.store.get(CRD, "", name)
        if crd is None or crd["metadata"].get("deletionTimestamp"):
            return
        status = {
            "conditions": [
                condition("NamesAccepted", reason="NoConflicts"),
                condition("Established", reason="InitialNamesAccepted"),
            ],
            "acceptedNames": crd["spec"]["names"],
            "storedVersions": [version["name"] for version in crd["spec"]["versions"] if version.get("storage")],
        }
        if (crd.get("status") or {}).get("acceptedNames") != status["acceptedNames"]:
            self._put(CRD, {**copy.deepcopy(crd), "status": status})
        self.fake.serve(crd)

    def _account(self, namespace: str) -> None:
        if self._terminating(namespace):
            return
        if self.fake.store.get(("", "serviceaccounts"), namespace, "default") is None:
            self.fake.put("v1", "ServiceAccount", {"metadata": {"name": "default", "namespace": namespace}})

    def _ready(self, kind: str, namespace: str, name: str) -> None:
        item = self.fake.find(kind, name, namespace)
        if item is None:
            return
        status = self._kept[kind, name] if (kind, name) in self._kept else self._statuses.get(kind) or _readiness(item)
        if status is not None:
            generation = item["metadata"].get("generation")
            if generation is not None and kind in self._statuses:
                status = {"observedGeneration": generation, **status}
            if status != item.get("status"):
                self.fake.set_status(kind, name, namespace, status)
        if kind == "Service" and (item.get("spec") or {}).get("selector"):
            self._endpoints(item)

    def _endpoints(self, service: Item) -> None:
        metadata = service["metadata"]
        name, namespace = f"{metadata['name']}-1", metadata["namespace"]
        if self.fake.find("EndpointSlice", name, namespace) is None:
            slice_: Item = {
                "metadata": {
                    "name": name,
                    "namespace": namespace,
                    "labels": {"kubernetes.io/service-name": metadata["name"]},
                },
                "addressType": "IPv4",
                "endpoints": [{"addresses": ["10.1.0.1"], "conditions": {"ready": True}}],
                "ports": [],
            }
            self.fake.put("discovery.k8s.io/v1", "EndpointSlice", slice_)


def _readiness(item: Item) -> Item | None:
    spec: dict[str, Any] = item.get("spec") or {}
    generation = item["metadata"].get("generation", 1)
    replicas = spec.get("replicas", 1)
    match item.get("kind"):
        case "Deployment":
            counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), replicas)
            conditions = [
                condition("Available", reason="MinimumReplicasAvailable"),
                condition("Progressing", reason="NewReplicaSetAvailable"),
            ]
            return {"observedGeneration": generation, **counts, "conditions": conditions}
        case "StatefulSet":
            counts = dict.fromkeys(
                ("replicas", "currentReplicas", "updatedReplicas", "readyReplicas", "availableReplicas"), replicas
            )
            revision = f"{item['metadata']['name']}-{generation}"
            return {"observedGeneration": generation, **counts, "currentRevision": revision, "updateRevision": revision}
        case "DaemonSet":
            counts = dict.fromkeys(
                (
                    "desiredNumberScheduled",
                    "currentNumberScheduled",
                    "updatedNumberScheduled",
                    "numberAvailable",
                    "numberReady",
                ),
                1,
            )
            return {"observedGeneration": generation, **counts, "numberMisscheduled": 0}
        case "ReplicaSet":
            return {
                "observedGeneration": generation,
                "replicas": replicas,
                "readyReplicas": replicas,
                "availableReplicas": replicas,
            }
        case "Job":
            if spec.get("suspend"):
                return {"conditions": [condition("Suspended")]}
            return {
                "succeeded": 1,
                "conditions": [condition("SuccessCriteriaMet"), condition("Complete")],
                "startTime": now(),
                "completionTime": now(),
            }
        case "Pod":
            return {"phase": "Running", "conditions": [condition("Ready")]}
        case "PersistentVolumeClaim":
            return {"phase": "Bound", "capacity": (spec.get("resources") or {}).get("requests") or {}}
        case "APIService":
            return {"conditions": [condition("Available")]}
        case "HorizontalPodAutoscaler":
            return {"currentReplicas": 1, "desiredReplicas": 1, "conditions": [condition("AbleToScale")]}
        case "PodDisruptionBudget":
            return {
                "observedGeneration": generation,
                "conditions": [condition("DisruptionAllowed")],
                "disruptionsAllowed": 1,
                "currentHealthy": 1,
                "desiredHealthy": 1,
                "expectedPods": 1,
            }
        case "ResourceQuota":
            return {"hard": spec.get("hard") or {}, "used": dict.fromkeys(spec.get("hard") or {}, "0")}
        case _:
            return None
