# A model behind an HTTP endpoint: an InferenceService of KServe with what it needs around it (identity, credentials,
# runtimes of its own, routes, a graph of models), or an LLMInferenceService.
{
  types,
  option,
  section,
  common,
  wiring,
  ...
}:
let
  inherit (builtins) genList listToAttrs map;

  parts = import ./options.nix { inherit types option common; };
  llm = import ./llm.nix { inherit types option common; };
  graph = import ./graph.nix { inherit types option common; };
  storage = import ./storage.nix { inherit wiring; };
  service = import ./service.nix { inherit storage; };
  checks = import ./checks.nix { inherit service storage graph; };

  logger = types.submodule {
    name = "logger";
    options = {
      url = option {
        type = types.urlOrEndpoint;
        default = null;
        defaultText = "the operator's (`settings.logger.defaultUrl`)";
        description = "Where requests and responses are sent, as CloudEvents.";
      };
      mode = option {
        type = types.enum [
          "all"
          "request"
          "response"
        ];
        default = "all";
        description = "What is sent.";
      };
      metadataHeaders = option {
        type = types.listOf types.string;
        default = [ ];
        description = "Headers of the request that go along.";
      };
      metadataAnnotations = option {
        type = types.listOf types.string;
        default = [ ];
        description = "Annotations of the service that go along.";
      };
    };
  };

  batcher = types.submodule {
    name = "batcher";
    options = {
      maxBatchSize = option {
        type = types.positiveInt;
        default = null;
        defaultText = "the operator's, 32";
        description = "Most requests in one batch.";
      };
      maxLatency = option {
        type = types.positiveInt;
        default = null;
        defaultText = "the operator's, 5000";
        description = "Milliseconds that a batch waits for more.";
      };
      timeout = option {
        type = types.positiveInt;
        default = null;
        description = "Seconds after which a batch fails.";
      };
    };
  };

  # A name that starts with a letter, and leaves room for what KServe and Knative append.
  name =
    let
      label = types.dnsLabelWith "-predictor-default";
      digit = value: builtins.isString value && builtins.match "[0-9].*" value != null;
    in
    label
    // {
      accepts = value: label.accepts value && !(digit value);
      explain =
        path: value:
        if label.accepts value && digit value then
          [
            {
              inherit path;
              message = "\"${value}\" starts with a digit; KServe wants a letter first";
            }
          ]
        else
          label.explain path value;
    };

  wireStore = storage.wired;
