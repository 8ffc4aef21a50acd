"""``mlops-nix adopt``: take over what kubectl or Helm made."""

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
    load_set,
    managers_of,
    set_options,
)
from mlops_nix.cli._progress import streams
from mlops_nix.console import output_option
from mlops_nix.errors import ExitCode


@click.command(
    "adopt",
    cls=ClusterCommand,
    groups={
        "What": ["take_ownership", "release", "dry_run"],
        "Set": SET_OPTIONS,
        "Cluster": CLUSTER_OPTIONS,
        "Output": ["output"],
    },
    examples=[
        "mlops-nix adopt mlflow.nix --dry-run",
        "mlops-nix adopt mlflow.nix --take-ownership helm --release",
        "mlops-nix diff mlflow.nix && mlops-nix apply mlflow.nix     # afterwards",
    ],
    exit_codes=EXIT_CODES,
)
@set_options()
@click.option(
    "--take-ownership",
    multiple=True,
    metavar="MANAGER",
    help="Whose fields to take: helm, kubectl, or an exact name; by default kubectl's and Helm's.",
)
@click.option("--release", is_flag=True, help="Also take Helm's annotations off, and say how to forget the release.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@cluster_options
@output_option
def command(take_ownership: tuple[str, ...], release: bool, dry_run: bool, output: Any, **values: Any) -> int:
    """Take over the objects of a set that kubectl or Helm made: their fields become ours, nothing else changes or restarts.

    Objects are found by kind, namespace and name. Doing it twice is doing it once.
    """
    from mlops_nix.cluster.adopt import adopt
    from mlops_nix.cluster.plan import Policy

    set_choice, cluster_choice = chosen(values)
    console = streams(output)
    with connected(cluster_choice, console) as session:
        desired = load_set(set_choice, console, session.cluster)
        found = adopt(
            session.cluster,
            desired,
            Policy(desired.name),
            managers=managers_of(take_ownership),
            release=release,
            dry_run=dry_run,
        )
        refused = [entry for entry in found if entry.action == "refused"]
        releases = sorted({entry.release for entry in found if entry.release})
        if console.json:
            console.answer_json(
                {
                    "set": desired.name,
                    "dryRun": dry_run,
                    "objects": [entry.to_json() for entry in found],
                    "releases": releases,
                }
            )
            return ExitCode.REFUSED if refused else ExitCode.OK
        words = {
            "adopt": "would be taken over" if dry_run else "taken over",
            "ours": "nothing to take",
            "new": "not on the cluster",
            "refused": "refused",
        }
        for entry in found:
            more = (
                f" from {', '.join(entry.managers)}" if entry.managers else f": {entry.reason}" if entry.reason else ""
            )
            console.answer(f"{entry.ref}: {words[entry.action]}{more}")
            for field in entry.leaves[:8]:
                console.answer(f"    {field} is not in the set: the next apply removes it")
            if len(entry.leaves) > 8:  # noqa: PLR2004
                console.answer(f"    … and {len(entry.leaves) - 8} more fields")
        for name in releases if release else ():
            namespace, _, helm = name.partition("/")
            console.answer(
                f"Helm still knows the release {helm}; to forget it without deleting anything: kubectl -n {namespace} delete secret -l owner=helm,name={helm}"
            )
        return ExitCode.REFUSED if refused else ExitCode.OK
