# Kubeflow Pipelines: pipelines, runs and their artifacts, on Argo's workflow controller.
# The parts stand beside this file; plan.nix says what they must agree on, shape.nix how their objects look.
workshop:
let
  inherit (builtins)
    concatMap
    map
    ;
  inherit (workshop) wiring;
  inherit (import ./versions.nix) versions lines withdrawn;

  parts = map import [
    ./configuration.nix
    ./steps.nix
    ./store.nix
    ./database.nix
    ./metadata.nix
    ./api-server.nix
    ./agents.nix
    ./ui.nix
    ./v1.nix
    ./workflow-controller.nix
    ./certificates.nix
    ./multi-user.nix
    ./retention.nix
    ./pipelines.nix
    ./monitoring.nix
  ];

  onlyIf = condition: list: if condition then list else [ ];
  argoKinds = [
    "clusterworkflowtemplates"
    "cronworkflows"
    "workflowartifactgctasks"
    "workfloweventbindings"
    "workflows"
    "workflowtaskresults"
    "workflowtasksets"
    "workflowtemplates"
  ];
in
{
  name = "kubeflow-pipelines";
  summary = "Kubeflow Pipelines: pipelines, runs and artifacts on Argo's workflow controller";
  options = import ./options.nix workshop;
  inherit versions lines withdrawn;
  mainImage = "api-server";
  view = import ./plan.nix;

  requires =
    scope:
    let
      plan = scope.view;
    in
    onlyIf (plan.certManagedCache || plan.customResources || plan.tls) [ "cert-manager" ]
    ++ onlyIf (!plan.ownController) [ "argo-workflows" ]
    ++ onlyIf plan.multiUser [
      "istio"
      "kubeflow-profiles"
    ]
    ++ onlyIf scope.config.monitoring.enabled [ "prometheus-operator" ]
    ++ onlyIf (scope.config.ingress.enabled && scope.config.ingress.gateway.name != null) [
      "gateway-api"
    ];

  crds =
    scope:
    let
      plan = scope.view;
    in
    [ "scheduledworkflows.kubeflow.org" ]
    ++ onlyIf plan.v1 [ "viewers.kubeflow.org" ]
    ++ onlyIf plan.customResources [
      "pipelines.pipelines.kubeflow.org"
      "pipelineversions.pipelines.kubeflow.org"
    ]
    ++ onlyIf plan.ownController (
      map (kind: {
        name = "${kind}.argoproj.io";
        file = "argoproj.io-${scope.release.argo}-minimal/${kind}.yaml";
      }) argoKinds
    )
    ++ onlyIf plan.multiUser [
      "compositecontrollers.metacontroller.k8s.io"
      "controllerrevisions.metacontroller.k8s.io"
      "decoratorcontrollers.metacontroller.k8s.io"
    ];

  checks = import ./checks.nix;
  warnings = import ./warnings.nix;

  endpoints =
    scope:
    let
      plan = scope.view;
      labels = name: {
        app = name;
        application-crd-id = "kubeflow-pipelines";
      };
    in
    {
      http = {
        protocol = "http";
        service = "ml-pipeline";
        port = 8888;
        scheme = plan.apiScheme;
        podLabels = labels "ml-pipeline";
      };
      grpc = {
        protocol = "grpc";
        service = "ml-pipeline";
        port = 8887;
        scheme = if plan.tls then "grpcs" else "grpc";
        podLabels = labels "ml-pipeline";
      };
    }
    // (
      if scope.config.ui.enabled then
        {
          ui = {
            protocol = "http";
            service = "ml-pipeline-ui";
            port = 80;
            targetPort = 3000;
            podLabels = labels "ml-pipeline-ui";
          };
        }
      else
        { }
    );

  connections =
    scope:
    let
      inherit (scope.view) store database;
    in
    [
      {
        option = "storage.endpoint";
        host = if store.bundled then "seaweedfs" else store.host;
        inherit (store) port;
      }
      {
        option = "metadata.host";
        inherit (database) host port;
        from = scope.k8s.selector "ml-pipeline";
      }
    ];

  # The store and the database keep policies of their own: nobody but the programs may reach them.
  pods =
    scope:
    let
      plan = scope.view;
    in
    [ (scope.k8s.selector "ml-pipeline") ]
    # Steps of runs, which with several users are in other namespaces. The API server labels those of v2; those of v1 have
    # the workflow controller's label only, as long as they run.
    ++ onlyIf (!plan.multiUser) [
      (
        if plan.v1 then
          { "workflows.argoproj.io/completed" = "false"; }
        else
          { "pipelines.kubeflow.org/v2_component" = "true"; }
      )
    ];
  apiAccess = _: true;
  routed = _: {
    pods = {
      app = "ml-pipeline-ui";
      application-crd-id = "kubeflow-pipelines";
    };
    port = 3000;
  };
  podSecurity =
    scope:
    onlyIf (!scope.view.multiUser) [
      {
        level = "baseline";
        reason = "run steps with images of the user's choice";
      }
    ];
  open =
    scope:
    let
      plan = scope.view;
    in
    onlyIf plan.customResources [
      {
        port = 8443;
        reason = "the API server of Kubernetes calls the webhook of pipelines";
      }
    ]
    ++ onlyIf (plan.cache && !plan.customResources) [
      {
        port = 8443;
        reason = "the API server of Kubernetes calls the webhook of the step cache";
      }
    ];

  deviations = [
    {
      rule = "writable-root-filesystem";
      workload = "cache-deployer-deployment";
      reason = "downloads kubectl and writes certificates into its working directory; cacheCertificate = \"cert-manager\" does without it";
    }
    {
      rule = "writable-root-filesystem";
      workload = "ml-pipeline-visualizationserver";
      reason = "runs notebooks, whose kernels write into the home directory";
    }
    {
      rule = "wildcard-rule";
      workload = "pipeline-runner";
      reason = "upstream's rights of steps, which create what pipelines consist of";
    }
  ];

  secrets =
    scope:
    let
      inherit (scope) config namespace;
      inherit (plan) store database;
      plan = scope.view;
      keys = [
        {
          key = store.keys.accessKey;
          purpose = "access key id of the store";
          generate.length = 20;
        }
        {
          key = store.keys.secretKey;
          purpose = "secret access key of the store";
          generate.length = 40;
        }
      ];
    in
    (
      if store.keys == null then
        [ ]
      else if store.ownKeys then
        [
          {
            inherit (store.keys) name;
            purpose = "keys of the store of artifacts";
            inherit keys;
          }
        ]
      else
        wiring.accessKeys {
          inherit namespace;
          reference = store.keys;
          purpose = "keys of the store of artifacts";
          inherit (store) host;
          item = store.bucket;
        }
    )
    ++ onlyIf (config.storage.keyRef != null) (
      wiring.password {
        inherit namespace;
        reference = config.storage.keyRef;
        purpose = "key file of the Google service account of steps";
      }
    )
    ++ (
      if database.ownSecret then
        [
          {
            inherit (database.password) name;
            purpose = "user of the databases";
            keys = [
              {
                key = "username";
                purpose = "user name";
                value = database.username;
              }
              (
                {
                  inherit (database.password) key;
                  purpose = "password of ${database.username}";
                }
                // (
                  if database.bundled then
                    { generate.length = 32; }
                  else
                    {
                      follow = {
                        inherit (database) host;
                        item = "sql";
                        field = "password";
                      };
                    }
                )
              )
            ];
          }
        ]
      else if database.bundled then
        [
          {
            inherit (database.password) name;
            purpose = "root of the bundled MySQL";
            keys = [
              {
                inherit (database.password) key;
                purpose = "password of root";
                generate.length = 32;
              }
            ];
          }
        ]
      else
        wiring.password {
          inherit namespace;
          reference = database.password;
          purpose = "password of ${database.username}";
          inherit (database) host;
          item = "sql";
        }
    )
    ++ onlyIf config.ui.enabled [
      {
        name = "ml-pipeline-ui";
        purpose = "web interface";
        keys = [
          {
            key = "signing-secret";
            purpose = "signs paths of TensorBoard viewers";
            generate.length = 32;
          }
        ];
      }
    ]
    # Made by cert-manager, or by the cache deployer.
    ++ onlyIf plan.cache [
      {
        name = "webhook-server-tls";
        purpose = "certificate of the v1 step cache";
        provided = true;
        keys = [ ];
      }
    ]
    ++ onlyIf plan.customResources [
      {
        name = "kfp-api-webhook-cert";
        purpose = "certificate of the webhook of pipelines";
        provided = true;
        keys = [ ];
      }
    ]
    ++ onlyIf plan.tls [
      {
        name = "kfp-api-tls-cert";
        purpose = "certificate of the API server and ML Metadata";
        provided = true;
        keys = [ ];
      }
    ];

  render =
    scope:
    let
      plan = scope.view;
      shape = import ./shape.nix scope plan;
    in
    shape.labelled (concatMap (part: part { inherit scope plan shape; }) parts);
}