in
{
  name = "kserve-inference";
  summary = "Model served over HTTP by KServe";
  description = ''
    A model by its format and location (KServe chooses the server), or containers of your own. In Serverless mode it
    runs on Knative: scale to zero, and `canaryTraffic` splits between revisions. In Standard mode it is a plain
    Deployment with a HorizontalPodAutoscaler, and `canary` names a second model that a Gateway sends a share to. A
    service is closed to the outside unless `ingress` opens it. `storageUri = store.buckets.models` brings address and
    keys of the bucket along.
  '';

  options = common.workload // {
    name = option {
      type = name;
      description = "Name of the InferenceService.";
    };
    namespace = option {
      type = types.dnsLabel;
      default = "kserve";
      description = "Namespace of the service; one of its own is better than the default, which is the controller's.";
    };
    deploymentMode = option {
      type =
        types.enumWith
          {
            Knative = "Serverless";
            RawDeployment = "Standard";
          }
          [
            "Serverless"
            "Standard"
          ];
      default = "Serverless";
      description = "On Knative, with scale to zero and traffic by revision, or as plain Deployments. It cannot be changed later.";
    };
    predictor = section {
      # A language model has a server of KServe's.
      needed = args: (args.llm or null) == null;
      verify =
        path: args:
        if args ? model || (args.containers or [ ]) != [ ] || (args.spec.containers or [ ]) != [ ] then
          [ ]
        else
          [
            {
              inherit path;
              message = "required option is missing; expected { model = { modelFormat, storageUri, … }; }, { containers = [ … ]; } or { spec.containers = [ … ]; }";
            }
          ];
      options = parts.predictor;
    };
    inherit (parts) transformer explainer;
    canaryTraffic = option {
      type = types.percent;
      default = null;
      description = "Percent of the requests that the newer model gets: in Serverless mode the latest revision, in Standard mode `canary`.";
    };
    canary = {
      name = option {
        type = types.dnsLabel;
        default = "canary";
        description = "Name of the second predictor (Standard mode): its Service is SERVICE-NAME-predictor.";
      };
      predictor = {
        inherit (parts.predictor)
          model
          minReplicas
          labels
          annotations
          ;
      };
    };
    minReplicas = option {
      type = types.unsignedInt;
      default = 1;
      description = "Fewest replicas of predictor and transformer; 0 needs Serverless mode or KEDA.";
    };
    maxReplicas = option {
      type = types.positiveInt;
      default = null;
      defaultText = "no more than minReplicas (Standard), no limit (Serverless)";
      description = "Most replicas of predictor and transformer.";
    };
    scaleTarget = option {
      type = types.positiveInt;
      default = null;
      description = "What the autoscaler aims at: percent of CPU, MiB of memory, requests at a time, or requests per second, by `scaleMetric`.";
    };
    scaleMetric = option {
      type = parts.scaleMetric;
      default = null;
      defaultText = "concurrency (Serverless), cpu (Standard)";
      description = "What the autoscaler looks at.";
    };
    autoscaler = option {
      type = types.enum [
        "hpa"
        "keda"
        "external"
        "none"
      ];
      default = null;
      defaultText = "hpa (Standard); Knative's own (Serverless)";
      description = "Who owns the replicas in Standard mode: KServe's HorizontalPodAutoscaler, KEDA, somebody else, or nobody.";
    };
    scaling = {
      metrics = option {
        type = types.listOf types.settings;
        default = [ ];
        example = [
          {
            type = "External";
            external = {
              metric = {
                backend = "prometheus";
                serverAddress = "http://prometheus.monitoring.svc:9090";
                query = "sum(rate(requests_total[1m]))";
              };
              target = {
                type = "Value";
                value = "10";
              };
            };
          }
        ];
        description = "Metrics of the autoscaler as in KServe's `autoScaling.metrics`, in place of scaleMetric (Standard mode).";
      };
      behavior = option {
        type = types.settings;
        default = { };
        description = "How fast it scales, as in a HorizontalPodAutoscaler's `behavior`.";
      };
    };
    containerConcurrency = option {
      type = types.unsignedInt;
      default = null;
      description = "Requests that one predictor pod takes at a time; 0 is no limit.";
    };
    timeout = option {
      type = types.positiveInt;
      default = null;
      description = "Seconds after which a request fails.";
    };
    batcher = option {
      type = batcher;
      default = null;
      description = "Put requests together; { } takes the operator's settings.";
    };
    logger = option {
      type = logger;
      default = null;
      description = "Send requests and responses on; { } takes the operator's settings.";
    };
    storage = section {
      wire = {
        s3 = wireStore;
        bucket = wireStore;
      };
      options = {
        secretRef = option {
          type = types.accessKeyRef;
          default = null;
          description = "Secret with which models are fetched; its keys are those that KServe reads for the kind of store.";
        };
        endpoint = option {
          type = types.urlOrEndpoint;
          default = null;
          description = "URL of the S3 store, where it is not Amazon's.";
        };
        region = option {
          type = types.string;
          default = null;
          description = "Region of the S3 store.";
        };
        pathStyle = option {
          type = types.bool;
          default = true;
          description = "Whether buckets are in the path, not in the host name.";
        };
        verifySSL = option {
          type = types.bool;
          default = true;
          description = "Whether the store's certificate is verified.";
        };
        caBundleConfigMap = option {
          type = types.dnsSubdomain;
          default = null;
          description = "ConfigMap with the CA of the store's certificate.";
        };
      };
    };
    inherit (common) serviceAccount networkPolicy podDisruptionBudget;
    resources = common.resources { };
    gpu = {
      count = option {
        type = types.unsignedInt;
        default = 0;
        description = "GPUs of each predictor pod.";
      };
      type = option {
        type = types.enum [
          "nvidia"
          "amd"
        ];
        default = "nvidia";
        description = "Maker of the GPUs.";
      };
    };
    runtimes = option {
      type = types.attrsOf types.settings;
      default = { };
      description = "Serving runtimes of your own in this namespace: ServingRuntime specification by name. KServe prefers them to the cluster's.";
    };
    inferenceGraph = option {
      type = graph.type;
      default = null;
      description = "Graph that calls several models for one request.";
    };
    llm = option {
      type = llm.type;
      default = null;
      description = "Language model as an LLMInferenceService, in place of `predictor`.";
    };
    ingress =
      let
        declared = common.ingress { };
      in
      declared
      // {
        enabled = declared.enabled // {
          # Two models behind one address need a route of their own, and a platform's gateway can carry it.
          derive =
            {
              args,
              config,
              settings,
              ...
            }:
            (args.ingress.host or null) != null
            || args ? canary && config.deploymentMode == "Standard" && settings.ingress.gateway != null;
          defaultText = "true when `ingress.host` is given, and for a `canary` where the platform has a gateway";
        };
      };
    monitoring =
      common.monitoring
      // common.alerts
      // common.dashboards
      // {
        port = option {
          type = types.port;
          default = null;
          defaultText = "the runtime's";
          description = "Port with the metrics of a server of your own.";
        };
        path = option {
          type = types.string;
          default = "/metrics";
          description = "Path of the metrics.";
        };
        latencySeconds = option {
          type = types.number;
          default = 1;
          description = "95th percentile of the prediction time, in seconds, above which an alert fires (KServe's own servers).";
        };
      };
    knative = {
      namespace = option {
        type = types.dnsLabel;
        default = "knative-serving";
        description = "Namespace of Knative's activator and autoscaler, which network policies let in (Serverless mode).";
      };
      networking = option {
        type = types.enum [
          "istio"
          "kourier"
        ];
        default = "istio";
        description = "Networking layer of Knative, as the operator has it: with istio calls go to NAME, with kourier to the predictor or transformer itself (Serverless mode).";
      };
      gatewayNamespace = option {
        type = types.dnsLabel;
        derive =
          { config, ... }: if config.knative.networking == "istio" then "istio-system" else "kourier-system";
        defaultText = "istio-system or kourier-system, by `knative.networking`";
        description = "Namespace of Knative's gateway, which calls go through (Serverless mode).";
      };
    };
  };

  versions."0.20.0" = {
    artExplainer = "kserve/art-explainer:v0.20.0";
  };
  # InferenceServices of the older releases are the same v1beta1 objects; only the newest is rendered and compared here.
  lines = listToAttrs (
    map (minor: {
      name = "0.${toString minor}";
      value = {
        version = "0.20.0";
        reason = "is not rendered for by itself; the API (v1beta1) is the same";
      };
    }) (genList (index: 9 + index) 12)
  );

  requires =
    { config, ... }:
    (
      if config.llm != null then
        llm.requires config.llm
      else
        [ "kserve" ]
        ++ (if config.deploymentMode == "Serverless" then [ "knative-serving" ] else [ ])
        ++ (if config.autoscaler == "keda" then [ "keda" ] else [ ])
        ++ (
          if
            config.deploymentMode == "Standard" && config.ingress.enabled && config.ingress.gateway.name != null
          then
            [ "gateway-api" ]
          else
            [ ]
        )
    )
    ++ (if config.monitoring.enabled then [ "prometheus-operator" ] else [ ]);

  deviations = [
    {
      rule = "writable-root-filesystem";
      workload = "pods of the InferenceService";
      reason = "model servers write caches and sockets below / and don't say where; a container of your own may set securityContext.readOnlyRootFilesystem";
    }
    {
      rule = "run-as-non-root";
      workload = "pods with kserve-vllmserver or a runtime of your own";
      reason = "vLLM's image runs as root; of others' images it is not known";
    }
  ];

  view = service.of;
  inherit (checks) checks warnings;
  inherit (service)
    connections
    endpoints
    pods
    podSecurity
    secrets
    ;

  render =
    scope@{ config, ... }:
    if config.llm != null then
      llm.render scope scope.view
    else
      service.render scope
      ++ (if config.inferenceGraph == null then [ ] else graph.render scope config.inferenceGraph);
}
