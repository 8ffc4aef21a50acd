# Argo's workflow controller, which runs what the API server compiles: of the installation's own, or the cluster's.
{
  scope,
  plan,
  shape,
}:
let
  inherit (scope)
    config
    k8s
    images
    name
    ;
  inherit (shape) rights rule;
  inherit (plan) store;
  yaml = import ../../../lib/render/yaml.nix;

  priority = plan.clusterName "workflow-controller";

  # Runs stop when the controller is evicted; who chooses a priority for all pods has chosen one for it.
  priorities =
    if config.priorityClassName != null then
      [ ]
    else
      [
        {
          apiVersion = "scheduling.k8s.io/v1";
          kind = "PriorityClass";
          metadata = removeAttrs (k8s.metadata { name = priority; }) [ "namespace" ];
          value = 1000000;
        }
      ];

  keySelector = field: {
    inherit (store.keys) name;
    key = store.keys.${field};
  };
  archive = {
    archiveLogs = config.logging.enabled;
  }
  // (
    if store.backend == "gcs" then
      {
        gcs = {
          inherit (store) bucket keyFormat;
        }
        // (
          if config.storage.keyRef == null then
            { }
          else
            {
              serviceAccountKeySecret = { inherit (config.storage.keyRef) name key; };
            }
        );
      }
    else
      {
        s3 = {
          inherit (store) endpoint bucket keyFormat;
          insecure = !store.secure;
        }
        // (if store.bundled then { } else { inherit (store) region; })
        // (
          if store.keys == null then
            { useSDKCreds = true; }
          else
            {
              accessKeySecret = keySelector "accessKey";
              secretKeySecret = keySelector "secretKey";
            }
        );
      }
  );

  own = [
    (rule "coordination.k8s.io" [ "leases" ] [ "create" "get" "update" ])
    (rule "" [ "secrets" ] [ "get" ])
  ];
  pods = rule "" [ "pods" "pods/exec" ] rights.manage;
  rules = [
    (rule ""
      [ "persistentvolumeclaims" "persistentvolumeclaims/finalizers" ]
      [
        "create"
        "update"
        "delete"
        "get"
      ]
    )
    (rule "argoproj.io" [
      "workflows"
      "workflows/finalizers"
      "workflowtasksets"
      "workflowtasksets/finalizers"
      "workflowartifactgctasks"
    ] rights.manage)
    (rule "argoproj.io" [ "workflowtemplates" "workflowtemplates/finalizers" ] rights.read)
    (rule "argoproj.io" [ "workflowtaskresults" ] [ "list" "watch" "deletecollection" ])
    (rule "" [ "serviceaccounts" ] [ "get" "list" ])
    (rule "argoproj.io"
      [ "cronworkflows" "cronworkflows/finalizers" ]
      [
        "get"
        "list"
        "watch"
        "update"
        "patch"
        "delete"
      ]
    )
    (rule "" [ "events" ] [ "create" "patch" ])
    (rule "policy" [ "poddisruptionbudgets" ] [ "create" "get" "delete" ])
  ];
  namespaced =
    own
    ++ [
      pods
      (rule "" [ "configmaps" ] rights.read)
    ]
    ++ rules;
  everywhere = [
    pods
    (rule "" [ "configmaps" "namespaces" ] rights.read)
    (rule "argoproj.io" [
      "clusterworkflowtemplates"
      "clusterworkflowtemplates/finalizers"
    ] rights.read)
    (
      rule "" [ "secrets" ] [ "get" ]
      // {
        resourceNames = [ "argo-workflows-agent-ca-certificates" ];
      }
    )
  ]
  ++ rules;

  kinds = [
    "workflows"
    "workfloweventbindings"
    "workflowtemplates"
    "cronworkflows"
    "clusterworkflowtemplates"
    "workflowtaskresults"
  ];
  withFinalizers =
    resources:
    builtins.concatMap (kind: [
      kind
      "${kind}/finalizers"
    ]) resources;
  # Rights on workflows for those who have the cluster's roles admin, edit and view.
  aggregate =
    role: resources: verbs:
    k8s.clusterRole {
      name = plan.clusterName "argo-aggregate-to-${role}";
      labels."rbac.authorization.k8s.io/aggregate-to-${role}" = "true";
      rules = [ (rule "argoproj.io" (withFinalizers resources) verbs) ];
    };
  all = rights.manage ++ [ "deletecollection" ];

  identity =
    if plan.multiUser then
      [
        (k8s.serviceAccount { name = "argo"; })
        (k8s.role {
          name = "argo-role";
          rules = own;
        })
        (k8s.roleBinding {
          name = "argo-binding";
          roleName = "argo-role";
          subjects = [ { name = "argo"; } ];
        })
        (k8s.clusterRole {
          name = plan.clusterName "argo-cluster-role";
          rules = everywhere;
        })
        (k8s.clusterRoleBinding {
          name = plan.clusterName "argo-binding";
          roleName = plan.clusterName "argo-cluster-role";
          subjects = [ { name = "argo"; } ];
        })
        (aggregate "admin" (kinds ++ [ "workflowtasksets" ]) all)
        (aggregate "edit" kinds all)
        (aggregate "view" kinds rights.read)
      ]
    else
      shape.identity {
        account = "argo";
        role = "argo-role";
        binding = "argo-binding";
        rules = namespaced;
      };
