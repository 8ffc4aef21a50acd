# What follows runs: the persistence agent copies states of workflows into the database, the scheduled-workflow
# controller starts recurring runs.
{
  scope,
  plan,
  shape,
}:
let
  inherit (scope) config k8s images;
  inherit (shape) rights rule;

  token = name: {
    "${name}-sa-token".projected.sources = [
      {
        serviceAccountToken = {
          audience = "pipelines.kubeflow.org";
          expirationSeconds = 3600;
          path = "${name}-sa-token";
        };
      }
    ];
  };
  tokens = "/var/run/secrets/kubeflow/tokens";
  evictable."cluster-autoscaler.kubernetes.io/safe-to-evict" = "true";
  waitForApi = shape.waitFor "ml-pipeline" "ml-pipeline" "8888";
  authority = "${shape.tls.directory}/ca.crt";
  # The name that stands in the certificate.
  server = "ml-pipeline.${scope.namespace}.svc.cluster.local";

  watch = {
    requests = {
      cpu = "120m";
      memory = "500Mi";
    };
    limits.memory = "1Gi";
  };

  persistenceRules = [
    (rule "argoproj.io" [ "workflows" ] rights.read)
    (rule "kubeflow.org" [ "scheduledworkflows" ] rights.read)
    (rule "pipelines.kubeflow.org" [ "scheduledworkflows" "workflows" ] [ "report" ])
    (rule "pipelines.kubeflow.org" [ "runs" ] [ "reportMetrics" "readArtifact" ])
  ];

  scheduleRules = [
    (rule "argoproj.io" [ "workflows" ] rights.manage)
    (rule "kubeflow.org" [ "scheduledworkflows" "scheduledworkflows/finalizers" ] rights.manage)
    (rule "pipelines.kubeflow.org" [ "runs" ] [ "create" ])
    (rule "" [ "events" ] [ "create" "patch" ])
  ];
in
shape.identity {
  account = "ml-pipeline-persistenceagent";
  role = "ml-pipeline-persistenceagent-role";
  binding = "ml-pipeline-persistenceagent-binding";
  rules = persistenceRules;
  clusterRules = persistenceRules;
}
++ shape.identity {
  account = "ml-pipeline-scheduledworkflow";
  role = "ml-pipeline-scheduledworkflow-role";
  binding = "ml-pipeline-scheduledworkflow-binding";
  rules = scheduleRules;
  clusterRules = scheduleRules;
}
++ [
  (shape.deployment {
    name = "ml-pipeline-persistenceagent";
    apiAccess = true;
    serviceAccount = "ml-pipeline-persistenceagent";
    podAnnotations = evictable;
    initContainers = [ waitForApi ];
    containers = [
      (
        {
          name = "ml-pipeline-persistenceagent";
          image = images.persistence-agent;
          env = [
            {
              NAMESPACE = shape.watched;
              TTL_SECONDS_AFTER_WORKFLOW_FINISH = "86400";
              NUM_WORKERS = "2";
              LOG_LEVEL = config.logging.level;
            }
          ];
          resources = watch;
          mounts = {
            persistenceagent-sa-token = tokens;
            tmp = "/tmp";
          }
          // shape.tls.mounts;
        }
        // (
          if plan.tls then
            {
              command = [
                "/bin/sh"
                "-c"
                "exec persistence_agent --logtostderr=true --namespace=$NAMESPACE --ttlSecondsAfterWorkflowFinish=$TTL_SECONDS_AFTER_WORKFLOW_FINISH --numWorker $NUM_WORKERS --executionType Workflow --logLevel=$LOG_LEVEL --mlPipelineAPIServerName=${server} -mlPipelineServiceTLSEnabled=true -caCertPath=${authority}"
              ];
            }
          else
            { }
        )
      )
    ];
    volumes = {
      tmp = { };
    }
    // token "persistenceagent"
    // shape.tls.volumes;
  })
  (shape.deployment {
    name = "ml-pipeline-scheduledworkflow";
    apiAccess = true;
    serviceAccount = "ml-pipeline-scheduledworkflow";
    podAnnotations = evictable;
    initContainers = [ waitForApi ];
    containers = [
      (
        {
          name = "ml-pipeline-scheduledworkflow";
          image = images.scheduled-workflow;
          env = [
            (
              if plan.multiUser then
                {
                  NAMESPACE_SELF = k8s.field "metadata.namespace";
                  SERVICE_ACCOUNT_NAME = k8s.field "spec.serviceAccountName";
                  USER_IDENTITY_HEADER = shape.optional "USERID_HEADER";
                }
              else
                { }
            )
            {
              USER_IDENTITY_VALUE =
                if plan.multiUser then "system:serviceaccount:$(NAMESPACE_SELF):$(SERVICE_ACCOUNT_NAME)" else null;
              METRICS_PORT = "9090";
              CLIENT_QPS = "10";
              CLIENT_BURST = "20";
              RESYNC_INTERVAL_SECONDS = "30";
              LOG_LEVEL = config.logging.level;
              NAMESPACE = shape.watched;
              CRON_SCHEDULE_TIMEZONE = shape.install "cronScheduleTimezone";
            }
          ];
          ports.http = 9090;
          readiness = k8s.tcpProbe { port = "http"; };
          resources = shape.small;
          mounts = {
            scheduledworkflow-sa-token = tokens;
            tmp = "/tmp";
          }
          // shape.tls.mounts;
        }
        // (
          if plan.tls then
            {
              command = [
                "/bin/sh"
                "-c"
                "exec /bin/controller --logtostderr=true --namespace=$NAMESPACE --logLevel=$LOG_LEVEL --clientQPS=$CLIENT_QPS --clientBurst=$CLIENT_BURST --recurringRunResyncIntervalSeconds=$RESYNC_INTERVAL_SECONDS --metricsPort=$METRICS_PORT --mlPipelineAPIServerName=${server} -mlPipelineServiceTLSEnabled=true -caCertPath=${authority}"
              ];
            }
          else
            { }
        )
      )
    ];
    volumes = {
      tmp = { };
    }
    // token "scheduledworkflow"
    // shape.tls.volumes;
  })
]
