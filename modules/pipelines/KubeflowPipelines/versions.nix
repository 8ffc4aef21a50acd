# What is known of the versions of Kubeflow Pipelines. Two numberings meet here: Kubeflow's, the platform, and that
# of Kubeflow Pipelines itself.
let
  inherit (builtins) listToAttrs map;

  kfp = tag: part: "ghcr.io/kubeflow/kfp-${part}:${tag}";

  # Google closed gcr.io/ml-pipeline. All images up to 2.3 came from there, and the bundled MinIO up to 2.14.
  gone = "images of gcr.io/ml-pipeline are gone since 2025";
  upgrade = "upgrade step by step to the newest version, and keep a backup of the database";
  withdraw =
    reason: versions:
    listToAttrs (
      map (name: {
        inherit name;
        value = reason name;
      }) versions
    );
in
{
  versions."2.17.0" = {
    # Argo Workflows as it is bundled, with the CRDs of that version.
    argo = "4.0.5";
    images = {
      api-server = kfp "2.17.0" "api-server";
      persistence-agent = kfp "2.17.0" "persistence-agent";
      scheduled-workflow = kfp "2.17.0" "scheduled-workflow-controller";
      ui = kfp "2.17.0" "frontend";
      viewer = kfp "2.17.0" "viewer-crd-controller";
      visualization = kfp "2.17.0" "visualization-server";
      cache-server = kfp "2.17.0" "cache-server";
      cache-deployer = kfp "2.17.0" "cache-deployer";
      metadata-writer = kfp "2.17.0" "metadata-writer";
      metadata-envoy = kfp "2.17.0" "metadata-envoy";
      metadata-store = "gcr.io/tfx-oss-public/ml_metadata_store_server:1.14.0";
      driver = kfp "2.17.0" "driver";
      launcher = kfp "2.17.0" "launcher";
      workflow-controller = "quay.io/argoproj/workflow-controller:v4.0.5";
      executor = "quay.io/argoproj/argoexec:v4.0.5";
      database = "docker.io/library/mysql:8.4.10";
      store = "ghcr.io/chrislusf/seaweedfs:4.34";
      # Upstream names it without a tag; only steps that the v1 cache skips run it.
      cached-step = "ghcr.io/containerd/busybox";
      wait = "docker.io/alpine:3.23";
      # Python with botocore.
      tools = "docker.io/alpine/k8s:1.36.2";
      metacontroller = "ghcr.io/metacontroller/metacontroller:v4.16.2";
    };
  };

  lines = {
    "1.8.0" = {
      version = "2.17.0";
      reason = "is Kubeflow's platform 1.8.0 (Kubeflow Pipelines 2.0.3) or the last v1 backend, and the images of both are gone";
    };
    "1.11.0" = {
      version = "2.17.0";
      reason = "is Kubeflow's platform with Kubeflow Pipelines 2.15.0";
    };
    "26.03" = {
      version = "2.17.0";
      reason = "is Kubeflow's platform with Kubeflow Pipelines 2.16.0";
    };
  };

  withdrawn =
    withdraw (_: "${gone}; ${upgrade}") [
      "1.8.2"
      "1.8.3"
      "1.8.4"
      "1.8.5"
      "2.0.0"
      "2.0.1"
      "2.0.2"
      "2.0.3"
      "2.0.4"
      "2.0.5"
      "2.2.0"
      "2.3.0"
    ]
    //
      withdraw (_: "its bundled MinIO came from gcr.io/ml-pipeline, which is gone since 2025; ${upgrade}")
        [
          "2.4.0"
          "2.4.1"
          "2.5.0"
          "2.14.0"
        ]
    // withdraw (version: "Kubeflow's platform ${version}; its ${gone}; ${upgrade}") [
      "1.6.0"
      "1.7.0"
      "1.8.1"
      "1.9.0"
      "1.9.1"
      "1.10.0"
      "1.10.2"
    ];
}
