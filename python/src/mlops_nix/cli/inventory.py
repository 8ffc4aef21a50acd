"""``mlops-nix inventory``: what sets own on the cluster."""

from __future__ import annotations

from typing import Any

import click

from mlops_nix.cli._cluster import (
    CLUSTER_OPTIONS,
    EXIT_CODES,
    SET_OPTIONS,
    ClusterCommand,
    chosen,
    cluster_options,
    connected,
    set_options,
)
from mlops_nix.cli._progress import streams
from mlops_nix.cli._stored import found, name_of
from mlops_nix.console import output_option
from mlops_nix.errors import ExitCode


@click.command(
    "inventory",
    cls=ClusterCommand,
    groups={"Set": SET_OPTIONS, "Cluster": CLUSTER_OPTIONS, "Output": ["output"]},
    examples=[
        "mlops-nix inventory                       # the sets of the cluster",
        "mlops-nix inventory show --set acme",
        "mlops-nix inventory repair --set acme",
    ],
    exit_codes={**EXIT_CODES, ExitCode.LOCKED: "another run holds the lock of the set"},
)
@click.argument("action", type=click.Choice(["list", "show", "repair"]), default="list", metavar="[list|show|repair]")
@set_options(required=False)
@cluster_options
@output_option
def command(action: str, output: Any, **values: Any) -> int:
    """List the sets of a cluster, show what one owns, or rebuild a lost or damaged inventory from labels."""
    from mlops_nix.cluster import sets

    set_choice, cluster_choice = chosen(values)
    console = streams(output)
    with connected(cluster_choice, console) as session:
        if action == "list":
            entries = sets.listed(session.cluster)
            if console.json:
                console.answer_json([entry.to_json() for entry in entries])
            for entry in entries if not console.json else ():
                console.answer(str(entry))
            if not entries and not console.json:
                console.done("there are no sets on this cluster")
            return ExitCode.OK
        name = name_of(set_choice, session)
        if action == "repair":
            inventory = sets.repair(session.cluster, name, namespace=set_choice.inventory_namespace)
            if console.json:
                console.answer_json({"set": name, "objects": len(inventory.refs)})
            else:
                console.done(f"{name}: the inventory was rebuilt from labels; it names {len(inventory.refs)} objects")
            return ExitCode.OK
        store, inventory = found(set_choice, session, name)
        if console.json:
            console.answer_json(
                {
                    "set": name,
                    "namespace": store.namespace,
                    "revision": inventory.number,
                    "pending": inventory.pending.run if inventory.pending else None,
                    "recovered": inventory.recovered,
                    "objects": [ref.object_ref.to_json() for ref in inventory.refs],
                }
            )
            return ExitCode.OK
        for ref in sorted(inventory.refs, key=lambda entry: (entry.wave, entry)):
            console.answer(f"{ref.wave:>4}  {ref.object_ref}")
        console.answer(f"{name}: {len(inventory.refs)} objects, revision {inventory.number}, in {store.namespace}")
        if inventory.pending is not None:
            console.warning(f"a run ({inventory.pending.run}) did not finish; apply again to finish it")
        return ExitCode.OK
