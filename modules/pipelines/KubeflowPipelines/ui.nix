# The web interface, and the Envoy proxy through which it reads ML Metadata.
{
  scope,
  plan,
  shape,
}:
let
  inherit (builtins) toString;
  inherit (scope)
    config
    k8s
    images
    namespace
    ;
  inherit (shape) rule optional;
  inherit (plan) store;

  text = value: if value then "true" else "false";
  own = [ (rule "" [ "secrets" "configmaps" ] [ "get" "list" ]) ];
  rules = [
    (rule "" [ "pods" "pods/log" ] [ "get" ])
    (rule "" [ "events" ] [ "list" ])
    (rule "kubeflow.org" [ "viewers" ] [ "create" "get" "list" "watch" "delete" ])
    (rule "argoproj.io" [ "workflows" ] [ "get" "list" ])
  ];

  probe = {
    path = "/apis/v1beta1/healthz";
    port = "http";
    initialDelaySeconds = 3;
    periodSeconds = 5;
    timeoutSeconds = 2;
  };

  storeEnv =
    if store.backend == "minio" then
      {
        MINIO_HOST = if store.bundled then "seaweedfs" else store.host;
        MINIO_PORT = toString store.port;
        MINIO_SSL = text store.secure;
        # An outside host is complete by itself.
        MINIO_NAMESPACE = if store.bundled then k8s.field "metadata.namespace" else "";
        MINIO_ACCESS_KEY = shape.store.accessKey;
        MINIO_SECRET_KEY = shape.store.secretKey;
        ARGO_ARCHIVE_ARTIFACTORY = "minio";
      }
    else
      # Google's store is read by its S3 interface as well, with the HMAC key.
      {
        AWS_S3_ENDPOINT = store.endpoint;
        AWS_REGION = store.region;
        AWS_SSL = text store.secure;
        AWS_ACCESS_KEY_ID = if store.keys == null then null else shape.store.accessKey;
        AWS_SECRET_ACCESS_KEY = if store.keys == null then null else shape.store.secretKey;
        ARGO_ARCHIVE_ARTIFACTORY = "s3";
      };

  tlsEnv =
    if plan.tls then
      {
        ML_PIPELINE_SERVICE_SCHEME = "https";
        METADATA_ENVOY_SERVICE_SERVICE_SCHEME = "https";
        NODE_EXTRA_CA_CERTS = "${shape.tls.directory}/ca.crt";
      }
    else
      { };

  userEnv =
    if plan.multiUser then
      {
        DEPLOYMENT = "KUBEFLOW";
        ARTIFACTS_SERVICE_PROXY_NAME = "ml-pipeline-ui-artifact";
        ARTIFACTS_SERVICE_PROXY_PORT = "80";
        ENABLE_AUTHZ = "true";
        KUBEFLOW_USERID_HEADER = optional "USERID_HEADER";
        KUBEFLOW_USERID_PREFIX = optional "USERID_PREFIX";
      }
    else
      { };
in
if !config.ui.enabled then
  [ ]
else
  shape.identity {
    account = "ml-pipeline-ui";
    role = "ml-pipeline-ui";
    binding = "ml-pipeline-ui";
    rules = rules ++ own;
    clusterRules = rules;
    inherit (config.serviceAccount) annotations;
  }
  ++ [
    (k8s.configMap {
      name = "ml-pipeline-ui-configmap";
      data."viewer-pod-template.json" = builtins.toJSON {
        spec.serviceAccountName = if plan.multiUser then "default-editor" else "kubeflow-pipelines-viewer";
      };
    })
    (k8s.service {
      name = "ml-pipeline-ui";
      role = "ml-pipeline";
      selector = shape.named "ml-pipeline-ui";
      ports = [
        {
          name = "http";
          port = 80;
          protocol = "TCP";
          targetPort = 3000;
        }
      ];
    })
    (shape.deployment {
      name = "ml-pipeline-ui";
      inherit (config.ui) replicas;
      apiAccess = true;
      serviceAccount = "ml-pipeline-ui";
      podAnnotations."cluster-autoscaler.kubernetes.io/safe-to-evict" = "true";
      containers = [
        {
          name = "ml-pipeline-ui";
          image = images.ui;
          env = [
            (
              {
                VIEWER_TENSORBOARD_POD_TEMPLATE_SPEC_PATH = "/etc/config/viewer-pod-template.json";
                # Otherwise the store's secret key signs, or a constant that everybody knows.
                TENSORBOARD_PROXY_SIGNING_SECRET = k8s.secretKey {
                  name = "ml-pipeline-ui";
                  key = "signing-secret";
                };
                ALLOW_CUSTOM_VISUALIZATIONS = text plan.v1;
                FRONTEND_SERVER_NAMESPACE = k8s.field "metadata.namespace";
                ARGO_ARCHIVE_LOGS = text config.logging.enabled;
                ARGO_ARCHIVE_BUCKETNAME = store.bucket;
                # The program's own default is not what the workflow controller writes.
                ARGO_KEYFORMAT = store.keyFormat;
                DISABLE_GKE_METADATA = text (store.backend != "gcs");
                ARTIFACT_NAMESPACE_OWNERSHIP_MODE = optional "ARTIFACT_NAMESPACE_OWNERSHIP_MODE";
                ARTIFACT_NAMESPACE_KEY_PREFIX = optional "ARTIFACT_NAMESPACE_KEY_PREFIX";
                CLUSTER_DOMAIN = optional "CLUSTER_DOMAIN";
                ARTIFACTS_SERVICE_PROXY_ENABLED = optional "ARTIFACTS_PROXY_ENABLED";
                # Kubernetes sets these from the Services only if they are there before the pod.
                ML_PIPELINE_SERVICE_HOST = if plan.tls then "ml-pipeline.${namespace}" else "ml-pipeline";
                ML_PIPELINE_SERVICE_PORT = "8888";
                METADATA_ENVOY_SERVICE_SERVICE_HOST = "metadata-envoy-service";
                METADATA_ENVOY_SERVICE_SERVICE_PORT = "9090";
              }
              // storeEnv
              // tlsEnv
              // userEnv
            )
          ];
          ports.http = 3000;
          liveness = k8s.httpProbe probe;
          readiness = k8s.httpProbe probe;
          inherit (config.ui) resources;
          mounts = {
            config-volume = {
              mountPath = "/etc/config";
              readOnly = true;
            };
            tmp = "/tmp";
          }
          // shape.tls.mounts;
        }
      ];
      volumes = {
        tmp = { };
        config-volume.configMap.name = "ml-pipeline-ui-configmap";
      }
      // shape.tls.volumes;
    })
  ]
  ++ k8s.podDisruptionBudget {
    name = "ml-pipeline-ui";
    role = "ml-pipeline";
    selector = shape.named "ml-pipeline-ui";
    inherit (config.ui) replicas;
  }
  ++ k8s.route {
    name = config.name;
    service = "ml-pipeline-ui";
    port = 80;
  }
