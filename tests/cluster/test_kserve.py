"""A platform with KServe on a real API server: strict fields, and the rules that CRDs write in CEL."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cluster.controlplane import ControlPlane

ROOT = Path(__file__).parents[2]
CRDS = Path(os.environ.get("MLOPS_NIX_REFERENCE", ROOT.parent / "shared")) / "upstream" / "crds"
GROUPS = (
    "cert-manager.io",
    "gateway.networking.k8s.io",
    "inference.networking.k8s.io",
    "monitoring.coreos.com",
    "networking.internal.knative.dev",
    "serving.knative.dev",
    "serving.kserve.io",
)

PLATFORM = """
let
  mlops = import %s/lib { };
  store = mlops.mkObjectStore { name = "minio"; namespace = "kserve-data"; buckets = [ "models" ]; };
  serve = args: mlops.mkKServeInference ({ namespace = "kserve-prod"; } // args);
  model = path: { modelFormat = "sklearn"; storageUri = store.buckets.models; inherit path; };
in
(mlops.mkPlatform {
  name = "kserve-on-a-server";
  external = [ "cert-manager" "knative-serving" "gateway-api" "prometheus-operator" "kserve-llm-templates" ];
  monitoring.enabled = true;
  components = {
    inherit store;
    kserve = mlops.mkKServe { llmisvc.enabled = true; localModel.enabled = true; kubeflow = true; };
    churn = serve {
      name = "churn";
      deploymentMode = "Standard";
      predictor.model = model "churn/3";
      canary.predictor.model.path = "churn/4";
      canaryTraffic = 10;
      maxReplicas = 4;
      logger = { };
      batcher = { };
      ingress = { enabled = true; host = "churn.example.com"; gateway.name = "public"; };
      inferenceGraph.nodes.root = {
        routerType = "Splitter";
        steps = [ { serviceName = "a"; weight = 20; } { serviceName = "b"; weight = 80; } ];
      };
    };
    fraud = serve {
      name = "fraud";
      predictor.model = model "fraud/1" // { modelFormat = "mlflow"; protocolVersion = "v2"; };
      transformer.containers = [ { image = "registry.example.com/transform:1"; } ];
      explainer.art = { type = "SquareAttack"; config.nb_classes = "10"; };
      canaryTraffic = 10;
      ingress.host = "fraud.example.com";
      gpu.count = 1;
    };
    own = serve {
      name = "own";
      deploymentMode = "Standard";
      predictor.spec.containers = [ { image = "registry.example.com/model:1"; ports = [ 5000 ]; } ];
      autoscaler = "none";
    };
    qwen = serve {
      name = "qwen";
      llm = {
        model.uri = "hf://Qwen/Qwen2.5-7B-Instruct";
        replicas = 1;
        parallelism.tensor = 2;
        router = { route = { }; gateway = { }; scheduler = { }; };
      };
      gpu.count = 2;
    };
  };
}).objects
"""


def evaluated(code: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["nix-instantiate", "--eval", "--strict", "--json", "-E", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    objects: list[dict[str, Any]] = json.loads(done.stdout)
    return objects


def test_every_object_is_accepted(plane: ControlPlane) -> None:
    if not CRDS.is_dir():
        pytest.skip(f"{CRDS} is not here; set MLOPS_NIX_REFERENCE to the folder that holds upstream/")
    plane.install_crds([file for group in GROUPS for file in sorted((CRDS / group).glob("*.yaml"))])
    objects = evaluated(PLATFORM % ROOT)
    refused = []
    with plane.api() as api:
        for item in objects:
            version = item["apiVersion"]
            root = "/api/v1" if version == "v1" else f"/apis/{version}"
            kinds = {one["kind"]: one for one in api.get(root).body["resources"] if "/" not in one["name"]}
            kind = kinds[item["kind"]]
            namespace = f"/namespaces/{item['metadata']['namespace']}" if kind["namespaced"] else ""
            # Webhooks would call a controller that does not run here, and pods would ask for its nodes.
            only_namespaces = {} if item["kind"] in ("Namespace", "ServiceAccount") else {"dryRun": "All"}
            answer = api.apply(
                f"{root}{namespace}/{kind['name']}/{item['metadata']['name']}",
                item,
                fieldValidation="Strict",
                **only_namespaces,
            )
            if answer.code >= 300:
                refused.append(f"{item['kind']} {item['metadata']['name']}: {answer.code} {answer.message}")
    assert not refused, "\n".join(refused)