in
if !plan.ownController then
  [
    # The cluster's controller asks each namespace where its logs go.
    (k8s.configMap {
      name = "artifact-repositories";
      annotations."workflows.argoproj.io/default-artifact-repository" = "default";
      data.default = yaml.document archive;
    })
  ]
else
  identity
  ++ priorities
  ++ [
    (k8s.configMap {
      name = "workflow-controller-configmap";
      data = {
        artifactRepository = yaml.document archive;
        executor = yaml.document {
          imagePullPolicy = "IfNotPresent";
          securityContext = {
            runAsNonRoot = true;
            runAsUser = 65532;
            allowPrivilegeEscalation = false;
            capabilities.drop = [ "ALL" ];
            seccompProfile.type = "RuntimeDefault";
          };
        };
        workflowDefaults = yaml.document {
          spec = {
            ttlStrategy = {
              secondsAfterCompletion = 3600;
              secondsAfterSuccess = 3600;
              secondsAfterFailure = 3600;
            };
            templateDefaults.retryStrategy = {
              limit = "2";
              retryPolicy = "OnError";
            };
          };
        };
      };
    })
    (shape.deployment {
      name = "workflow-controller";
      apiAccess = true;
      # The image has a user of its own.
      runAs = removeAttrs shape.user [
        "runAsUser"
        "runAsGroup"
      ];
      serviceAccount = "argo";
      containers = [
        {
          name = "workflow-controller";
          image = images.workflow-controller;
          command = [ "workflow-controller" ];
          args = [
            "--configmap"
            "workflow-controller-configmap"
            "--executor-image"
            images.executor
            "--loglevel"
            config.logging.level
          ]
          ++ (if plan.multiUser then [ ] else [ "--namespaced" ]);
          env = {
            TRANSIENT_ERROR_PATTERN = "(?i)(imminent node shutdown|node is shutting down|preempt|evict|spot|pod deleted)";
            LEADER_ELECTION_IDENTITY = k8s.field "metadata.name";
          };
          ports = {
            metrics = 9090;
            health = 6060;
          };
          liveness = k8s.httpProbe {
            path = "/healthz";
            port = "health";
            initialDelaySeconds = 90;
            periodSeconds = 60;
            timeoutSeconds = 30;
          };
          readiness = k8s.httpProbe {
            path = "/healthz";
            port = "health";
          };
          resources = {
            requests = {
              cpu = "100m";
              memory = "500Mi";
            };
            limits.memory = "2Gi";
          };
          mounts.tmp = "/tmp";
        }
      ];
      pod = if priorities == [ ] then { } else { priorityClassName = priority; };
    })
  ]
