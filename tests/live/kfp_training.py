"""A pipeline as users write one: components, artifacts, a fan-out over what a step returns, a condition, settings of Kubernetes.

Run by the interpreter that has the SDK: `python kfp_training.py FOLDER` writes training.yaml there, and plain.json for the
same without settings of Kubernetes, which the compiler writes to YAML only.
"""

# ruff: noqa: ANN001, ANN201, ANN202, T201  (a user's own file: the SDK reads its signatures)
import sys
import warnings
from pathlib import Path

from kfp import compiler, dsl, kubernetes

warnings.simplefilter("ignore")


@dsl.component(base_image="python:3.11-slim")
def prepare(rows: int, data: dsl.Output[dsl.Dataset]) -> list:
    """Write a data set, and say which depths are worth a try."""
    with open(data.path, "w") as file:
        file.writelines(f"{index},{index % 3}\n" for index in range(rows))
    return [1, 2, 3]


@dsl.component(base_image="python:3.11-slim")
def train(depth: int, data: dsl.Input[dsl.Dataset], model: dsl.Output[dsl.Model]) -> float:
    """Train a model of one depth."""
    with open(data.path) as source, open(model.path, "w") as target:
        target.write(f"{depth}:{len(source.readlines())}")
    model.metadata["depth"] = depth
    return 1.0 / depth


@dsl.component(base_image="python:3.11-slim")
def best(losses: list) -> float:
    """Find the least loss."""
    return min(losses)


@dsl.component(base_image="python:3.11-slim")
def announce(loss: float):
    """Tell somebody."""
    print(loss)


def pipeline(with_secret):
    """Make the pipeline, with or without a Secret for its training step."""

    @dsl.pipeline(name="training", description="Prepares data, trains models of several depths, announces a good one.")
    def training(rows: int = 100, good: float = 0.5):
        """Depend on what steps return."""
        prepared = prepare(rows=rows)
        with dsl.ParallelFor(items=prepared.outputs["Output"]) as depth:
            trained = train(depth=depth, data=prepared.outputs["data"]).set_memory_limit("1G")
            if with_secret:
                kubernetes.use_secret_as_env(trained, secret_name="tracking", secret_key_to_env={"token": "TOKEN"})
        found = best(losses=dsl.Collected(trained.outputs["Output"]))
        with dsl.If(found.output <= good):
            announce(loss=found.output)

    return training


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    compiler.Compiler().compile(pipeline(with_secret=True), str(folder / "training.yaml"))
    compiler.Compiler().compile(pipeline(with_secret=False), str(folder / "plain.json"))
