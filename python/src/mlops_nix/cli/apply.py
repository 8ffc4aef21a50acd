"""``mlops-nix apply``: put a set on a cluster."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

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
    load_set,
    policy_of,
    prune_options,
    set_options,
)
from mlops_nix.cli._progress import streams
from mlops_nix.console import output_option
from mlops_nix.errors import ExitCode

if TYPE_CHECKING:
    from mlops_nix.cli._cluster import Session
    from mlops_nix.cluster.desired import DesiredSet
    from mlops_nix.cluster.plan import Policy


@click.command(
    "apply",
    cls=ClusterCommand,
    groups={
        "What": ["dry_run", "yes", "wait", "timeout", "create_secrets", "without_secrets"],
        "Objects that left the set": PRUNE_OPTIONS,
        "Fields of others, and what cannot be changed": [*CONFLICT_OPTIONS, "adopt", "recreate", "shared_namespace"],
        "Set": [*SET_OPTIONS, "lock_timeout"],
        "Cluster": CLUSTER_OPTIONS,
        "Output": ["output", "quiet"],
    },
    examples=[
        "mlops-nix apply platform.nix",
        "mlops-nix apply .#acme --context production --yes --output json",
        "mlops-nix apply rendered/ --force-conflicts=.spec.replicas --recreate 'Job/*'",
    ],
    exit_codes={
        **EXIT_CODES,
        ExitCode.NOT_READY: "applied, but not ready within --timeout",
        ExitCode.LOCKED: "another run holds the lock of the set",
    },
)
@set_options()
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show the plan, with server-side dry runs, and write nothing.")
@click.option("--wait/--no-wait", default=True, help="Wait until everything is ready.  [default: wait]")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="For everything: applying, retrying, waiting.",
)
@click.option(
    "--lock-timeout",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for another run of the set.",
)
@click.option(
    "--create-secrets", is_flag=True, help="Make missing Secrets first, where all their values can be generated."
)
@click.option("--without-secrets", is_flag=True, help="Apply although Secrets are missing.")
@click.option("--adopt", is_flag=True, help="Take over objects that kubectl or Helm made; see `mlops-nix adopt`.")
@click.option(
    "--recreate",
    multiple=True,
    metavar="KIND/NAME",
    help="Delete and make anew where an immutable field changes; patterns allowed. Never claims or stateful data.",
)
@click.option(
    "--shared-namespace",
    multiple=True,
    metavar="NAME",
    help="A namespace of another set that may be written into. May be repeated.",
)
@conflict_options
@prune_options
@cluster_options
@click.option("-q", "--quiet", is_flag=True, help="Leave out progress; warnings and errors stay.")
@output_option
def command(
    yes: bool,
    dry_run: bool,
    wait: bool,
    timeout: float,
    lock_timeout: float,
    create_secrets: bool,
    without_secrets: bool,
    shared_namespace: tuple[str, ...],
    quiet: bool,
    output: Any,
    **values: Any,
) -> int:
    """Apply a set in one pass: in waves, showing the plan first, waiting until everything is ready.

    What is unchanged is left alone; what left the set is pruned last. Run it again after whatever went wrong: it goes on.
    """
    from mlops_nix.cli._report import confirmation, print_report
    from mlops_nix.cluster.connection import preload
    from mlops_nix.cluster.run import Options, apply

    set_choice, cluster_choice = chosen(values)
    console = streams(output, quiet=quiet)
    preload()
    with connected(cluster_choice, console) as session:
        desired = load_set(set_choice, console, session.cluster)
        adopt = bool(values.pop("adopt"))
        policy = policy_of(desired.name, values)
        if create_secrets and not dry_run:
            from mlops_nix.cluster.credentials import create_missing

            create_missing(session.cluster, desired)
        if adopt and not _taken_over(session, desired, policy, yes=yes, dry_run=dry_run):
            return ExitCode.REFUSED
        options = Options(
            policy,
            timeout=timeout,
            wait=wait,
            lock_timeout=lock_timeout,
            inventory_namespace=set_choice.inventory_namespace,
            shared_namespaces=shared_namespace,
            without_secrets=without_secrets,
            dry_run=dry_run,
            confirm=confirmation(session, yes=yes),
        )
        report = apply(session.cluster, desired, options)
        if dry_run:
            confirmation(session, yes=True)(report.plan)
        print_report(report, session, target=set_choice.target or "")
        if dry_run and report.plan.blocked:
            return ExitCode.REFUSED
        return report.exit_code


def _taken_over(session: Session, desired: DesiredSet, policy: Policy, *, yes: bool, dry_run: bool) -> bool:
    """Take over what kubectl or Helm made, after showing it; tell whether the run may go on."""
    from mlops_nix.cluster.adopt import adopt
    from mlops_nix.console import is_terminal

    console = session.console
    found = [
        entry for entry in adopt(session.cluster, desired, policy, dry_run=True) if entry.action in {"adopt", "refused"}
    ]
    refused = [entry for entry in found if entry.action == "refused"]
    for entry in found:
        if console.json:
            session.line({"type": "adoption", **entry.to_json()})
        else:
            why = entry.reason or f"taken over from {', '.join(entry.managers) or 'an earlier tool'}"
            console.answer(f"{'!' if entry.action == 'refused' else '~'} {entry.action} {entry.ref}: {why}")
    if refused:
        console.failed(f"{len(refused)} objects cannot be taken over; nothing was written")
        return False
    if dry_run or not found:
        return True
    asks = not yes and not console.json and is_terminal(sys.stdin) and is_terminal(console.stderr)
    if asks and not session.ask("Take these over?"):
        return False
    adopt(session.cluster, desired, policy)
    return True
