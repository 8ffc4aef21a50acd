# Runs of several users, each in the namespace of a profile: who may do what, what a namespace needs, and which
# requests the mesh lets through.
{
  scope,
  plan,
  shape,
}:
let
  inherit (builtins) map readFile;
  inherit (scope)
    config
    k8s
    images
    namespace
    ;
  inherit (shape) rule;
  inherit (plan) store;

  text = value: if value then "true" else "false";
  principals = map (account: "cluster.local/ns/${namespace}/sa/${account}");
  programs = [
    "ml-pipeline"
    "ml-pipeline-ui"
    "ml-pipeline-persistenceagent"
    "ml-pipeline-scheduledworkflow"
    "ml-pipeline-viewer-crd-service-account"
    "kubeflow-pipelines-cache"
  ];
  fromPrograms = extra: [ { from = [ { source.principals = principals (programs ++ extra); } ]; } ];

  kubeflowRole =
    {
      name,
      rules ? [ ],
      labels,
      aggregates ? null,
      wild ? false,
    }:
    k8s.clusterRole {
      inherit name rules;
      annotations =
        if wild then
          { "mlops-nix.dev/ignore" = "wildcard-rule=upstream's rights of those who may edit in a profile"; }
        else
          { };
      labels = builtins.listToAttrs (
        map (label: {
          name = "rbac.authorization.kubeflow.org/${label}";
          value = "true";
        }) labels
      );
    }
    // (
      if aggregates == null then
        { }
      else
        {
          aggregationRule.clusterRoleSelectors = [
            {
              matchLabels."rbac.authorization.kubeflow.org/${aggregates}" = "true";
            }
          ];
        }
    );

  pipelines = rule "pipelines.kubeflow.org";
  roles = [
    (kubeflowRole {
      name = "kubeflow-pipelines-edit";
      labels = [ "aggregate-to-kubeflow-edit" ];
      aggregates = "aggregate-to-kubeflow-pipelines-edit";
    })
    (kubeflowRole {
      name = "kubeflow-pipelines-view";
      labels = [
        "aggregate-to-kubeflow-pipelines-edit"
        "aggregate-to-kubeflow-view"
      ];
      aggregates = "aggregate-to-kubeflow-pipelines-view";
    })
    (kubeflowRole {
      name = "aggregate-to-kubeflow-pipelines-edit";
      wild = true;
      labels = [ "aggregate-to-kubeflow-pipelines-edit" ];
      rules = [
        (pipelines [ "pipelines" "pipelineversions" ] [ "create" "delete" "update" ])
        (pipelines [ "experiments" ] [ "archive" "create" "delete" "unarchive" ])
        (pipelines
          [ "runs" ]
          [
            "archive"
            "create"
            "delete"
            "retry"
            "terminate"
            "unarchive"
            "reportMetrics"
            "readArtifact"
          ]
        )
        (pipelines [ "jobs" ] [ "create" "delete" "disable" "enable" ])
        (rule "kubeflow.org" [ "scheduledworkflows" ] [ "*" ])
        (rule "argoproj.io"
          [
            "cronworkflows"
            "cronworkflows/finalizers"
            "workflows"
            "workflows/finalizers"
            "workfloweventbindings"
            "workflowtemplates"
            "workflowtaskresults"
          ]
          [ "*" ]
        )
      ];
    })
    (kubeflowRole {
      name = "aggregate-to-kubeflow-pipelines-view";
      labels = [ "aggregate-to-kubeflow-pipelines-view" ];
      rules = [
        (pipelines [ "pipelines" "pipelineversions" "experiments" "jobs" ] [ "get" "list" ])
        (pipelines [ "runs" ] [ "get" "list" "readArtifact" ])
        (rule "kubeflow.org" [ "viewers" ] [ "create" "get" "delete" ])
        (pipelines [ "visualizations" ] [ "create" ])
      ];
    })
  ];

  manage = shape.rights.manage;
  metacontrollerRole = plan.clusterName "kubeflow-metacontroller";
  metacontroller = [
    (k8s.serviceAccount { name = "meta-controller-service"; })
    (k8s.clusterRole {
      name = metacontrollerRole;
      rules = [
        (rule "" [ "namespaces" ] [ "get" "list" "watch" "update" ])
        (rule "" [ "namespaces/status" ] shape.rights.edit)
        (rule "" [ "secrets" "configmaps" "services" ] manage)
        (rule "apps" [ "deployments" ] manage)
        (rule "metacontroller.k8s.io" [
          "compositecontrollers"
          "controllerrevisions"
          "decoratorcontrollers"
        ] shape.rights.read)
        (rule "" [ "events" ] [ "create" "patch" ])
      ];
    })
    (k8s.clusterRoleBinding {
      name = plan.clusterName "meta-controller-cluster-role-binding";
      roleName = metacontrollerRole;
      subjects = [ { name = "meta-controller-service"; } ];
    })
    (k8s.statefulSet {
      name = "metacontroller";
      role = "ml-pipeline";
      extended = false;
      serviceName = "";
      selector = shape.named "metacontroller" // {
        "kustomize.component" = "metacontroller";
      };
      podLabels."sidecar.istio.io/inject" = "false";
      apiAccess = true;
      serviceAccount = "meta-controller-service";
      containers = [
        {
          name = "metacontroller";
          image = images.metacontroller;
          command = [ "/usr/bin/metacontroller" ];
          args = [
            "--zap-log-level=4"
            "--discovery-interval=3600s"
          ];
          ports.health = 8081;
          liveness = k8s.httpProbe {
            path = "/healthz";
            port = "health";
          };
          readiness = k8s.httpProbe {
            path = "/readyz";
            port = "health";
          };
          security = removeAttrs shape.user [ "runAsGroup" ];
          resources = {
            requests = {
              cpu = "100m";
              memory = "256Mi";
            };
            limits = {
              cpu = 1;
              memory = "1Gi";
            };
          };
        }
      ];
    })
  ];

  controller = "kubeflow-pipelines-profile-controller";
  own = if store.bundled then "http://seaweedfs.${namespace}.svc:" else "";
  profiles = [
    (k8s.configMap {
      name = "${controller}-code";
      data."sync.py" = readFile ./programs/profiles.py;
    })
    (k8s.service {
      name = controller;
      role = "ml-pipeline";
      selector = shape.named controller;
      ports = [
        {
          name = "http";
          port = 80;
          protocol = "TCP";
          targetPort = 8080;
        }
      ];
    })
    (shape.deployment {
      name = controller;
      podLabels."sidecar.istio.io/inject" = "false";
      containers = [
        {
          name = "profile-controller";
          image = images.tools;
          command = [
            "python3"
            "/hooks/sync.py"
          ];
          env = {
            NAMESPACE = k8s.field "metadata.namespace";
            BUCKET = store.bucket;
            PREFIX = store.prefix;
            SCHEME = store.scheme;
            STORE_ENDPOINT = store.endpoint;
            STORE_SECURE = text store.secure;
            SECRET_NAME = "mlpipeline-minio-artifact";
            ACCESS_KEY_NAME = "accesskey";
            SECRET_KEY_NAME = "secretkey";
            S3_URL = if store.bundled then "${own}8333" else "";
            IAM_URL = if store.bundled then "${own}8111" else "";
            AWS_REGION = store.region;
            AWS_ACCESS_KEY_ID = if store.bundled then shape.store.accessKey else null;
            AWS_SECRET_ACCESS_KEY = if store.bundled then shape.store.secretKey else null;
            ARCHIVE_LOGS = text config.logging.enabled;
            FRONTEND_IMAGE = images.ui;
            ARTIFACT_PROXY = text config.multiUser.artifactProxy;
          };
          ports.http = 8080;
          readiness = k8s.httpProbe {
            path = "/";
            port = "http";
          };
          resources = shape.small;
          mounts = {
            hooks = {
              mountPath = "/hooks";
              readOnly = true;
            };
            tmp = "/tmp";
          };
        }
      ];
      volumes = {
        tmp = { };
        hooks.configMap.name = "${controller}-code";
      };
    })
    (k8s.object {
      apiVersion = "metacontroller.k8s.io/v1alpha1";
      kind = "DecoratorController";
      name = plan.clusterName controller;
      scope = "Cluster";
      spec = {
        resources = [
          {
            apiVersion = "v1";
            resource = "namespaces";
            labelSelector.matchLabels."pipelines.kubeflow.org/enabled" = "true";
          }
        ];
        attachments =
          map
            (attachment: {
              inherit (attachment) apiVersion resource;
              updateStrategy = { inherit (attachment) method; };
            })
            [
              {
                apiVersion = "v1";
                resource = "secrets";
                method = "OnDelete";
              }
              {
                apiVersion = "v1";
                resource = "configmaps";
                method = "OnDelete";
              }
              {
                apiVersion = "apps/v1";
                resource = "deployments";
                method = "InPlace";
              }
              {
                apiVersion = "v1";
                resource = "services";
                method = "InPlace";
              }
            ];
        hooks.sync.webhook.url = "http://${controller}.${namespace}/sync";
        resyncPeriodSeconds = 3600;
      };
    })
  ];

  settings = k8s.configMap {
    name = "pipeline-api-server-config";
    data = {
      MULTIUSER = "true";
      DEFAULTPIPELINERUNNERSERVICEACCOUNT = "default-editor";
      VISUALIZATIONSERVICE_NAME = "ml-pipeline-visualizationserver";
      VISUALIZATIONSERVICE_PORT = "8888";
    };
  };

  # Istio's CRDs are not among those that the library knows.
  istio =
    group: kind: name: spec:
    k8s.object {
      apiVersion =
        {
          networking = "networking.istio.io/v1alpha3";
          security = "security.istio.io/v1beta1";
        }
        .${group};
      inherit kind name spec;
      unchecked = true;
    };
  encrypted =
    name: service:
    istio "networking" "DestinationRule" name {
      host = "${service}.${namespace}.svc.cluster.local";
      trafficPolicy.tls.mode = "ISTIO_MUTUAL";
    };
  route =
    name: prefix: service: port: extra:
    istio "networking" "VirtualService" name {
      gateways = [ config.multiUser.gateway ];
      hosts = [ "*" ];
      http = [
        (
          {
            match = [ { uri = { inherit prefix; }; } ];
            rewrite.uri = prefix;
            route = [
              {
                destination = {
                  host = "${service}.${namespace}.svc.cluster.local";
                  port.number = port;
                };
              }
            ];
          }
          // extra
        )
      ];
    };
  allow =
    name: labels: rules:
    istio "security" "AuthorizationPolicy" name {
      selector.matchLabels = labels;
      inherit rules;
    };
  userHeader = "request.headers[${config.multiUser.userIdHeader}]";
  # Requests that carry a user's name must have come through the gateway.
  withoutUser = {
    key = userHeader;
    notValues = [ "*" ];
  };
  onlyIf = condition: list: if condition then list else [ ];

  mesh = [
    (encrypted "ml-pipeline" "ml-pipeline")
    (encrypted "metadata-grpc-service" "metadata-grpc-service")
    (allow "ml-pipeline" { app = "ml-pipeline"; } (fromPrograms [ ] ++ [ { when = [ withoutUser ]; } ]))
    (allow "metadata-grpc-service" { component = "metadata-grpc-server"; } [ { } ])
  ]
  ++ onlyIf config.ui.enabled [
    (route "metadata-grpc" "/ml_metadata" "metadata-envoy-service" 9090 { })
    (encrypted "ml-pipeline-ui" "ml-pipeline-ui")
    (allow "ml-pipeline-ui" { app = "ml-pipeline-ui"; } [
      {
        from = [
          {
            source.principals = [ "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account" ];
          }
        ];
      }
      {
        when = [
          {
            key = "request.headers[authorization]";
            values = [ "*" ];
          }
          withoutUser
        ];
      }
    ])
    (route "ml-pipeline-ui" "/pipeline" "ml-pipeline-ui" 80 { timeout = "300s"; })
  ]
  ++ onlyIf plan.database.bundled [
    (encrypted "ml-pipeline-mysql" "mysql")
    (allow "mysql" { app = "mysql"; } (fromPrograms [ "metadata-grpc-server" ]))
  ]
  ++ onlyIf store.bundled [
    (encrypted "ml-pipeline-seaweedfs" "seaweedfs")
    (allow "seaweedfs-service" { app = "seaweedfs"; } [ { } ])
  ]
  ++ onlyIf plan.v1 [
    (encrypted "ml-pipeline-visualizationserver" "ml-pipeline-visualizationserver")
    (allow "ml-pipeline-visualizationserver" { app = "ml-pipeline-visualizationserver"; } (
      fromPrograms [ ]
    ))
  ]
  ++ onlyIf plan.cache [ (allow "service-cache-server" { app = "cache-server"; } [ { } ]) ];

  policies = onlyIf config.networkPolicy.enabled [
    # Steps in profiles report to the API server and to ML Metadata; the mesh's gateway shows the interface.
    (k8s.object {
      apiVersion = "networking.k8s.io/v1";
      kind = "NetworkPolicy";
      name = "${config.name}-profiles";
      spec = {
        podSelector.matchLabels = k8s.selector "ml-pipeline";
        policyTypes = [
          "Ingress"
          "Egress"
        ];
        ingress = [
          {
            from = [ { namespaceSelector.matchLabels."app.kubernetes.io/part-of" = "kubeflow-profile"; } ];
            ports = map shape.tcp [
              8888
              8887
              8080
            ];
          }
          { from = [ { namespaceSelector.matchLabels."kubernetes.io/metadata.name" = "istio-system"; } ]; }
        ];
        egress = [
          { to = [ { namespaceSelector.matchLabels."kubernetes.io/metadata.name" = "istio-system"; } ]; }
          # The interface asks the artifact proxies and viewers of profiles.
          { to = [ { namespaceSelector.matchLabels."app.kubernetes.io/part-of" = "kubeflow-profile"; } ]; }
        ];
      };
    })
  ];
in
if !plan.multiUser then
  [ ]
else
  [ settings ] ++ roles ++ metacontroller ++ profiles ++ mesh ++ policies
