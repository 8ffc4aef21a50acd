"""Sets by name: from a target, or from what the last run kept on the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nix.errors import InputError

if TYPE_CHECKING:
    from mlops_nix.cli._cluster import Session, SetChoice
    from mlops_nix.cluster.desired import DesiredSet
    from mlops_nix.cluster.inventory import Inventory, Store


def name_of(choice: SetChoice, session: Session) -> str:
    """Give the name of the set, from ``--set`` or from the target.

    Raises:
        InputError: Neither was given.
    """
    if choice.set_name:
        return choice.set_name
    if choice.target is None:
        raise InputError(
            "neither a target nor --set NAME was given", hint="`mlops-nix inventory` lists the sets of the cluster"
        )
    from mlops_nix.cli._command import load_target

    return load_target(
        choice.target, session.console, timeout=choice.eval_timeout, show_trace=choice.show_trace
    ).document.name


def found(choice: SetChoice, session: Session, name: str) -> tuple[Store, Inventory]:
    """Find the inventory of a set.

    Raises:
        InputError: There is none, or it is damaged.
    """
    from mlops_nix.cluster.remove import find

    store, inventory = find(session.cluster, name, choice.inventory_namespace)
    if inventory is None:
        if store.damaged:
            raise InputError(
                f"the inventory of the set {name!r} is damaged: {store.damaged}",
                hint="`mlops-nix inventory repair` rebuilds it from labels",
            )
        raise InputError(f"there is no set {name!r} on this cluster", hint="`mlops-nix inventory` lists the sets")
    return store, inventory


def load_or_stored(choice: SetChoice, session: Session) -> DesiredSet:
    """Load a target or, where none is given, the last revision of the set that ``--set`` names.

    Raises:
        InputError: There is no such set, or no run of it has finished yet.
    """
    from mlops_nix.cli._cluster import load_set
    from mlops_nix.cluster.history import History

    if choice.target is not None:
        return load_set(choice, session.console, session.cluster)
    name = name_of(choice, session)
    store, inventory = found(choice, session, name)
    if not inventory.revisions:
        raise InputError(f"no run of the set {name!r} has finished yet", hint="give the target instead of --set")
    return History(session.cluster.api, name, store.namespace).read(inventory.number)
