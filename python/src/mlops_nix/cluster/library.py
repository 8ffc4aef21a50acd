"""The cluster layer for programs: operators, notebooks, CI.

::

    from mlops_nix import connect, load_set, plan, apply

    cluster = connect(context="staging", listener=print)
    desired = load_set("platform.nix")
    if plan(cluster, desired).differs:
        report = apply(cluster, desired, timeout=900)
        report.raise_for_outcome()

The events that `listener` hears are those of ``--output json``; see `mlops_nix.cluster.events`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlops_nix.cluster import connection
from mlops_nix.cluster import desired as desired_set
from mlops_nix.cluster.plan import Plan, Policy
from mlops_nix.cluster.run import DEFAULT_TIMEOUT, Options
from mlops_nix.cluster.run import apply as apply_set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mlops_nix.cluster.connection import Cluster
    from mlops_nix.cluster.desired import DesiredSet
    from mlops_nix.cluster.drift import Drift
    from mlops_nix.cluster.report import Report
    from mlops_nix.cluster.status import Status
    from mlops_nix.objects import KubernetesObject

connect = connection.connect


def load_set(
    target: str,
    *,
    name: str | None = None,
    timeout: float = 300.0,
    crd_source: str | None = None,
    offline: bool = False,
) -> DesiredSet:
    """Load a set from a Nix file, a flake output, a rendered folder or manifests.

    Args:
        target: As on the command line.
        name: Name of the set; by default its own, or the file's.
        timeout: Seconds that an evaluation may take.
        crd_source: A folder that holds CRD files under any name.
        offline: Never fetch a CRD file from the network.

    Returns:
        The set, CRDs included.

    Raises:
        InputError: It cannot be read, or a CRD file cannot be had.
        EvaluationError: Nix refused it.
    """
    from mlops_nix import yamlio
    from mlops_nix.crds import CrdStore
    from mlops_nix.target import load

    loaded = load(target, timeout=timeout)
    definitions: list[KubernetesObject] = []
    if loaded.document.crds:
        for fetched in loaded.fetch_crds(CrdStore.from_environment(crd_source, offline=offline)):
            documents = yamlio.load_documents(fetched.content, fetched.file.file)
            definitions += [
                entry
                for entry in documents
                if isinstance(entry, dict) and entry.get("kind") == "CustomResourceDefinition"
            ]
    desired = desired_set.from_document(loaded.document, definitions)
    return replace(desired, name=name) if name else desired


def set_of(name: str, objects: Iterable[KubernetesObject]) -> DesiredSet:
    """Make a set of plain objects; their waves follow from their kinds.

    Args:
        name: Name of the set: the owner label, the lock and the inventory carry it.
        objects: Kubernetes objects with their namespaces.
    """
    return desired_set.from_objects(name, objects)


def plan(
    cluster: Cluster,
    desired: DesiredSet,
    *,
    policy: Policy | None = None,
    inventory_namespace: str | None = None,
    full: bool = False,
) -> Plan:
    """Find out what applying a set would do; nothing is written.

    Args:
        cluster: From `connect`.
        desired: From `load_set` or `set_of`.
        policy: What is allowed; see `Policy`.
        inventory_namespace: Where the inventory lies, if not at its default place.
        full: Ask the server for a dry run of every object, also of those that are certainly unchanged.

    Returns:
        The plan; the values of Secrets in it are keyed digests.

    Raises:
        InputError: The set cannot be applied to this cluster.
        ClusterError: The server is out of reach.
    """
    from mlops_nix.cluster.prepare import prepare

    prepared = prepare(
        cluster,
        desired,
        policy or Policy(desired.name),
        inventory_namespace=inventory_namespace,
        preview_all=full,
        preview_new=True,
    )
    return prepared.plan


def apply(
    cluster: Cluster,
    desired: DesiredSet,
    *,
    policy: Policy | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    wait: bool = True,
    confirm: Callable[[Plan], bool] | None = None,
    **options: Any,
) -> Report:
    """Apply a set: waves, waiting, pruning, inventory.

    Args:
        cluster: From `connect`.
        desired: From `load_set` or `set_of`.
        policy: What is allowed; see `Policy`.
        timeout: Seconds for everything.
        wait: Wait until everything is ready.
        confirm: Called with the plan before anything is written; nothing is written where it gives False.
        options: Further fields of `mlops_nix.cluster.run.Options`.

    Returns:
        What was done and what is ready; `Report.raise_for_outcome` turns trouble into exceptions.

    Raises:
        InputError: The set cannot be applied to this cluster; nothing was written.
        Locked: Another run holds the lock of the set.
        ClusterError: The server was out of reach for too long.
    """
    chosen = Options(policy or Policy(desired.name), timeout=timeout, wait=wait, confirm=confirm, **options)
    return apply_set(cluster, desired, chosen)


def wait(cluster: Cluster, desired: DesiredSet, *, timeout: float = DEFAULT_TIMEOUT) -> Status:
    """Wait until every object of a set is ready.

    Args:
        cluster: From `connect`.
        desired: From `load_set` or `set_of`.
        timeout: Seconds.

    Returns:
        How every object is; `Status.all_ready` tells whether the wait was over in time.

    Raises:
        ClusterError: The server was out of reach for too long.
    """
    from mlops_nix.cluster.status import wait as wait_for

    return wait_for(cluster, desired, timeout=timeout)


def status(cluster: Cluster, desired: DesiredSet) -> Status:
    """Look at every object of a set: whether it is ready, and why not.

    Args:
        cluster: From `connect`.
        desired: From `load_set` or `set_of`.

    Raises:
        ClusterError: The server is out of reach.
    """
    from mlops_nix.cluster.status import status as look

    return look(cluster, desired)


def drift(cluster: Cluster, desired: DesiredSet) -> list[Drift]:
    """Find what somebody else changed since a set was applied: field, manager, time.

    Args:
        cluster: From `connect`.
        desired: The set as it was applied.

    Raises:
        ClusterError: The server is out of reach.
    """
    from mlops_nix.cluster.drift import drift as look

    return look(cluster, desired)


def delete(cluster: Cluster, name: str, *, policy: Policy | None = None, timeout: float = DEFAULT_TIMEOUT) -> Report:
    """Delete what a set owns, waves backwards; data, CRDs and namespaces only where the policy says so.

    Args:
        cluster: From `connect`.
        name: Name of the set.
        policy: What may be deleted.
        timeout: Seconds for everything.

    Raises:
        InputError: There is no such set.
        Locked: Another run holds the lock of the set.
    """
    from mlops_nix.cluster.remove import delete as remove

    return remove(cluster, policy or Policy(name), timeout=timeout)
