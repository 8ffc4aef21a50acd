# KServe's operator: the controller of InferenceServices with its webhooks, configuration and serving runtimes, and,
# where wanted, the controllers of LLMInferenceServices and of models cached on nodes.
{
  types,
  option,
  section,
  common,
  ...
}:
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    isAttrs
    isList
    intersectAttrs
    listToAttrs
    map
    mapAttrs
    toJSON
    typeOf
    ;
  inherit (import ../../../lib/text/nearest.nix) suggest;

  runtimeTable = import ./runtimes.nix;
  runtimeNames = attrNames runtimeTable;

  merge =
    old: new:
    if isAttrs old && isAttrs new then
      old // mapAttrs (name: value: if old ? ${name} then merge old.${name} value else value) new
    else
      new;

  # JSON as people read it: a line per entry, so that a diff of the ConfigMap shows what changed.
  pretty =
    indent: value:
    let
      inner = "${indent}  ";
      block =
        open: close: lines:
        "${open}\n${concatStringsSep ",\n" (map (line: inner + line) lines)}\n${indent}${close}";
    in
    if isAttrs value && value != { } then
      block "{" "}" (map (name: "${toJSON name}: ${pretty inner value.${name}}") (attrNames value))
    else if isList value && value != [ ] then
      block "[" "]" (map (pretty inner) value)
    else
      toJSON value;

  configurationOf = images: import ./configuration.nix { inherit images; };

  word = value: if value then "1" else "0";

  # The shipped configuration as the options change it.
  configured =
    { config, images, ... }:
    let
      inherit (config) ingress storage storageInitializer;
      gateway = ingress.gateway;
      quantities = name: resources: {
        "cpu${name}" = resources.cpu or "";
        "memory${name}" = resources.memory or "";
      };
      resourcesOf =
        resources:
        quantities "Request" (resources.requests or { }) // quantities "Limit" (resources.limits or { });
      host = builtins.match "(https?)://([^/]*)/?" storage.endpoint;
      set = name: value: if value == null then { } else { ${name} = value; };
    in
    foldMerge [
      (configurationOf images).shipped
      {
        deploy.defaultDeploymentMode = config.deploymentMode;
        ingress = {
          disableIngressCreation = !ingress.create;
          disableIstioVirtualHost = config.knative.networking != "istio";
          enableGatewayApi = gateway.name != null;
          urlScheme = ingress.scheme;
        }
        // set "ingressDomain" ingress.domain
        // set "ingressClassName" ingress.class
        // set "domainTemplate" ingress.domainTemplate
        // (
          if gateway.name == null then
            { }
          else
            {
              kserveIngressGateway = "${
                if gateway.namespace == null then config.namespace else gateway.namespace
              }/${gateway.name}";
            }
        );
        inferenceService.resource = resourcesOf config.modelResources;
        security.autoMountServiceAccountToken = config.automountServiceAccountToken;
        storageInitializer =
          resourcesOf storageInitializer.resources
          // set "caBundleConfigMapName" storageInitializer.caBundleConfigMap;
        metricsAggregator = {
          enableMetricAggregation = if config.metrics.aggregation then "true" else "false";
          enablePrometheusScraping = if config.metrics.scraping then "true" else "false";
        };
      }
      (
        if storage.endpoint == null then
          { }
        else
          {
            credentials.s3 = {
              s3Endpoint = builtins.elemAt host 1;
              s3UseHttps = word (builtins.elemAt host 0 == "https");
              s3UseVirtualBucket = word (!storage.pathStyle);
              s3VerifySSL = word storage.verifySSL;
            }
            // set "s3Region" storage.region;
          }
      )
      (
        if config.localModel.enabled then
          {
            localModel = {
              enabled = true;
              inherit (config.localModel) jobNamespace fsGroup;
            };
          }
        else
          { }
      )
      config.settings
    ];
  foldMerge = builtins.foldl' merge { };

  # Names and types in `settings` that KServe would not read.
  settingsProblems =
    settings: images:
    let
      configuration = configurationOf images;
      known = merge configuration.shipped configuration.optional;
      # Sets that hold names of the user's.
      open = {
        "settings.deploy.deploymentRolloutStrategy" = true;
        "settings.router.headers" = true;
      };
      words = {
        string = "a string";
        int = "an integer";
        bool = "true or false";
        set = "an attribute set";
        list = "a list";
        float = "a number";
        "null" = "null";
      };
      walk =
        path: reference: value:
        concatMap (
          name:
          let
            here = "${path}.${name}";
            wanted = typeOf reference.${name};
            found = typeOf value.${name};
          in
          if !(reference ? ${name}) then
            [
              {
                when = true;
                path = here;
                message = "KServe knows no such key${suggest name (attrNames reference)}";
              }
            ]
          else if wanted != found then
            [
              {
                when = true;
                path = here;
                message = "expected ${words.${wanted}}, as KServe reads it, found ${words.${found} or found}${
                  if wanted == "string" && (found == "int" || found == "bool") then
                    "; write \"${toJSON value.${name}}\""
                  else
                    ""
                }";
              }
            ]
          else if wanted == "set" && !(open ? ${here}) then
            walk here reference.${name} value.${name}
          else
            [ ]
        ) (attrNames value);
    in
    walk "settings" known settings;

  controllersOf =
    scope@{
      config,
      k8s,
      images,
      namespace,
      ...
    }:
    let
      # Kubeflow's overlay puts its own two labels on everything, selectors included.
      selectorLabels =
        if config.kubeflow then
          {
            app = "kserve";
            "app.kubernetes.io/name" = "kserve";
          }
        else
          { };
    in
    import ./controllers.nix {
      inherit
        k8s
        config
        images
        namespace
        selectorLabels
        ;
      selfLabels = labelsOf config;
      serving.knativeNamespace = config.knative.namespace;
    };
  labelsOf = config: if config.kubeflow then { app = "kserve"; } else { };
