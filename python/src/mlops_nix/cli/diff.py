"""``mlops-nix diff``: what applying a set would change."""

from __future__ import annotations

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
    from mlops_nix.console import Console
    from mlops_nix.objects import KubernetesObject, ObjectRef


@click.command(
    "diff",
    cls=ClusterCommand,
    groups={
        "What": ["form", "full"],
        "Objects that left the set": PRUNE_OPTIONS,
        "Fields of others, and what cannot be changed": [*CONFLICT_OPTIONS, "adopt", "recreate"],
        "Set": SET_OPTIONS,
        "Cluster": CLUSTER_OPTIONS,
        "Output": ["output"],
    },
    examples=[
        "mlops-nix diff platform.nix",
        "mlops-nix diff .#acme --format unified | less -R",
        "mlops-nix diff rendered/ --output json | jq '.steps[].object'",
    ],
    exit_codes={ExitCode.OK: "nothing differs", ExitCode.DIFFERENCES: "something differs", **EXIT_CODES},
)
@set_options()
@click.option(
    "--format",
    "form",
    type=click.Choice(["fields", "unified"]),
    default="fields",
    show_default=True,
    help="A line per field, or a unified diff of YAML.",
)
@click.option("--full", is_flag=True, help="Ask for a dry run also for objects that are certainly unchanged.")
@click.option("--adopt", is_flag=True, help="Show what `apply --adopt` would do to objects that kubectl or Helm made.")
@click.option("--recreate", multiple=True, metavar="KIND/NAME", help="As for apply.")
@conflict_options
@prune_options
@cluster_options
@output_option
def command(form: str, full: bool, output: Any, **values: Any) -> int:
    """Show what would change on the cluster, per object and field, as a server-side dry run sees it; Secrets are masked.

    Exit code 0: nothing, 2: something.
    """
    from dataclasses import replace

    from mlops_nix.cli._report import print_plan
    from mlops_nix.cluster.connection import preload
    from mlops_nix.cluster.prepare import prepare

    set_choice, cluster_choice = chosen(values)
    console = streams(output)
    preload()
    with connected(cluster_choice, console) as session:
        desired = load_set(set_choice, console, session.cluster)
        adopt = bool(values.pop("adopt"))
        policy = policy_of(desired.name, values)
        if adopt:
            from mlops_nix.cluster.adopt import FORMER_MANAGERS

            managers = (*policy.conflicts.force_managers, *FORMER_MANAGERS)
            policy = replace(policy, conflicts=replace(policy.conflicts, force_managers=managers))
        states: dict[ObjectRef, tuple[KubernetesObject | None, KubernetesObject | None]] = {}

        def keep(ref: ObjectRef, before: KubernetesObject | None, after: KubernetesObject | None) -> None:
            states[ref] = (before, after)

        prepared = prepare(
            session.cluster,
            desired,
            policy,
            inventory_namespace=set_choice.inventory_namespace,
            preview_all=full,
            preview_new=True,
            keep_objects=keep if form == "unified" and not console.json else None,
        )
        plan = prepared.plan
        if console.json:
            console.answer_json({"set": desired.name, "differs": plan.differs, **plan.to_json()})
        elif form == "unified":
            _unified(states, console)
            for step in plan.prunes:
                console.answer(f"{step.action.value} {step.ref}: {step.reason}")
        else:
            for note in plan.notes:
                console.warning(note)
            print_plan(plan, console)
        return ExitCode.DIFFERENCES if plan.differs else ExitCode.OK


def _unified(
    states: dict[ObjectRef, tuple[KubernetesObject | None, KubernetesObject | None]], console: Console
) -> None:
    from mlops_nix.cluster.compare import unified

    for ref, (before, after) in sorted(states.items()):
        label = "/".join(part for part in (ref.kind, ref.namespace, ref.name) if part)
        for line in unified(before, after, label).splitlines():
            colour = (
                "green"
                if line.startswith("+")
                else "red"
                if line.startswith("-")
                else "cyan"
                if line.startswith("@@")
                else None
            )
            console.answer(console.style(line, colour) if colour else line)  # type: ignore[arg-type]
