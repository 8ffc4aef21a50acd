# The serving runtimes that KServe ships, as data: the operator renders them as ClusterServingRuntimes, and
# mkKServeInference looks up which of them serves a model.
# Source: kserve/kserve v0.20.0, config/runtimes.
let
  # Formats with a version each; `auto` is the priority of those that are chosen without being named.
  format = name: version: priority: {
    inherit name version priority;
    autoSelect = true;
  };
  named = name: version: priority: {
    inherit name version priority;
    autoSelect = false;
  };

  modelServer = [
    "--model_name={{.Name}}"
    "--model_dir=/mnt/models"
    "--http_port=8080"
  ];
  both = [
    "v1"
    "v2"
  ];
  memory =
    {
      name,
      sizeLimit ? null,
    }:
    {
      volumes = [
        {
          inherit name;
          emptyDir = {
            medium = "Memory";
          }
          // (if sizeLimit == null then { } else { inherit sizeLimit; });
        }
      ];
      mounts = [
        {
          inherit name;
          mountPath = "/dev/shm";
        }
      ];
    };
  devshm = memory { name = "devshm"; };
in
{
  kserve-autogluonserver = {
    image = "autogluonserver";
    formats = [ (format "autogluon" "1" 1) ];
    protocols = both;
    args = modelServer;
    metrics = "python";
  };
  kserve-huggingfaceserver = {
    image = "huggingfaceserver";
    formats = [ (format "huggingface" "1" 1) ];
    protocols = [
      "v2"
      "v1"
    ];
    args = [ "--model_name={{.Name}}" ];
    env.LMCACHE_USE_EXPERIMENTAL = "True";
    inherit (devshm) volumes mounts;
    spec.hostIPC = false;
    metrics = "python";
    gpuImage = true;
  };
  kserve-huggingfaceserver-multinode = import ./multinode.nix {
    inherit format memory;
  };
  kserve-lgbserver = {
    image = "lgbserver";
    formats = [ (format "lightgbm" "4" 1) ];
    protocols = both;
    args = modelServer ++ [ "--nthread=1" ];
    metrics = "python";
  };
  kserve-mlserver = {
    image = "mlserver";
    formats = [
      (format "sklearn" "0" 2)
      (format "sklearn" "1" 2)
      (format "xgboost" "1" 2)
      (format "xgboost" "2" 2)
      (format "lightgbm" "3" 2)
      (format "lightgbm" "4" 2)
      (format "mlflow" "1" 1)
      (format "mlflow" "2" 1)
    ];
    protocols = [ "v2" ];
    # The order is upstream's.
    env = [
      { MLSERVER_MODEL_IMPLEMENTATION = "{{.Labels.modelClass}}"; }
      { MLSERVER_HTTP_PORT = "8080"; }
      { MLSERVER_GRPC_PORT = "9000"; }
    ];
    metrics = "mlserver";
  };
  kserve-paddleserver = {
    image = "paddleserver";
    formats = [ (format "paddle" "2" 1) ];
    protocols = both;
    args = modelServer;
    metrics = "python";
  };
  kserve-pmmlserver = {
    image = "pmmlserver";
    formats = [
      (format "pmml" "3" 1)
      (format "pmml" "4" 1)
    ];
    protocols = both;
    args = modelServer;
    metrics = "python";
  };
  kserve-predictiveserver = {
    image = "predictiveserver";
    formats = [
      (named "sklearn" "1" 3)
      (named "xgboost" "2" 3)
      (named "lightgbm" "4" 3)
    ];
    protocols = both;
    args = modelServer ++ [
      "--framework={{.Annotations.modelFormat}}"
      "--nthread=1"
    ];
    spec.multiModel = false;
    metrics = "python";
  };
  kserve-sklearnserver = {
    image = "sklearnserver";
    formats = [ (format "sklearn" "1" 1) ];
    protocols = both;
    args = modelServer;
    metrics = "python";
  };
  kserve-tensorflow-serving = {
    server = "tensorflow-serving";
    image = "tensorflowServing";
    formats = [
      (format "tensorflow" "1" 2)
      (format "tensorflow" "2" 2)
    ];
    protocols = [
      "v1"
      "grpc-v1"
    ];
    command = [ "/usr/bin/tensorflow_model_server" ];
    args = [
      "--model_name={{.Name}}"
      "--port=9000"
      "--rest_api_port=8080"
      "--model_base_path=/mnt/models"
      "--rest_api_timeout_in_ms=60000"
    ];
    user = 1000;
    metrics = "tensorflow";
    gpuImage = true;
  };
  kserve-torchserve = {
    image = "torchserve";
    formats = [ (format "pytorch" "1" 2) ];
    protocols = [
      "v1"
      "v2"
      "grpc-v2"
    ];
    args = [
      "torchserve"
      "--start"
      "--model-store=/mnt/models/model-store"
      "--ts-config=/mnt/models/config/config.properties"
    ];
    env.TS_SERVICE_ENVELOPE = "{{.Labels.serviceEnvelope}}";
    user = 1000;
    metricsPort = 8082;
    metrics = "torchserve";
    gpuImage = true;
  };
  kserve-tritonserver = {
    image = "tritonserver";
    formats = [
      (format "tensorrt" "8" 1)
      (format "tensorflow" "1" 1)
      (format "tensorflow" "2" 1)
      (format "onnx" "1" 1)
      {
        name = "pytorch";
        version = "1";
      }
      (format "triton" "2" 1)
    ];
    protocols = [
      "v2"
      "grpc-v2"
    ];
    args = [
      "tritonserver"
      "--model-store=/mnt/models"
      "--grpc-port=9000"
      "--http-port=8080"
      "--allow-grpc=true"
      "--allow-http=true"
    ];
    user = 1000;
    metricsPort = 8002;
    metrics = "triton";
  };
  kserve-vllmserver = {
    image = "vllmserver";
    formats = [ (format "vLLM" "1" 1) ];
    protocols = [ ];
    command = [
      "python"
      "-m"
      "vllm.entrypoints.openai.api_server"
    ];
    args = [
      "--port=8080"
      "--served-model-name={{.Name}}"
      "--model=/mnt/models"
    ];
    env = [
      { LMCACHE_USE_EXPERIMENTAL = "True"; }
      { HF_HOME = "/tmp"; }
      { VLLM_CONFIG_ROOT = "/tmp"; }
      { VLLM_WORKER_MULTIPROC_METHOD = "spawn"; }
    ];
    inherit (devshm) volumes mounts;
    spec.hostIPC = false;
    # The image runs as root.
    root = true;
    container = {
      readinessProbe = {
        httpGet = {
          path = "/v1/models";
          port = 8080;
        };
        failureThreshold = 3;
        periodSeconds = 10;
        successThreshold = 1;
        timeoutSeconds = 5;
      };
      startupProbe = {
        httpGet = {
          path = "/v1/models";
          port = 8080;
        };
        failureThreshold = 60;
        initialDelaySeconds = 30;
        periodSeconds = 30;
        successThreshold = 1;
        timeoutSeconds = 10;
      };
    };
    metrics = "vllm";
  };
  kserve-xgbserver = {
    image = "xgbserver";
    formats = [ (format "xgboost" "2" 1) ];
    protocols = both;
    args = modelServer ++ [ "--nthread=1" ];
    metrics = "python";
  };
}
