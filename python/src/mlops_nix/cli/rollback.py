"""``mlops-nix rollback``: an earlier revision again."""

from __future__ import annotations

from typing import Any

import click

from mlops_nix.cli._cluster import (
    CLUSTER_OPTIONS,
    CONFLICT_OPTIONS,
    EXIT_CODES,
    PRUNE_OPTIONS,
    SET_OPTIONS,
    ClusterCommand,
    chosen,
    cluster_options,
    conflict_options,
    connected,
    policy_of,
    prune_options,
    set_options,
)
from mlops_nix.cli._progress import streams
from mlops_nix.cli._stored import found, name_of
from mlops_nix.console import output_option
from mlops_nix.errors import ExitCode, InputError


@click.command(
    "rollback",
    cls=ClusterCommand,
    groups={
        "What": ["to", "yes", "dry_run", "wait", "timeout", "lock_timeout"],
        "Objects that left the set": PRUNE_OPTIONS,
        "Fields of others, and what cannot be changed": [*CONFLICT_OPTIONS, "recreate"],
        "Set": SET_OPTIONS,
        "Cluster": CLUSTER_OPTIONS,
        "Output": ["output", "quiet"],
    },
    examples=[
        "mlops-nix rollback --set acme",
        "mlops-nix rollback --set acme --to 3 --dry-run",
        "mlops-nix rollback platform.nix --yes",
    ],
    exit_codes={
        **EXIT_CODES,
        ExitCode.NOT_READY: "applied, but not ready within --timeout",
        ExitCode.LOCKED: "another run holds the lock of the set",
    },
)
@set_options(required=False)
@click.option(
    "--to", type=click.IntRange(min=1), metavar="NUMBER", help="The revision; by default the one before the last."
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show the plan and write nothing.")
@click.option("--wait/--no-wait", default=True, help="Wait until everything is ready.  [default: wait]")
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
@click.option("--recreate", multiple=True, metavar="KIND/NAME", help="As for apply.")
@conflict_options
@prune_options
@cluster_options
@click.option("-q", "--quiet", is_flag=True, help="Leave out progress; warnings and errors stay.")
@output_option
def command(
    to: int | None,
    yes: bool,
    dry_run: bool,
    wait: bool,
    timeout: float,
    lock_timeout: float,
    quiet: bool,
    output: Any,
    **values: Any,
) -> int:
    """Apply an earlier revision of a set, as it is kept on the cluster; it becomes the newest revision.

    Data does not go back: a database that was migrated stays migrated.
    """
    from mlops_nix.cli._report import confirmation, print_report
    from mlops_nix.cluster.history import History
    from mlops_nix.cluster.run import Options, apply

    set_choice, cluster_choice = chosen(values)
    console = streams(output, quiet=quiet)
    with connected(cluster_choice, console) as session:
        name = name_of(set_choice, session)
        store, inventory = found(set_choice, session, name)
        number = to if to is not None else inventory.number - 1
        if number < 1:
            raise InputError(
                f"the set {name!r} has no revision before {inventory.number}",
                hint="`mlops-nix history` lists the revisions",
            )
        desired = History(session.cluster.api, name, store.namespace).read(number)
        options = Options(
            policy_of(name, values),
            timeout=timeout,
            wait=wait,
            lock_timeout=lock_timeout,
            inventory_namespace=store.namespace,
            dry_run=dry_run,
            confirm=confirmation(session, yes=yes),
        )
        report = apply(session.cluster, desired, options)
        if dry_run:
            confirmation(session, yes=True)(report.plan)
        print_report(report, session)
        return report.exit_code