in
{
  name = "kserve";
  summary = "KServe: controller, webhooks, configuration and serving runtimes for InferenceServices";
  description = ''
    Rendered in upstream's own shape and names. Webhook certificates come from cert-manager. Runtimes and the container
    that fetches models are hardened so that namespaces at Pod Security `restricted` take them. `settings` reaches
    every key of ConfigMap inferenceservice-config.
  '';
  kind = "operator";
  provides = [ "kserve" ];
  providesAlso = { config, ... }: if config.llmisvc.enabled then [ "kserve-llmisvc" ] else [ ];

  options = common.workload // {
    name = option {
      type = types.dnsLabel;
      default = "kserve";
      description = "Name of the installation, as a label; upstream fixes the names of its objects.";
    };
    namespace = option {
      type = types.dnsLabel;
      default = "kserve";
      description = "Namespace of the controllers.";
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
      description = "How InferenceServices run that don't say it themselves: on Knative, or as plain Deployments.";
    };
    knative = {
      namespace = option {
        type = types.dnsLabel;
        default = "knative-serving";
        description = "Namespace of Knative Serving.";
      };
      networking = option {
        type = types.enum [
          "istio"
          "kourier"
        ];
        default = "istio";
        description = "Networking layer of Knative; with kourier the controller writes no Istio VirtualServices.";
      };
    };
    ingress = {
      create = option {
        type = types.bool;
        derive = { config, ... }: config.ingress.class != null || config.ingress.gateway.name != null;
        defaultText = "true with `ingress.class` or `ingress.gateway`";
        description = "Whether the controller makes Ingresses or HTTPRoutes for services in Standard mode.";
      };
      domain = option {
        type = types.dnsSubdomain;
        derive = { settings, ... }: settings.domain;
        defaultText = "the platform's, else example.com as shipped";
        description = "Domain of the hosts that the controller gives to services.";
      };
      domainTemplate = option {
        type = types.string;
        default = null;
        defaultText = "{{ .Name }}-{{ .Namespace }}.{{ .IngressDomain }}";
        description = "Template of those hosts.";
      };
      class = option {
        type = types.dnsSubdomain;
        derive = { settings, ... }: settings.ingress.class;
        defaultText = "the platform's";
        description = "Class of the Ingresses.";
      };
      gateway = {
        name = option {
          type = types.dnsSubdomain;
          derive =
            { settings, ... }: if settings.ingress.gateway == null then null else settings.ingress.gateway.name;
          defaultText = "the platform's";
          description = "Gateway (Gateway API) that HTTPRoutes attach to, in place of Ingresses.";
        };
        namespace = option {
          type = types.dnsLabel;
          derive =
            { settings, ... }:
            if settings.ingress.gateway == null then null else settings.ingress.gateway.namespace or null;
          defaultText = "the platform's, else the controllers' namespace";
          description = "Namespace of the Gateway.";
        };
      };
      scheme = option {
        type = types.enum [
          "http"
          "https"
        ];
        derive = { settings, ... }: if settings.ingress.tls.enabled then "https" else "http";
        defaultText = "https where the platform serves TLS, else http";
        description = "Scheme of the URLs that services report.";
      };
    };
    controller = {
      replicas = option {
        type = types.positiveInt;
        default = 1;
        description = "Replicas of the controller; one of them leads.";
      };
      resources = common.resources {
        cpu = "100m";
        memory = "200Mi";
        limits = {
          cpu = "100m";
          memory = "300Mi";
        };
      };
    };
    proxy.resources = common.resources {
      cpu = "5m";
      memory = "64Mi";
      limits.memory = "128Mi";
    };
    runtimes = {
      install = option {
        type = types.listOf (types.enum runtimeNames);
        default = runtimeNames;
        defaultText = "all that KServe ships";
        example = [
          "kserve-sklearnserver"
          "kserve-mlserver"
        ];
        description = "Serving runtimes of KServe's that are installed.";
      };
      hardened = option {
        type = types.bool;
        default = true;
        description = "Whether the runtimes say seccompProfile RuntimeDefault, without which namespaces at Pod Security `restricted` refuse their pods.";
      };
      extra = option {
        type = types.attrsOf types.settings;
        default = { };
        description = "ClusterServingRuntimes of your own: specification by name.";
      };
    };
    modelResources = common.resources {
      cpu = "1";
      memory = "2Gi";
      limits = {
        cpu = "1";
        memory = "2Gi";
      };
    };
    automountServiceAccountToken = option {
      type = types.bool;
      default = false;
      description = "Whether serving pods get a token of the API; none of KServe's servers needs one.";
    };
    storageInitializer = {
      hardened = option {
        type = types.bool;
        default = true;
        description = "Whether the container that fetches models has a security context that Pod Security `restricted` accepts.";
      };
      resources = common.resources {
        cpu = "100m";
        memory = "100Mi";
        limits = {
          cpu = "1";
          memory = "1Gi";
        };
      };
      caBundleConfigMap = option {
        type = types.dnsSubdomain;
        default = null;
        description = "ConfigMap with CA certificates, in the controllers' namespace, that is copied to where models are fetched.";
      };
    };
    storage =
      let
        wire = endpoint: {
          endpoint = endpoint.url;
          inherit (endpoint) region;
          pathStyle = endpoint.pathStyle or true;
        };
      in
      section {
        wire.s3 = wire;
        options = {
          endpoint = option {
            type = types.urlOrEndpoint;
            default = null;
            description = "S3 endpoint for models whose credentials name none.";
          };
          region = option {
            type = types.string;
            default = null;
            description = "Region of that endpoint.";
          };
          pathStyle = option {
            type = types.bool;
            default = true;
            description = "Whether buckets are in the path, not in the host name.";
          };
          verifySSL = option {
            type = types.bool;
            default = true;
            description = "Whether its certificate is verified.";
          };
        };
      };
    metrics = {
      aggregation = option {
        type = types.bool;
        default = false;
        description = "Whether services put the metrics of queue-proxy and model server together (Serverless mode).";
      };
      scraping = option {
        type = types.bool;
        default = false;
        description = "Whether serving pods carry prometheus.io annotations.";
      };
    };
    llmisvc = {
      enabled = option {
        type = types.bool;
        default = false;
        description = "Whether the controller of LLMInferenceServices is installed.";
      };
      resources = common.resources {
        cpu = "100m";
        memory = "300Mi";
        limits = {
          cpu = "100m";
          memory = "300Mi";
        };
      };
    };
    localModel = {
      enabled = option {
        type = types.bool;
        default = false;
        description = "Whether models can be cached on nodes: its controller, and an agent on each labelled node.";
      };
      resources = common.resources {
        cpu = "100m";
        memory = "200Mi";
        limits = {
          cpu = "100m";
          memory = "300Mi";
        };
      };
      hostPath = option {
        type = types.pattern {
          name = "absolute path";
          expected = "an absolute path";
          regex = "/[^:]*";
        };
        default = "/models";
        description = "Folder of the node that holds the models.";
      };
      nodeSelector = option {
        type = types.attrsOf types.labelValue;
        default = {
          "kserve/localmodel" = "worker";
        };
        description = "Labels of the nodes that cache models.";
      };
      jobNamespace = option {
        type = types.dnsLabel;
        default = "kserve-localmodel-jobs";
        description = "Namespace of the jobs that fetch models.";
      };
      fsGroup = option {
        type = types.unsignedInt;
        default = 1000;
        description = "Group that owns the cached files.";
      };
    };
    kubeflow = option {
      type = types.bool;
      default = false;
      description = "Whether it is rendered as part of Kubeflow: its labels in all selectors, and roles that profiles aggregate.";
    };
    settings = option {
      type = types.attrsOf types.settings;
      default = { };
      example = {
        ingress.pathTemplate = "/serving/{{ .Namespace }}/{{ .Name }}";
        logger.defaultUrl = "http://broker.events";
      };
      description = "Keys of ConfigMap inferenceservice-config, merged over what the other options make of them.";
    };
    inherit (common) monitoring networkPolicy podDisruptionBudget;
  };

  versions."0.20.0".images = {
    controller = "kserve/kserve-controller:v0.20.0";
    proxy = "quay.io/brancz/kube-rbac-proxy:v0.18.0";
    llmisvc = "kserve/llmisvc-controller:v0.20.0";
    localModel = "kserve/kserve-localmodel-controller:v0.20.0";
    localModelNode = "kserve/kserve-localmodelnode-agent:v0.20.0";
    storageInitializer = "kserve/storage-initializer:v0.20.0";
    agent = "kserve/agent:v0.20.0";
    router = "kserve/router:v0.20.0";
    artExplainer = "kserve/art-explainer:v0.20.0";
    autogluonserver = "kserve/autogluonserver:v0.20.0";
    huggingfaceserver = "kserve/huggingfaceserver:v0.20.0";
    huggingfaceserverGpu = "kserve/huggingfaceserver:v0.20.0-gpu";
    lgbserver = "kserve/lgbserver:v0.20.0";
    mlserver = "docker.io/seldonio/mlserver:1.7.1";
    paddleserver = "kserve/paddleserver:v0.20.0";
    pmmlserver = "kserve/pmmlserver:v0.20.0";
    predictiveserver = "kserve/predictiveserver:v0.20.0";
    sklearnserver = "kserve/sklearnserver:v0.20.0";
    tensorflowServing = "tensorflow/serving:2.6.2";
    torchserve = "pytorch/torchserve-kfs:0.9.0";
    tritonserver = "nvcr.io/nvidia/tritonserver:23.05-py3";
    vllmserver = "vllm/vllm-openai:v0.20.0";
    xgbserver = "kserve/xgbserver:v0.20.0";
  };
  lines."0.20" = {
    version = "0.20.0";
    reason = "is a line of releases";
  };
  mainImage = "controller";

  requires =
    { config, ... }:
    [ "cert-manager" ]
    ++ (
      if config.ingress.gateway.name != null || config.llmisvc.enabled then [ "gateway-api" ] else [ ]
    )
    ++ (if config.monitoring.enabled then [ "prometheus-operator" ] else [ ]);

  crds =
    { config, ... }:
    map (plural: "${plural}.serving.kserve.io") (
      [
        "inferenceservices"
        "servingruntimes"
        "clusterservingruntimes"
        "inferencegraphs"
        "trainedmodels"
        "clusterstoragecontainers"
      ]
      ++ (
        if config.llmisvc.enabled then
          [
            "llminferenceservices"
            "llminferenceserviceconfigs"
          ]
        else
          [ ]
      )
      ++ (
        # The controllers of models and of LLMs look whether a model is cached.
        if config.localModel.enabled then
          [
            "localmodelcaches"
            "localmodelnamespacecaches"
            "localmodelnodegroups"
            "localmodelnodes"
          ]
        else
          [ ]
      )
    )
    ++ (
      if config.llmisvc.enabled then
        [
          "inferencepools.inference.networking.k8s.io"
          "inferencepools.inference.networking.x-k8s.io"
          "inferenceobjectives.llm-d.ai"
          "inferencemodelrewrites.llm-d.ai"
        ]
      else
        [ ]
    );

  checks =
    {
      config,
      images,
      args,
      ...
    }:
    [
      {
        when = config.ingress.create && config.ingress.class == null && config.ingress.gateway.name == null;
        path = "ingress.create";
        message = "the controller needs ingress.class or ingress.gateway.name to make routes that somebody serves";
      }
      {
        when = (args.ingress.class or null) != null && (args.ingress.gateway.name or null) != null;
        path = "ingress.gateway.name";
        message = "ingress.class and ingress.gateway exclude each other: services get Ingresses or HTTPRoutes; leave one of them out";
      }
      {
        when = config.podDisruptionBudget.enabled == true && config.controller.replicas == 1;
        path = "podDisruptionBudget.enabled";
        message = "a budget for one replica would block every drain of its node; set controller.replicas to 2 or more, or leave it out";
      }
    ]
    ++ settingsProblems config.settings images;

  secrets =
    { config, ... }:
    let
      served = name: purpose: {
        inherit name purpose;
        type = "kubernetes.io/tls";
        keys = [ ];
        # cert-manager makes it.
        provided = true;
      };
    in
    [ (served "kserve-webhook-server-cert" "certificate of the webhooks") ]
    ++ (
      if config.llmisvc.enabled then
        [ (served "llmisvc-webhook-server-cert" "certificate of the LLM webhooks") ]
      else
        [ ]
    )
    ++ (
      if config.localModel.enabled then
        [ (served "localmodel-webhook-server-cert" "certificate of the model cache's webhook") ]
      else
        [ ]
    );

  pods = scope: (controllersOf scope).pods;

  open = _: [
    {
      port = 9443;
      reason = "the API server calls the webhooks, and no policy can name it";
    }
  ];

  deviations = [
    {
      rule = "image-pull-policy";
      workload = "Deployment/*-controller-manager";
      reason = "imagePullPolicy Always, as upstream has it";
    }
    {
      rule = "host-path";
      workload = "DaemonSet/kserve-localmodelnode-agent";
      reason = "models are kept in a folder of the node";
    }
  ];

  render =
    scope@{
      config,
      k8s,
      images,
      namespace,
      ...
    }:
    let
      controllers = controllersOf scope;
      selfLabels = labelsOf config;
      runtime = import ./serving-runtimes.nix {
        inherit k8s images selfLabels;
        inherit (config.runtimes) hardened;
      };
      wanted = listToAttrs (
        map (name: {
          inherit name;
          value = null;
        }) config.runtimes.install
      );
      values = configured scope;
    in
    controllers.kserve
    ++ controllers.llm
    ++ controllers.localModel
    ++ [
      (k8s.configMap {
        name = "inferenceservice-config";
        labels = selfLabels;
        data = mapAttrs (_: value: pretty "" value) values;
      })
      (k8s.object {
        apiVersion = "serving.kserve.io/v1alpha1";
        kind = "ClusterStorageContainer";
        name = "default";
        scope = "Cluster";
        labels = selfLabels;
        spec = {
          container = {
            name = "storage-initializer";
            image = images.storageInitializer;
            imagePullPolicy = "IfNotPresent";
            inherit (config.storageInitializer) resources;
          }
          // (
            # Without it namespaces at `restricted` refuse every pod with a model (kserve/kserve#5373).
            if config.storageInitializer.hardened then
              {
                securityContext = {
                  allowPrivilegeEscalation = false;
                  capabilities.drop = [ "ALL" ];
                  runAsNonRoot = true;
                  seccompProfile.type = "RuntimeDefault";
                };
              }
            else
              { }
          );
          supportedUriFormats = [
            { prefix = "gs://"; }
            { prefix = "s3://"; }
            { prefix = "hdfs://"; }
            { prefix = "hf://"; }
            { prefix = "webhdfs://"; }
            { regex = "https://(.+?).blob.core.windows.net/(.+)"; }
            { regex = "https://(.+?).file.core.windows.net/(.+)"; }
            { regex = "https?://(.+)/(.+)"; }
          ];
          supportsMultiModelDownload = true;
          workloadType = "initContainer";
        };
      })
    ]
    ++ map (name: runtime name runtimeTable.${name}) (attrNames (intersectAttrs wanted runtimeTable))
    ++ map (
      name:
      k8s.object {
        apiVersion = "serving.kserve.io/v1alpha1";
        kind = "ClusterServingRuntime";
        inherit name;
        role = "runtime";
        scope = "Cluster";
        labels = selfLabels;
        spec = config.runtimes.extra.${name};
      }
    ) (attrNames config.runtimes.extra)
    ++ (if config.kubeflow then import ./kubeflow.nix { inherit k8s selfLabels; } else [ ]);
}
