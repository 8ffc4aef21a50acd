# The API server: REST and gRPC, pipelines and runs in the database, compiled workflows for Argo.
{
  scope,
  plan,
  shape,
}:
let
  inherit (builtins) toString;
  inherit (scope) config k8s images;
  inherit (shape)
    install
    optional
    rights
    rule
    ;
  inherit (plan) store;

  onlyIf = condition: list: if condition then list else [ ];

  rules = [
    (rule "" [ "pods" "pods/log" ] [ "get" "list" "delete" ])
    (rule "argoproj.io" [ "workflows" ] rights.manage)
    (rule "kubeflow.org" [ "scheduledworkflows" ] [ "create" "get" "list" "update" "patch" "delete" ])
    (rule "kubeflow.org" [ "scheduledworkflows/finalizers" ] [ "update" ])
    (rule "pipelines.kubeflow.org" [ "pipelines" ] rights.read)
    (rule "authorization.k8s.io" [ "subjectaccessreviews" ] [ "create" ])
    (rule "authentication.k8s.io" [ "tokenreviews" ] [ "create" ])
    (rule "" [ "configmaps" ] [ "get" ] // { resourceNames = [ "kfp-launcher" ]; })
    (rule "" [ "secrets" ] [ "get" ] // { resourceNames = [ "kfp-mlflow-credentials" ]; })
  ]
  ++ onlyIf plan.customResources [
    (rule "pipelines.kubeflow.org" [ "pipelines" "pipelines/finalizers" ] rights.manage)
    (rule "pipelines.kubeflow.org" [
      "pipelineversions"
      "pipelineversions/status"
      "pipelineversions/finalizers"
    ] rights.manage)
  ];
  experiments = rule "mlflow.kubeflow.org" [ "experiments" ] [ "get" "list" "create" "update" ];

  probe = {
    path = "/apis/v1beta1/healthz";
    port = "http";
    scheme = if plan.tls then "HTTPS" else null;
    periodSeconds = 5;
    timeoutSeconds = 2;
  };

  env = [
    {
      KUBEFLOW_USERID_HEADER = if plan.multiUser then optional "USERID_HEADER" else null;
      KUBEFLOW_USERID_PREFIX = if plan.multiUser then optional "USERID_PREFIX" else null;
    }
    {
      PUBLISH_LOGS = if config.logging.enabled then "true" else "false";
      LOG_LEVEL = config.logging.level;
      # Verbosity of drivers and launchers, as glog counts it.
      PIPELINE_LOG_LEVEL =
        {
          debug = "4";
          info = "1";
          warn = "0";
          error = "0";
        }
        .${config.logging.level};
      AUTO_UPDATE_PIPELINE_DEFAULT_VERSION = install "autoUpdatePipelineDefaultVersion";
      CACHEENABLED = if config.cacheEnabled then null else "false";
      POD_NAMESPACE = k8s.field "metadata.namespace";
      CLUSTER_DOMAIN = "cluster.local";
      OBJECTSTORECONFIG_SECURE = if store.secure then "true" else "false";
      OBJECTSTORECONFIG_BUCKETNAME = install "bucketName";
      OBJECTSTORECONFIG_HOST = store.host;
      OBJECTSTORECONFIG_PORT =
        if store.backend == "minio" || store.port != 443 then toString store.port else "";
      OBJECTSTORECONFIG_REGION = if store.bundled then null else store.region;
      OBJECTSTORECONFIG_PIPELINEPATH = if store.prefix == "" then null else "${store.prefix}pipelines";
      # Where the API server looks for archived logs of v1 runs.
      ARCHIVE_CONFIG_LOG_PATH_PREFIX = if store.prefix == "" then null else "/${store.prefix}artifacts";
      DBCONFIG_USER = shape.database.user;
      DBCONFIG_PASSWORD = shape.database.password;
      DBCONFIG_DBNAME = install "pipelineDb";
      DBCONFIG_HOST = install "mysqlHost";
      DBCONFIG_PORT = install "mysqlPort";
      DBCONFIG_CONMAXLIFETIME = install "ConMaxLifeTime";
      DB_DRIVER_NAME = install "dbType";
      DBCONFIG_MYSQLCONFIG_USER = shape.database.user;
      DBCONFIG_MYSQLCONFIG_PASSWORD = shape.database.password;
      DBCONFIG_MYSQLCONFIG_DBNAME = install "pipelineDb";
      DBCONFIG_MYSQLCONFIG_HOST = install "mysqlHost";
      DBCONFIG_MYSQLCONFIG_PORT = install "mysqlPort";
      OBJECTSTORECONFIG_ACCESSKEY = shape.store.accessKey;
      OBJECTSTORECONFIG_SECRETACCESSKEY = shape.store.secretKey;
      V2_DRIVER_IMAGE = images.driver;
      V2_LAUNCHER_IMAGE = images.launcher;
      COMPILED_PIPELINE_SPEC_PATCH = "{}";
      DEFAULT_SECURITY_CONTEXT_RUN_AS_USER = optional "defaultSecurityContextRunAsUser";
      DEFAULT_SECURITY_CONTEXT_RUN_AS_GROUP = optional "defaultSecurityContextRunAsGroup";
      DEFAULT_SECURITY_CONTEXT_RUN_AS_NON_ROOT = optional "defaultSecurityContextRunAsNonRoot";
      DEFAULT_SECURITY_CONTEXT_HOST_USERS = optional "defaultSecurityContextHostUsers";
      BLOCK_V1_PIPELINES = optional "BLOCK_V1_PIPELINES";
      V1_ALLOWED_NAMESPACES = optional "V1_ALLOWED_NAMESPACES";
      # The server does not start without them. Kubernetes would set them from a Service that may not be there.
      ML_PIPELINE_VISUALIZATIONSERVER_SERVICE_HOST = "ml-pipeline-visualizationserver";
      ML_PIPELINE_VISUALIZATIONSERVER_SERVICE_PORT = "8888";
    }
    (
      if plan.tls then
        {
          CABUNDLE_SECRET_NAME = shape.tls.secret;
          METADATA_TLS_ENABLED = "true";
          ML_PIPELINE_SERVICE_HOST = "ml-pipeline.${scope.namespace}.svc.cluster.local";
        }
      else
        { }
    )
  ];

  certificates = "/etc/webhook/certs";
in
shape.identity {
  account = "ml-pipeline";
  role = "ml-pipeline";
  binding = "ml-pipeline";
  rules = rules ++ [ experiments ];
  clusterRules = rules;
  inherit (config.serviceAccount) annotations;
}
++ [
  (k8s.service {
    name = "ml-pipeline";
    role = "ml-pipeline";
    selector = shape.named "ml-pipeline";
    labels.app = "ml-pipeline";
    annotations =
      if plan.tls then
        { }
      else
        {
          "prometheus.io/scrape" = "true";
          "prometheus.io/scheme" = "http";
          "prometheus.io/port" = "8888";
        };
    ports = [
      (
        {
          name = if plan.tls then "tls" else "http";
          port = 8888;
          protocol = "TCP";
          targetPort = 8888;
        }
        // (if plan.tls then { appProtocol = "https"; } else { })
      )
      {
        name = "grpc";
        port = 8887;
        protocol = "TCP";
        targetPort = 8887;
      }
    ]
    ++ onlyIf plan.customResources [
      {
        name = "webhook";
        port = 8443;
        protocol = "TCP";
        targetPort = 8443;
      }
    ];
  })
  (shape.deployment {
    name = "ml-pipeline";
    extended = true;
    apiAccess = true;
    serviceAccount = "ml-pipeline";
    podAnnotations."cluster-autoscaler.kubernetes.io/safe-to-evict" = "true";
    initContainers = [
      (shape.waitFor "database" (install "mysqlHost") (install "mysqlPort"))
      (shape.waitFor "metadata-grpc" "metadata-grpc-service" "8080")
    ];
    containers = [
      {
        name = "ml-pipeline-api-server";
        image = images.api-server;
        # The image's own command, written out so that flags can be added.
        command = [ "/bin/apiserver" ];
        args = [
          "--config=/config"
        ]
        ++ onlyIf config.samples [ "--sampleconfig=/config/sample_config.json" ]
        ++ [
          "-logtostderr=true"
          "--logLevel=${config.logging.level}"
        ]
        ++ onlyIf plan.tls [
          "--tlsCertPath=${shape.tls.directory}/tls.crt"
          "--tlsCertKeyPath=${shape.tls.directory}/tls.key"
        ]
        ++ onlyIf plan.customResources [
          "--webhookTLSCertPath=${certificates}/tls.crt"
          "--webhookTLSKeyPath=${certificates}/tls.key"
          "--pipelinesStoreKubernetes=true"
        ];
        inherit env;
        envFrom = onlyIf plan.multiUser [ { configMapRef.name = "pipeline-api-server-config"; } ];
        ports = {
          http = 8888;
          grpc = 8887;
        }
        // (if plan.customResources then { webhook = 8443; } else { });
        startup = k8s.httpProbe (probe // { failureThreshold = 12; });
        liveness = k8s.httpProbe (probe // { initialDelaySeconds = 3; });
        readiness = k8s.httpProbe (probe // { initialDelaySeconds = 3; });
        inherit (config) resources;
        mounts = {
          tmp = "/tmp";
          mlflow-tracking-ca = {
            mountPath = "/etc/mlflow-tracking-ca";
            readOnly = true;
          };
        }
        // (
          if plan.customResources then
            {
              webhook-certs = {
                mountPath = certificates;
                readOnly = true;
              };
            }
          else
            { }
        )
        // shape.tls.mounts;
      }
    ];
    volumes = {
      tmp = { };
      mlflow-tracking-ca.configMap = {
        name = "mlflow-tracking-ca";
        optional = true;
      };
    }
    // (
      if plan.customResources then { webhook-certs.secret.secretName = "kfp-api-webhook-cert"; } else { }
    )
    // shape.tls.volumes;
  })
]
