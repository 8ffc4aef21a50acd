"""What a data scientist does with a tracking server: run with `python mlflow_client.py ACTION …` where MLflow is installed.

Prints one line of JSON at its end. Knows the tracking URI and nothing of databases, buckets or keys.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException

EXPERIMENT = "churn"
MODEL = "churn"


class Doubling(mlflow.pyfunc.PythonModel):
    """A model that is easily checked."""

    def predict(self, model_input: list[int]) -> list[int]:
        return [2 * value for value in model_input]


def write() -> dict[str, object]:
    mlflow.set_experiment(EXPERIMENT)
    client = mlflow.MlflowClient()
    big = os.urandom(9_000_000)
    versions = []
    with mlflow.start_run() as run:
        mlflow.log_params({"depth": 7, "note": "ä/%@:'\""})
        for step, value in enumerate([0.5, 0.75, 0.9]):
            mlflow.log_metric("accuracy", value, step=step)
        folder = Path(tempfile.mkdtemp())
        (folder / "big.bin").write_bytes(big)
        (folder / "ümlaut ß.txt").write_text("Grüße", encoding="utf-8")
        mlflow.log_artifacts(str(folder), "data")
        for name in ("first", "second"):
            logged = mlflow.pyfunc.log_model(
                name=name, python_model=Doubling(), registered_model_name=MODEL, pip_requirements=["mlflow"]
            )
            versions.append(str(logged.registered_model_version))
    with mlflow.start_run():
        mlflow.log_metric("accuracy", 0.1)
    client.set_registered_model_alias(MODEL, "champion", versions[0])
    client.set_registered_model_alias(MODEL, "champion", versions[1])
    client.set_registered_model_alias(MODEL, "challenger", versions[0])
    return {
        "run": run.info.run_id,
        "artifact_uri": run.info.artifact_uri,
        "big": hashlib.sha256(big).hexdigest(),
        "first": versions[0],
        "second": versions[1],
        "keys": [name for name in os.environ if name.startswith(("AWS_", "MLFLOW_S3"))],
    }


def read(run_id: str) -> dict[str, object]:
    client = mlflow.MlflowClient()
    run = client.get_run(run_id)
    folder = Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="data"))
    model = mlflow.pyfunc.load_model(f"models:/{MODEL}@champion")
    return {
        "parameters": run.data.params,
        "accuracies": [metric.value for metric in client.get_metric_history(run_id, "accuracy")],
        "artifacts": sorted(artifact.path for artifact in client.list_artifacts(run_id, "data")),
        "big": hashlib.sha256((folder / "big.bin").read_bytes()).hexdigest(),
        "text": (folder / "ümlaut ß.txt").read_text(encoding="utf-8"),
        "champion": str(client.get_model_version_by_alias(MODEL, "champion").version),
        "challenger": str(client.get_model_version_by_alias(MODEL, "challenger").version),
        "prediction": list(model.predict([1, 2, 3])),
        "runs": len(mlflow.search_runs(experiment_names=[EXPERIMENT])),
    }


def small(experiment: str) -> dict[str, object]:
    made = mlflow.set_experiment(experiment)
    with mlflow.start_run() as run:
        mlflow.log_metric("accuracy", 0.5)
        mlflow.log_text("a note", "note.txt")
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/note.txt") == "a note"
    runs = mlflow.search_runs(experiment_names=[experiment])
    return {"experiment": made.experiment_id, "run": run.info.run_id, "runs": len(runs)}


def doom() -> dict[str, object]:
    done = small("doomed")
    mlflow.delete_run(str(done["run"]))
    return done


def gone(run_id: str) -> dict[str, object]:
    try:
        mlflow.get_run(run_id)
    except MlflowException as error:
        return {"gone": error.error_code == "RESOURCE_DOES_NOT_EXIST"}
    return {"gone": False}


ACTIONS = {"write": write, "read": read, "small": small, "doom": doom, "gone": gone}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(ACTIONS[sys.argv[1]](*sys.argv[2:])) + "\n")
