"""KServe 0.20.0: the operator and InferenceServices against upstream's own manifests."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import compare
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

LOG = logging.getLogger(__name__)
LIST = Path(__file__).parent / "kserve.yaml"

# Upstream ships the values of a demonstration; here they are asked for, so that what is left is ours by intention.
SHIPPED = 'ingress = { class = "istio"; domain = "example.com"; };'
# Everything that hardens can be switched off; one variant of each kind leaves it on, as users get it.
SOFT = "storageInitializer.hardened = false; runtimes.hardened = false; automountServiceAccountToken = true;"
ALL = "llmisvc.enabled = true; localModel.enabled = true;"

OPERATOR = {
    "controller": ("kserve-controller-0.20.0.yaml", f"{SHIPPED} runtimes.install = [ ];"),
    "all": ("kserve-0.20.0.yaml", f"{SHIPPED} {SOFT} {ALL} runtimes.install = [ ];"),
    "cluster-resources": ("kserve-cluster-resources-0.20.0.yaml", SOFT),
    "cluster-resources-hardened": ("kserve-cluster-resources-0.20.0.yaml", ""),
    "kubeflow": (
        "kserve-kubeflow-0.20.0.yaml",
        f'{SHIPPED} {SOFT} {ALL} kubeflow = true; namespace = "kubeflow"; runtimes.install = [ ];',
    ),
}


def of_kinds(objects: Iterable[compare.Object], kinds: tuple[str, ...]) -> list[compare.Object]:
    return [item for item in objects if item["kind"] in kinds]


@pytest.mark.parametrize("variant", OPERATOR)
def test_operator_equals_upstream(variant: str) -> None:
    file, options = OPERATOR[variant]
    upstream = compare.reference(file)
    ours = compare.rendered(f"(mlops.mkKServe {{ {options} }}).objects")
    if variant.startswith("cluster-resources"):
        ours = of_kinds(ours, ("ClusterServingRuntime", "LLMInferenceServiceConfig"))
    result = compare.compare(variant, ours, upstream, compare.explanations(LIST))
    LOG.info("%s", result)
    assert not result.problems(), "\n".join(result.problems())


# Upstream's samples, by their place in the file: what a user writes here for the same service.
SAMPLES = {
    0: 'name = "my-model"; predictor.model = { modelFormat = "tensorflow"; storageUri = "gs://kfserving-examples/models/tensorflow/flowers"; };',
    1: 'name = "my-model"; canaryTraffic = 10; predictor.model = { modelFormat = "tensorflow"; storageUri = "gs://kfserving-examples/models/tensorflow/flowers-2"; };',
    2: 'name = "my-model"; canaryTraffic = 0; predictor.model = { modelFormat = "tensorflow"; storageUri = "gs://kfserving-examples/models/tensorflow/flowers-2"; };',
    4: 'name = "sklearn-irisv2"; predictor.model = { modelFormat = "sklearn"; protocolVersion = "v2"; storageUri = "gs://seldon-models/sklearn/iris"; };',
    5: 'name = "custom-model"; predictor.spec.containers = [ { image = "kserve/custom-model:latest"; } ];',
    6: 'name = "custom-model-grpc"; predictor.containers = [ { image = "kserve/custom-model-grpc:latest"; ports = [ { name = "h2c"; protocol = "TCP"; containerPort = 8081; } ]; } ];',
    7: 'name = "custom-simple"; minReplicas = 1; predictor.containers = [ { image = "codait/max-object-detector"; ports = [ 5000 ]; } ];',
    8: """
        name = "custom-transformer-collocation";
        predictor.containers = [
          {
            name = "kserve-container";
            image = "pytorch/torchserve:0.9.0-cpu";
            args = [ "torchserve" "--start" "--model-store=/mnt/models/model-store" "--ts-config=/mnt/models/config/config.properties" ];
            env = [ { name = "TS_SERVICE_ENVELOPE"; value = "kserve"; } { name = "STORAGE_URI"; value = "gs://kfserving-examples/models/torchserve/image_classifier/v1"; } ];
            resources = { requests = { cpu = "100m"; memory = "256Mi"; }; limits = { cpu = 1; memory = "1Gi"; }; };
          }
          {
            name = "transformer-container";
            image = "kserve/image-transformer:latest";
            args = [ "--model_name=mnist" "--protocol=v1" "--http_port=8080" "--grpc_port=8081" "--predictor_host=localhost:8085" ];
            ports = [ 8080 ];
            resources = { requests = { cpu = "100m"; memory = "256Mi"; }; limits = { cpu = 1; memory = "1Gi"; }; };
          }
        ];
    """,
    9: 'name = "tensorflow-gpu"; gpu.count = 1; predictor.model = { modelFormat = "tensorflow"; storageUri = "gs://kfserving-examples/models/tensorflow/flowers"; };',
    10: 'name = "sklearn-iris"; logger = { mode = "all"; url = "http://message-dumper.default/"; }; predictor.model = { modelFormat = "sklearn"; storageUri = "gs://kfserving-examples/models/sklearn/1.0/model"; };',
    11: 'name = "pytorch-batcher"; batcher = { maxBatchSize = 16; maxLatency = 300; }; predictor.model = { modelFormat = "pytorch"; storageUri = "gs://kfserving-examples/models/torchserve/image_classifier/v1"; };',
    12: 'name = "flowers-sample"; annotations."autoscaling.knative.dev/target" = "1"; predictor.model = { modelFormat = "tensorflow"; storageUri = "gs://kfserving-examples/models/tensorflow/flowers"; };',
    13: 'name = "flowers-sample"; containerConcurrency = 10; predictor.model = { modelFormat = "tensorflow"; storageUri = "gs://kfserving-examples/models/tensorflow/flowers"; };',
    14: 'name = "flowers-sample-gpu"; gpu.count = 1; annotations."autoscaling.knative.dev/target" = "1"; predictor.model = { modelFormat = "tensorflow"; runtimeVersion = "1.13.0-gpu"; storageUri = "gs://kfserving-examples/models/tensorflow/flowers"; };',
    15: """
        name = "huggingface-llama2";
        serviceAccount.name = "hfserviceacc";
        storage.secretRef.name = "storage-config";
        gpu.count = 1;
        predictor.model = {
          modelFormat = "huggingface";
          args = [ "--model_name=llama2" "--model_dir=/mnt/models" "--backend=huggingface" ];
          storageUri = "hf://meta-llama/Llama-2-7b-chat-hf";
          resources = { cpu = "6"; memory = "24Gi"; limits = { cpu = "6"; memory = "24Gi"; }; };
        };
    """,
    21: 'name = "mnist-s3"; serviceAccount.name = "sa"; storage.secretRef.name = "mysecret"; predictor.model = { modelFormat = "tensorflow"; storageUri = "s3://kfserving-examples/mnist"; };',
    23: 'name = "example-sklearn-isvc"; predictor.model = { modelFormat = "sklearn"; path = "sklearn"; storage = { key = "localMinIO"; parameters.bucket = "example-models"; }; };',
    24: """
        name = "sklearn-oci-native";
        namespace = "kserve-test";
        predictor.model = {
          modelFormat = "sklearn";
          storageUri = "oci+native://ghcr.io/my-org/my-sklearn-model:v1";
          resources = { cpu = "100m"; memory = "256Mi"; limits = { cpu = "500m"; memory = "512Mi"; }; };
        };
    """,
    28: 'name = "configmap-defaults-example"; deploymentMode = "Standard"; predictor.model = { modelFormat = "sklearn"; storageUri = "s3://my-bucket/model"; };',
    31: 'name = "xgboost-iris"; predictor.model = { modelFormat = "xgboost"; storageUri = "gs://kfserving-examples/models/xgboost/iris"; };',
    32: 'name = "sklearn-iris"; predictor.model = { modelFormat = "sklearn"; storageUri = "gs://x/y"; }; inferenceGraph = { name = "model-chainer"; nodes.root = { routerType = "Sequence"; steps = [ { serviceName = "sklearn-iris"; } { serviceName = "xgboost-iris"; data = "$request"; } ]; }; };',
    35: 'name = "sklearn-iris"; predictor.model = { modelFormat = "sklearn"; storageUri = "gs://x/y"; }; inferenceGraph = { name = "splitter-model"; nodes.root = { routerType = "Splitter"; steps = [ { serviceName = "sklearn-iris"; weight = 20; } { serviceName = "xgboost-iris"; weight = 80; } ]; }; };',
}
# Beside a service, the samples have its identity.
ACCOUNTS = {15: 17, 21: 20}
# Samples without a counterpart, and why.
LEFT_OUT = {
    3: "the same as an earlier one",
    16: "a Secret with its value; here the command line makes it",
    17: "compared with the service that uses it",
    18: "v1alpha2, which no release serves any more",
    19: "a Secret with its value; here the command line makes it",
    20: "compared with the service that uses it",
    22: "a Secret with its value; here the command line makes it",
    25: "a Job of another distribution that fetches a model by hand",
    26: "its claim",
    27: "names transformer.custom, which v1beta1 does not have",
    29: "a model and a server at once, which KServe's webhook refuses",
    30: "the same as an earlier one",
    33: "the same as an earlier one",
    34: "the same as an earlier one",
}
# Fields by framework are old spellings of `model`; KServe's defaulter rewrites them like this.
FRAMEWORKS = ("sklearn", "xgboost", "tensorflow", "pytorch", "triton", "onnx", "huggingface", "pmml", "lightgbm")


def modern(item: compare.Object) -> compare.Object:
    predictor = item.get("spec", {}).get("predictor", {})
    for framework in FRAMEWORKS:
        if framework in predictor:
            predictor["model"] = {"modelFormat": {"name": framework}, **predictor.pop(framework)}
    return item


def sample(index: int, upstream: list[compare.Object]) -> tuple[list[compare.Object], list[compare.Object]]:
    theirs = [modern(upstream[index])] + [upstream[other] for place, other in ACCOUNTS.items() if place == index]
    ours = compare.rendered(
        f'(mlops.mkKServeInference ({{ namespace = "default"; ingress.enabled = true; }} // {{ {SAMPLES[index]} }})).objects'
    )
    wanted = {(item["kind"], item["metadata"]["name"]) for item in theirs}
    ours = [item for item in ours if (item["kind"], item["metadata"]["name"]) in wanted]
    # Samples leave the namespace to kubectl.
    for item in ours:
        if all("namespace" not in other["metadata"] for other in theirs):
            del item["metadata"]["namespace"]
    for item in ours + theirs:
        item["metadata"]["name"] = f"{index}-{item['metadata']['name']}"
    return ours, theirs


def test_samples_equal_upstream() -> None:
    upstream = compare.reference("kserve-0.20.0-samples.yaml")
    assert sorted([*SAMPLES, *LEFT_OUT]) == list(range(len(upstream)))
    ours: list[compare.Object] = []
    theirs: list[compare.Object] = []
    for index in SAMPLES:
        mine, other = sample(index, upstream)
        ours += mine
        theirs += other
    result = compare.compare("samples", ours, theirs, compare.explanations(LIST))
    LOG.info("%s", result)
    assert not result.problems(), "\n".join(result.problems())
