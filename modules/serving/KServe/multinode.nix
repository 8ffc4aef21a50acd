# The Hugging Face server over several nodes: a Ray head in the predictor's pod, Ray workers beside it.
{ format, memory }:
let
  shm = memory {
    name = "shm";
    sizeLimit = "3Gi";
  };
  port = "6379";
  head = "\${HEAD_SVC}.\${POD_NAMESPACE}.svc.cluster.local";
  health = "python ./huggingfaceserver/health_check.py";

  shell = script: [
    "bash"
    "-c"
    script
  ];
  probe = script: timing: { exec.command = shell "${script}\n"; } // timing;
  steady = {
    failureThreshold = 2;
    periodSeconds = 5;
    successThreshold = 1;
    timeoutSeconds = 15;
  };
  slow = {
    failureThreshold = 40;
    initialDelaySeconds = 60;
    periodSeconds = 30;
    successThreshold = 1;
    timeoutSeconds = 30;
  };
  both = "registered_node_and_runtime_health --health_check_url http://localhost:8080";

  resources = {
    requests = {
      cpu = "2";
      memory = "6Gi";
    };
    limits = {
      cpu = "4";
      memory = "12Gi";
    };
  };
in
{
  server = "huggingfaceserver";
  image = "huggingfaceserverGpu";
  formats = [ (format "huggingface" "1" 2) ];
  protocols = [
    "v2"
    "v1"
  ];
  multinode = true;
  # Its containers have no security context of their own.
  unconfined = true;
  root = true;
  args = [ "--model_name={{.Name}}" ];
  env = [
    { RAY_PORT = port; }
    { POD_NAMESPACE.fieldRef.fieldPath = "metadata.namespace"; }
    { POD_IP.fieldRef.fieldPath = "status.podIP"; }
    { VLLM_CONFIG_ROOT = "/tmp"; }
    { HF_HUB_CACHE = "/tmp"; }
  ];
  command = shell ''
    export MODEL_DIR_ARG=""
    if [[ ! -z ''${MODEL_ID} ]]; then export MODEL_DIR_ARG="--model_dir=''${MODEL_ID}"; fi
    if [[ ! -z ''${MODEL_DIR} ]]; then export MODEL_DIR_ARG="--model_dir=''${MODEL_DIR}"; fi
    export RAY_ADDRESS=''${POD_IP}:''${RAY_PORT}
    ray start --head --disable-usage-stats --include-dashboard false
    ${health} registered_nodes --retries 200 --probe_name runtime_start
    python -m huggingfaceserver ''${MODEL_DIR_ARG} --tensor-parallel-size=''${TENSOR_PARALLEL_SIZE} --pipeline-parallel-size=''${PIPELINE_PARALLEL_SIZE} $0 $@
  '';
  container = {
    inherit resources;
    livenessProbe = probe "${health} ${both} --probe_name head_liveness" steady;
    readinessProbe = probe "${health} runtime_health --health_check_url http://localhost:8080 --probe_name head_readiness" steady;
    startupProbe = probe "${health} ${both} --probe_name head_startup" slow;
  };
  inherit (shm) volumes mounts;
  metrics = "python";
  worker = image: {
    pipelineParallelSize = 1;
    tensorParallelSize = 1;
    inherit (shm) volumes;
    containers = [
      {
        name = "worker-container";
        inherit image resources;
        env = [
          {
            name = "POD_NAME";
            valueFrom.fieldRef.fieldPath = "metadata.name";
          }
          {
            name = "POD_NAMESPACE";
            valueFrom.fieldRef.fieldPath = "metadata.namespace";
          }
        ];
        # Failures of the first four minutes are expected: the head may still be on its way.
        command = shell ''
          export RAY_HEAD_ADDRESS=${head}:${port}
          SECONDS=0
          until if (( SECONDS <= 240 )); then ray health-check --address "''${RAY_HEAD_ADDRESS}" > /dev/null 2>&1; else ray health-check --address "''${RAY_HEAD_ADDRESS}"; fi; do
            echo "''${SECONDS} seconds: waiting for the Ray head at ''${RAY_HEAD_ADDRESS}"
            sleep 5
          done
          ray start --address="''${RAY_HEAD_ADDRESS}" --block
        '';
        livenessProbe = probe "export RAY_ADDRESS=${head}:${port}\n${health} registered_nodes --probe_name worker_liveness" steady;
        startupProbe = probe "export RAY_HEAD_NODE=${head}\nexport RAY_ADDRESS=\${RAY_HEAD_NODE}:${port}\n${health} registered_node_and_runtime_models --runtime_url http://\${RAY_HEAD_NODE}:8080/v1/models --probe_name worker_startup" slow;
        volumeMounts = shm.mounts;
      }
    ];
  };
}
