"""``mlops-nix delete``: take a set off a cluster."""

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
from mlops_nix.cli._stored import name_of
from mlops_nix.console import output_option
from mlops_nix.errors import ExitCode


@click.command(
    "delete",
    cls=ClusterCommand,
    groups={
        "What": ["yes", "data", "crds", "namespaces", "recovered", "timeout", "lock_timeout"],
        "Set": SET_OPTIONS,
        "Cluster": CLUSTER_OPTIONS,
        "Output": ["output", "quiet"],
    },
    examples=[
        "mlops-nix delete --set acme",
        "mlops-nix delete platform.nix --yes --data",
        "mlops-nix delete --set acme --data --crds --namespaces",
    ],
    exit_codes={**EXIT_CODES, ExitCode.LOCKED: "another run holds the lock of the set"},
)
@set_options(required=False)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--data", "--prune-data", "data", is_flag=True, help="PersistentVolumeClaims too, and with them their data."
)
@click.option(
    "--crds",
    "--prune-crds",
    "crds",
    is_flag=True,
    help="CustomResourceDefinitions too, and with them all objects of their kinds.",
)
@click.option(
    "--namespaces",
    "--prune-namespaces",
    "namespaces",
    is_flag=True,
    help="Namespaces too, and with them everything in them.",
)
@click.option(
    "--recovered",
    "--prune-recovered",
    "recovered",
    is_flag=True,
    help="Also where the inventory was lost and had to be rebuilt from labels.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="For everything.",
)
@click.option(
    "--lock-timeout",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for another run of the set.",
)
@cluster_options
@click.option("-q", "--quiet", is_flag=True, help="Leave out progress; warnings and errors stay.")
@output_option
def command(
    yes: bool,
    data: bool,
    crds: bool,
    namespaces: bool,
    recovered: bool,
    timeout: float,
    lock_timeout: float,
    quiet: bool,
    output: Any,
    **values: Any,
) -> int:
    """Delete what a set owns, waves backwards. Data, CRDs and namespaces stay unless asked; finalizers that hold are named."""
    from mlops_nix.cli._report import confirmation, print_report
    from mlops_nix.cluster.plan import Policy
    from mlops_nix.cluster.remove import delete

    set_choice, cluster_choice = chosen(values)
    console = streams(output, quiet=quiet)
    with connected(cluster_choice, console) as session:
        policy = Policy(
            name_of(set_choice, session),
            prune_claims=data,
            prune_definitions=crds,
            prune_namespaces=namespaces,
            prune_recovered=recovered,
        )
        report = delete(
            session.cluster,
            policy,
            timeout=timeout,
            lock_timeout=lock_timeout,
            inventory_namespace=set_choice.inventory_namespace,
            confirm=confirmation(session, yes=yes, question="Delete this?"),
            # A target says which set is meant; a name alone may be misspelt.
            missing_ok=set_choice.target is not None,
        )
        kept = [result for result in report.results if result.action == "kept"]
        if kept and not console.json:
            console.answer(f"{len(kept)} objects stay:")
            for result in kept:
                console.answer(f"  {result.ref}: {result.reason}")
        print_report(report, session)
        return report.exit_code
