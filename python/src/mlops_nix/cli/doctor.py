"""``mlops-nix doctor``: is the cluster fit for the set?"""

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
    set_options,
)
from mlops_nix.cli._progress import streams
from mlops_nix.console import output_option
from mlops_nix.errors import ExitCode


@click.command(
    "doctor",
    cls=ClusterCommand,
    groups={"What": ["rbac", "subject"], "Set": SET_OPTIONS, "Cluster": CLUSTER_OPTIONS, "Output": ["output"]},
    examples=[
        "mlops-nix doctor",
        "mlops-nix doctor platform.nix --context production",
        "mlops-nix doctor platform.nix --rbac --subject ci-robot | kubectl apply -f -",
    ],
    exit_codes=EXIT_CODES,
)
@set_options(required=False)
@click.option("--rbac", is_flag=True, help="Print the Roles that the set needs, and nothing else.")
@click.option("--subject", default="USER", show_default=True, metavar="USER", help="--rbac: the user in the bindings.")
@cluster_options
@output_option
def command(rbac: bool, subject: str, output: Any, **values: Any) -> int:
    """Look at a cluster: version, rights, missing CRDs and operators, StorageClass, GPUs, Pod Security, quota left."""
    from mlops_nix.cluster.doctor import examine, known_kinds
    from mlops_nix.cluster.inventory import locate

    set_choice, cluster_choice = chosen(values)
    console = streams(output)
    with connected(cluster_choice, console) as session:
        cluster = session.cluster
        desired = load_set(set_choice, console, cluster) if set_choice.target else None
        scoped = desired is None or any(not item.ref.namespace for item in desired.items)
        place = locate(
            cluster.api,
            desired.name if desired else "-",
            desired.namespaces if desired else [],
            cluster_scoped=scoped,
            given=set_choice.inventory_namespace or (None if desired else "default"),
        )
        if rbac:
            if desired is None:
                raise click.UsageError("--rbac needs a TARGET")
            from mlops_nix.cluster.discovery import Discovery
            from mlops_nix.cluster.rbac import roles

            served, future = known_kinds(cluster, desired)
            both = Discovery([*served.preferred(), *future.preferred()])
            documents = roles(desired, both, inventory_namespace=place, subject=subject)
            if console.json:
                console.answer_json({"apiVersion": "v1", "kind": "List", "items": documents})
            else:
                import yaml

                console.answer(yaml.safe_dump_all(documents, sort_keys=False), end="")
            return ExitCode.OK
        findings = list(examine(cluster, desired, inventory_namespace=place))
        problems = [finding for finding in findings if finding.level == "problem"]
        if console.json:
            console.answer_json({"findings": [finding.to_json() for finding in findings], "problems": len(problems)})
        else:
            marks = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "problem": ("problem", "red")}
            for finding in findings:
                word, colour = marks[finding.level]
                console.answer(f"{console.style(f'{word:<8}', colour)} {finding.check}: {finding.text}")  # type: ignore[arg-type]
                if finding.hint and finding.level != "ok":
                    console.answer(f"         hint: {finding.hint}")
            console.answer(f"{len(problems)} problems" if problems else "no problems")
        return ExitCode.INVALID if problems else ExitCode.OK
