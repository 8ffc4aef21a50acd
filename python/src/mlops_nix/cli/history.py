"""``mlops-nix history``: the runs of a set."""

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


@click.command(
    "history",
    cls=ClusterCommand,
    groups={"What": ["show"], "Set": SET_OPTIONS, "Cluster": CLUSTER_OPTIONS, "Output": ["output"]},
    examples=[
        "mlops-nix history --set acme",
        "mlops-nix history platform.nix --output json",
        "mlops-nix history --set acme --show 3 > revision-3.yaml",
    ],
    exit_codes=EXIT_CODES,
)
@set_options(required=False)
@click.option(
    "--show",
    type=click.IntRange(min=1),
    metavar="NUMBER",
    help="Print the objects of a revision as YAML; Secrets are masked.",
)
@cluster_options
@output_option
def command(show: int | None, output: Any, **values: Any) -> None:
    """List the revisions of a set that are kept on the cluster: number, time, who, how many objects."""
    from mlops_nix.cluster.history import History

    set_choice, cluster_choice = chosen(values)
    console = streams(output)
    with connected(cluster_choice, console) as session:
        name = name_of(set_choice, session)
        store, inventory = found(set_choice, session, name)
        kept = History(session.cluster.api, name, store.namespace)
        if show is not None:
            import yaml

            from mlops_nix.cluster.redact import Mask

            mask = Mask()
            dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
            objects = [mask.object(item.object) for item in kept.read(show).items]
            if console.json:
                console.answer_json(objects)
            else:
                console.answer(yaml.dump_all(objects, Dumper=dumper, sort_keys=False, allow_unicode=True), end="")
            return
        numbers = set(kept.numbers())
        if console.json:
            revisions = [{**revision.to_json(), "kept": revision.number in numbers} for revision in inventory.revisions]
            console.answer_json({"set": name, "revisions": revisions, "pending": inventory.pending is not None})
            return
        for revision in reversed(inventory.revisions):
            text = f"{revision.number:>4}  {revision.at}  {revision.by}  {revision.objects} objects  {revision.digest}"
            console.answer(text if revision.number in numbers else f"{text}  (objects not kept)")
        if inventory.pending is not None:
            console.warning(f"a run ({inventory.pending.run}) did not finish; apply again to finish it")
