# An InferenceService as the options say it, and what follows from it for the rest of a platform: endpoints, flows,
# Secrets, the Pod Security level of pods that the controller makes.
{ storage }:
let
  inherit (builtins)
    any
    attrNames
    concatMap
    elem
    elemAt
    filter
    foldl'
    genList
    head
    isAttrs
    isString
    length
    map
    mapAttrs
    match
    removeAttrs
    substring
    tail
    toString
    ;
  runtimes = import ./runtime.nix;
  security = import ../../../lib/platform/security.nix;

  given = set: removeAttrs set (filter (name: set.${name} == null) (attrNames set));
  nonEmpty =
    set: removeAttrs set (filter (name: set.${name} == { } || set.${name} == [ ]) (attrNames set));

  # What is new and was given, over what is old.
  overlay =
    old: new:
    if new == null || new == [ ] || new == { } then
      old
    else if isAttrs old && isAttrs new && !(old ? _type) && !(new ? _type) then
      old // mapAttrs (name: value: if old ? ${name} then overlay old.${name} value else value) new
    else
      new;

  isEndpoint = value: isAttrs value && value._type or null == "endpoint";

  # Short names of options become the long ones.
  unalias =
    model:
    model
    // {
      storageUri = if model.storageUri != null then model.storageUri else model.uri;
      modelFormat =
        let
          format = if model.modelFormat != null then model.modelFormat else model.format;
        in
        if isString format then
          {
            name = format;
            version = null;
          }
        else if format == null then
          null
        else
          format // { version = if format.version == null then null else toString format.version; };
    };

  located =
    model:
    let
      bucket = if isEndpoint model.storageUri then model.storageUri else null;
    in
    model
    // {
      inherit bucket;
      location =
        if bucket == null then
          model.storageUri
        else
          "s3://${bucket.bucket}${if model.path == null then "" else "/${model.path}"}";
    };

  v2Formats = {
    triton = true;
    vLLM = true;
  };

  chosen =
    config: multinode: model:
    let
      protocol =
        if model.protocolVersion != null then
          model.protocolVersion
        else if model.modelFormat != null && v2Formats ? ${model.modelFormat.name} then
          "v2"
        else
          "v1";
      choice =
        if model.modelFormat == null then
          { problem = null; }
        else
          runtimes.choose {
            format = model.modelFormat;
            inherit protocol multinode;
            inherit (model) runtime;
            inherit (config) runtimes;
          };
    in
    model
    // {
      inherit protocol choice;
      isGrpc = match "grpc-.*" protocol != null;
    };

  resolve =
    config: multinode: model:
    chosen config multinode (located (unalias model));

  containersOf =
    part: (if part.spec == null then [ ] else part.spec.containers or [ ]) ++ part.containers;

  # The server of a part is the container kserve-container; the first one becomes it when none has the name.
  named =
    containers:
    if containers == [ ] || any (container: container.name == "kserve-container") containers then
      containers
    else
      [ (head containers // { name = "kserve-container"; }) ] ++ tail containers;

  isServer = container: container.name == "kserve-container";

  # One view of the configuration for everything below.
  of =
    { config, args, ... }:
    let
      standard = config.deploymentMode == "Standard";
      main = args.predictor or { };
      hasModel = main ? model;
      hasCanary = args ? canary && args.canary ? predictor;
      multinode = config.predictor.workerSpec != null;
      model = resolve config multinode config.predictor.model;
      # The second model is the first with what differs.
      second = resolve config multinode (
        overlay
          (
            config.predictor.model
            // {
              inherit (unalias config.predictor.model) storageUri modelFormat;
            }
          )
          (
            config.canary.predictor.model
            // {
              inherit (unalias config.canary.predictor.model) storageUri modelFormat;
            }
          )
      );
      containers = named (containersOf config.predictor);
      servers = filter isServer containers;
      current = if hasCanary && !standard then second else model;
      agent = config.logger != null || config.batcher != null;
      present = part: part.spec != null || part.containers != [ ];
      firstPort = ports: default: if ports == [ ] then default else (head ports).containerPort;
      runtime = if hasModel then current.choice.runtime or null else null;
      metricsPort =
        if config.monitoring.port != null then
          config.monitoring.port
        else if hasModel && runtime != null && !(runtime.own or false) then
          runtime.metricsPort or 8080
        else
          null;
      modelPorts = current.container.ports or [ ];
      grpcPort =
        {
          kserve-tensorflow-serving = 9000;
          kserve-tritonserver = 9000;
        }
        .${current.choice.name or ""} or 8081;
      # Ports are said where somebody must find them: Prometheus, or a Service that speaks gRPC.
      ports =
        if modelPorts != [ ] then
          modelPorts
        else if current.isGrpc then
          [
            {
              name = "h2c";
              containerPort = grpcPort;
              protocol = "TCP";
            }
          ]
          ++ (
            if config.monitoring.enabled && standard && metricsPort != null then
              [ (metricsEntry metricsPort) ]
            else
              [ ]
          )
        else if config.monitoring.enabled && metricsPort != null then
          [
            {
              name = "http1";
              containerPort = 8080;
              protocol = "TCP";
            }
          ]
          ++ (if metricsPort != 8080 && standard then [ (metricsEntry metricsPort) ] else [ ])
        else
          [ ];
      metricsEntry = port: {
        name = "metrics";
        containerPort = port;
        protocol = "TCP";
      };
      serverPorts =
        if hasModel then ports else (if servers == [ ] then [ ] else (head servers).ports or [ ]);
      uris =
        (
          if hasModel && current.location != null then
            [
              {
                uri = current.location;
                path = "predictor.model.storageUri";
                inherit (current) bucket;
              }
            ]
          else
            [ ]
        )
        ++ (
          if hasModel && hasCanary && standard && second.location != null then
            [
              {
                uri = second.location;
                path = "canary.predictor.model.storageUri";
                inherit (second) bucket;
              }
            ]
          else
            [ ]
        )
        ++ genList (index: {
          inherit ((elemAt config.predictor.storageUris index)) uri;
          path = "predictor.storageUris[${toString index}].uri";
          bucket = null;
        }) (length config.predictor.storageUris)
        ++ concatMap (
          container:
          map (entry: {
            uri = entry.value;
            path = "predictor.containers";
            bucket = null;
          }) (filter (entry: entry.name == "STORAGE_URI" && entry ? value) (container.env or [ ]))
        ) servers
        ++ (
          if config.explainer.art.storageUri != null then
            [
              {
                uri = config.explainer.art.storageUri;
                path = "explainer.art.storageUri";
                bucket = null;
              }
            ]
          else
            [ ]
        );
      buckets = filter (bucket: bucket != null) (map (found: found.bucket) uris);
      effective = storage.effective config.storage (if buckets == [ ] then null else head buckets);
      kinds = filter (kind: kind != "none") (map (found: storage.kindOf found.uri) uris);
    in
    {
      inherit
        standard
        hasModel
        hasCanary
        multinode
        model
        second
        current
        containers
        servers
        agent
        runtime
        metricsPort
        ports
        serverPorts
        uris
        ;
      storage = effective;
      storageKind =
        if elem "s3" kinds then
          "s3"
        else if kinds == [ ] then
          "none"
        else
          head kinds;
      hasTransformer = present config.transformer;
      hasExplainer = present config.explainer || config.explainer.art.type != null;
      hasArt = config.explainer.art.type != null;
      entry = if present config.transformer then "transformer" else "predictor";
      port = firstPort serverPorts 8080;
      metricsReachable = metricsPort != null && any (port: port.containerPort == metricsPort) serverPorts;
      # An own route takes the place of the controller's.
      ownRoute = config.ingress.enabled && config.ingress.host != null;
    };

  mergeResources =
    a: b:
    nonEmpty {
      requests = (a.requests or { }) // (b.requests or { });
      limits = (a.limits or { }) // (b.limits or { });
    };

  gpuResources =
    gpu:
    if gpu.count == 0 then
      { }
    else
      let
        amount."${gpu.type}.com/gpu" = toString gpu.count;
      in
      {
        requests = amount;
        limits = amount;
      };

  hardened = {
    allowPrivilegeEscalation = false;
    capabilities.drop = [ "ALL" ];
    seccompProfile.type = "RuntimeDefault";
  };

  confine =
    nonRoot: container:
    container
    // {
      securityContext =
        hardened
        // (if nonRoot then { runAsNonRoot = true; } else { })
        // (container.securityContext or { });
    };

  # What the user adds to the server of the predictor.
  extend =
    { config, k8s, ... }:
    container:
    let
      mounts = map (
        extra:
        given {
          inherit (extra) name mountPath subPath;
          readOnly = if extra.readOnly then true else null;
        }
      ) config.extraVolumes;
      resources = mergeResources (mergeResources (container.resources or { }) config.resources) (
        gpuResources config.gpu
      );
    in
    container
    // nonEmpty {
      env = (container.env or [ ]) ++ k8s.env config.extraEnv;
      args = (container.args or [ ]) ++ config.extraArgs;
      volumeMounts = (container.volumeMounts or [ ]) ++ mounts;
      inherit resources;
    };

  modelContainer =
    scope@{ k8s, ... }:
    ports: model:
    let
      runtime = model.choice.runtime or null;
      container = removeAttrs model.container [ "name" ];
      nonRoot = runtime != null && !(runtime.root or false);
    in
    removeAttrs (confine nonRoot (
      extend scope (
        container
        // nonEmpty {
          args = (container.args or [ ]) ++ model.args;
          env = (container.env or [ ]) ++ k8s.env model.env;
          resources = mergeResources (container.resources or { }) model.resources;
          inherit ports;
        }
      )
    )) [ "name" ];

  modelSpec =
    scope: ports: model:
    modelContainer scope ports model
    // given {
      storageUri = model.location;
      inherit (model) runtime runtimeVersion protocolVersion;
      modelFormat = if model.modelFormat == null then null else given model.modelFormat;
      storage =
        if model.storage.key == null && model.storage.parameters == { } then
          null
        else
          given {
            inherit (model.storage) key schemaPath;
            inherit (model) path;
            parameters = if model.storage.parameters == { } then null else model.storage.parameters;
          };
    };

  # Fields of the pod of a part.
  podFields =
    scope@{
      config,
      name,
      k8s,
      settings,
      ...
    }:
    main: part:
    let
      placement = k8s.placement;
      pull = map (secret: { name = secret; }) (config.imagePullSecrets ++ settings.imagePullSecrets);
      spec = if part.spec == null then { } else removeAttrs part.spec [ "containers" ];
      extra =
        if main then map (extra: { inherit (extra) name; } // extra.volume) config.extraVolumes else [ ];
      account = accountOf scope;
    in
    {
      automountServiceAccountToken = false;
      serviceAccountName = account;
    }
    // placement
    // (
      if placement ? topologySpreadConstraints then
        {
          # The labels of ours that the constructor fills in are not on the controller's pods.
          topologySpreadConstraints = map (
            constraint:
            constraint
            // {
              labelSelector = constraint.labelSelector or { matchLabels = podLabels name; };
            }
          ) config.topologySpread;
        }
      else
        { }
    )
    // nonEmpty { imagePullSecrets = pull; }
    // spec
    // nonEmpty { volumes = (spec.volumes or [ ]) ++ extra; };

  accountOf =
    { config, name, ... }:
    if config.serviceAccount.name == null then name else config.serviceAccount.name;

  podLabels = name: { "serving.kserve.io/inferenceservice" = name; };

  # Scaling, logging and the like, which KServe has beside the pod's fields.
  extension =
    part: defaults:
    given (
      mapAttrs (field: value: if part.${field} != null then part.${field} else value) (
        {
          minReplicas = null;
          maxReplicas = null;
          scaleTarget = null;
          scaleMetric = null;
          timeout = null;
          containerConcurrency = null;
          deploymentStrategy = null;
        }
        // defaults
      )
    )
    // nonEmpty { inherit (part) labels annotations; };

  # Logging and batching are for every predictor of the service.
  agents =
    config:
    given {
      logger =
        if config.logger == null then
          null
        else
          given { inherit (config.logger) url mode; }
          // nonEmpty { inherit (config.logger) metadataHeaders metadataAnnotations; };
      batcher = if config.batcher == null then null else given config.batcher;
    };

  predictorExtension =
    { config, ... }:
    extension config.predictor {
      inherit (config)
        minReplicas
        maxReplicas
        scaleTarget
        scaleMetric
        timeout
        containerConcurrency
        ;
    }
    // agents config
    // nonEmpty {
      autoScaling = nonEmpty { inherit (config.scaling) metrics behavior; };
      storageUris = config.predictor.storageUris;
    };

  replicaDefaults = config: { inherit (config) minReplicas maxReplicas; };

  annotationsOf =
    { config, ... }:
    view:
    given {
      "serving.kserve.io/deploymentMode" = if view.standard then "Standard" else "Knative";
      "serving.kserve.io/autoscalerClass" = config.autoscaler;
      # An account of somebody else's need not name the Secret: KServe takes it from here, too.
      "serving.kserve.io/storageSecretName" =
        if config.serviceAccount.create || view.storage.secretRef == null then
          null
        else
          view.storage.secretRef.name;
      "autoscaling.knative.dev/class" =
        if !view.standard && isResourceMetric config then "hpa.autoscaling.knative.dev" else null;
    };

  isResourceMetric =
    config:
    any (metric: metric == "cpu" || metric == "memory") [
      config.scaleMetric
      config.predictor.scaleMetric
      config.transformer.scaleMetric
    ];

  inferenceService =
    scope@{
      config,
      name,
      k8s,
      release,
      ...
    }:
    view:
    let
      server =
        if view.hasModel then
          {
            model = modelSpec scope view.ports view.current;
          }
          // nonEmpty { containers = map (confine true) (containersOf config.predictor); }
        else
          {
            containers = map (
              container: confine true (if isServer container then extend scope container else container)
            ) view.containers;
          };
      predictor =
        podFields scope true config.predictor
        // predictorExtension scope
        // server
        // given { workerSpec = config.predictor.workerSpec; }
        // (
          if !view.standard && config.canaryTraffic != null then
            { canaryTrafficPercent = config.canaryTraffic; }
          else
            { }
        )
        // (
          # In Serverless mode the newer model is the service's; revisions before it keep the rest.
          if view.hasCanary && !view.standard then
            nonEmpty {
              labels = config.predictor.labels // config.canary.predictor.labels;
              annotations = config.predictor.annotations // config.canary.predictor.annotations;
            }
          else
            { }
        );
      canary = {
        trafficPercent = config.canaryTraffic;
        predictor =
          podFields scope true config.predictor
          // {
            inherit (config.canary) name;
            # The CRD asks for a name here, which it forbids in the first predictor.
            model = {
              name = "kserve-container";
            }
            // modelSpec scope view.ports view.second;
          }
          // given {
            inherit (config.canary.predictor) minReplicas;
            timeout = if config.predictor.timeout != null then config.predictor.timeout else config.timeout;
          }
          // agents config
          // nonEmpty { inherit (config.canary.predictor) labels annotations; };
      };
      other =
        part:
        podFields scope false part
        // {
          containers = map (confine true) (named (containersOf part));
        };
    in
    k8s.object {
      apiVersion = "serving.kserve.io/v1beta1";
      kind = "InferenceService";
      inherit name;
      annotations = annotationsOf scope view;
      labels =
        if !config.ingress.enabled || view.ownRoute && view.standard then
          { "networking.kserve.io/visibility" = "cluster-local"; }
        else
          { };
      spec = {
        inherit predictor;
      }
      // (
        if view.hasTransformer then
          { transformer = other config.transformer // extension config.transformer (replicaDefaults config); }
        else
          { }
      )
      // (
        if !view.hasExplainer then
          { }
        else
          {
            explainer =
              (
                if view.hasArt then
                  podFields scope false config.explainer
                  // {
                    art = confine true (
                      given { inherit (config.explainer.art) type storageUri; }
                      // nonEmpty { inherit (config.explainer.art) config; }
                      // {
                        # Said here, so that mirrors and digests of the platform reach it.
                        image = release.artExplainer;
                      }
                    );
                  }
                else
                  other config.explainer
              )
              // extension config.explainer { };
          }
      )
      // (if view.hasCanary && view.standard then { canary = [ canary ]; } else { });
    };

  serviceAccount =
    scope@{ config, k8s, ... }:
    view:
    if !config.serviceAccount.create then
      [ ]
    else
      [
        (k8s.serviceAccount {
          name = accountOf scope;
          inherit (config.serviceAccount) annotations;
          secrets = if view.storage.secretRef == null then [ ] else [ view.storage.secretRef.name ];
        })
      ];

  servingRuntimes =
    { config, k8s, ... }:
    map (
      runtime:
      k8s.object {
        apiVersion = "serving.kserve.io/v1alpha1";
        kind = "ServingRuntime";
        name = runtime;
        role = "runtime";
        # Before the services that ask for it.
        phase = "prepare";
        spec = config.runtimes.${runtime};
      }
    ) (attrNames config.runtimes);

  routes =
    scope@{
      config,
      name,
      k8s,
      ...
    }:
    view:
    let
      entry = "${name}-${view.entry}";
      plain = k8s.route {
        inherit name;
        service = entry;
        port = 80;
      };
      weighted =
        route:
        route
        // {
          spec = route.spec // {
            rules = map (
              rule:
              rule
              // {
                backendRefs = [
                  {
                    name = entry;
                    port = 80;
                    weight = 100 - config.canaryTraffic;
                  }
                  {
                    name = canaryService scope;
                    port = 80;
                    weight = config.canaryTraffic;
                  }
                ];
              }
            ) route.spec.rules;
          };
        };
    in
    if !view.ownRoute then
      [ ]
    else if view.standard then
      if view.hasCanary then map weighted plain else plain
    else
      [
        (k8s.object {
          apiVersion = "networking.internal.knative.dev/v1alpha1";
          kind = "ClusterDomainClaim";
          name = config.ingress.host;
          scope = "Cluster";
          phase = "prepare";
          spec.namespace = config.namespace;
        })
        (k8s.object {
          apiVersion = "serving.knative.dev/v1beta1";
          kind = "DomainMapping";
          name = config.ingress.host;
          inherit (config.ingress) annotations;
          spec = {
            ref = {
              apiVersion = "serving.knative.dev/v1";
              kind = "Service";
              name = entry;
            };
          }
          // (
            if config.ingress.tls.enabled then { tls.secretName = config.ingress.tls.secretName; } else { }
          );
        })
      ];

  # Pods of both models count together: they carry the same labels.
  budget =
    {
      config,
      name,
      k8s,
      ...
    }:
    k8s.podDisruptionBudget {
      inherit name;
      selector = podLabels name // {
        component = "predictor";
      };
      replicas =
        if config.predictor.minReplicas != null then config.predictor.minReplicas else config.minReplicas;
    };

  canaryService = { config, name, ... }: "${name}-${config.canary.name}-predictor";

  # Calls reach Knative's pods through its activator and its gateway, and its autoscaler looks at them; between the
  # parts of a service they go the same way.
  knativePolicy =
    {
      config,
      name,
      k8s,
      ...
    }:
    view:
    let
      from = namespace: { namespaceSelector.matchLabels."kubernetes.io/metadata.name" = namespace; };
      tcp = port: {
        inherit port;
        protocol = "TCP";
      };
      system = map from [
        config.knative.namespace
        config.knative.gatewayNamespace
      ];
    in
    if view.standard || !config.networkPolicy.enabled then
      [ ]
    else
      [
        (k8s.object {
          apiVersion = "networking.k8s.io/v1";
          kind = "NetworkPolicy";
          name = "${name}-knative";
          spec = {
            podSelector.matchLabels = podLabels name;
            policyTypes = [
              "Ingress"
            ]
            ++ (if view.hasTransformer || view.hasExplainer then [ "Egress" ] else [ ]);
            ingress = [
              {
                from = system;
                ports = map tcp [
                  8012
                  8013
                  8022
                  9090
                ];
              }
            ];
          }
          // (if view.hasTransformer || view.hasExplainer then { egress = [ { to = system; } ]; } else { });
        })
      ];

  # Metrics of KServe's own servers are histograms by model_name; the others have their own, which rules about them know.
  monitors =
    {
      config,
      name,
      namespace,
      k8s,
      ...
    }@scope:
    view:
    let
      inherit (config) monitoring;
      job = "${namespace}/${name}";
      python = view.runtime != null && view.runtime.metrics or "" == "python";
      variants =
        if view.hasCanary && view.standard then
          {
            main = "${name}-predictor-.*";
            canary = "${canaryService scope}-.*";
          }
        else
          { main = "${name}-predictor-.*"; };
      quantile =
        pods: quantile:
        "histogram_quantile(${quantile}, sum by (le) (rate(request_predict_seconds_bucket{job=\"${job}\",pod=~\"${pods}\"}[5m])))";
      labels = variant: severity: {
        model = name;
        inherit variant severity;
      };
      panel = index: title: unit: targets: {
        id = index + 1;
        inherit title;
        type = "timeseries";
        gridPos = {
          h = 8;
          w = 12;
          x = if index == 0 || index == 2 then 0 else 12;
          y = if index < 2 then 0 else 8;
        };
        fieldConfig.defaults = {
          inherit unit;
        };
        inherit targets;
      };
      target = legend: expr: {
        inherit expr;
        legendFormat = legend;
        refId = legend;
      };
    in
    if !view.metricsReachable then
      [ ]
    else
      k8s.podMonitor {
        inherit name;
        port = null;
        inherit (monitoring) path;
        selector = podLabels name;
        endpoint.portNumber = view.metricsPort;
      }
      ++ k8s.prometheusRule {
        inherit name;
        groups.${name} = [
          {
            alert = "ModelServerDown";
            expr = "up{job=\"${job}\"} == 0";
            for = "10m";
            labels = {
              model = name;
              severity = "warning";
            };
            annotations.summary = "A server of model ${job} does not answer Prometheus";
          }
        ]
        ++ (
          if !python then
            [ ]
          else
            map (variant: {
              alert = "ModelLatencyHigh";
              expr = "${quantile variants.${variant} "0.95"} > ${builtins.toJSON monitoring.latencySeconds}";
              for = "10m";
              labels = labels variant "warning";
              annotations.summary = "95 % of the predictions of ${job} (${variant}) take more than ${builtins.toJSON monitoring.latencySeconds} s";
            }) (attrNames variants)
        );
      }
      ++ (
        if !python then
          [ ]
        else
          k8s.dashboard {
            name = "${name}-dashboard";
            dashboard = {
              title = "Model ${job}";
              uid = "kserve-${substring 0 20 (builtins.hashString "sha256" job)}";
              schemaVersion = 39;
              time = {
                from = "now-6h";
                to = "now";
              };
              panels = [
                (panel 0 "Predictions per second" "reqps" (
                  map (
                    variant:
                    target variant "sum(rate(request_predict_seconds_count{job=\"${job}\",pod=~\"${variants.${variant}}\"}[5m]))"
                  ) (attrNames variants)
                ))
                (panel 1 "Prediction time, 95th percentile" "s" (
                  map (variant: target variant (quantile variants.${variant} "0.95")) (attrNames variants)
                ))
                (panel 2 "Prediction time, median" "s" (
                  map (variant: target variant (quantile variants.${variant} "0.5")) (attrNames variants)
                ))
                (panel 3 "Servers that answer" "short" [ (target "up" "sum(up{job=\"${job}\"})") ])
              ];
            };
          }
      );
in
{
  inherit
    of
    accountOf
    canaryService
    given
    isResourceMetric
    podFields
    podLabels
    extend
    serviceAccount
    ;

  render =
    scope:
    let
      inherit (scope) view;
    in
    serviceAccount scope view
    ++ servingRuntimes scope
    ++ [ (inferenceService scope view) ]
    ++ budget scope
    ++ routes scope view
    ++ knativePolicy scope view
    ++ monitors scope view;

  pods =
    { config, name, ... }:
    if config.llm != null then
      [
        {
          "app.kubernetes.io/name" = name;
          "app.kubernetes.io/part-of" = "llminferenceservice";
        }
      ]
    else
      [ (podLabels name) ]
      ++ (
        if config.inferenceGraph == null then
          [ ]
        else
          [
            {
              "serving.kserve.io/inferencegraph" =
                if config.inferenceGraph.name == null then "${name}-graph" else config.inferenceGraph.name;
            }
          ]
      );

  endpoints =
    scope@{
      config,
      name,
      namespace,
      ...
    }:
    let
      inherit (scope) view;
      # KServe's own name for the whole service is a VirtualService of Istio's.
      service =
        if view.standard || config.knative.networking != "istio" then "${name}-${view.entry}" else name;
      host = "${service}.${namespace}.svc";
      http = {
        protocol = "kserve";
        inherit service;
        port = 80;
        targetPort =
          if !view.standard then
            8012
          else if view.agent then
            9081
          else
            view.port;
        url = "http://${host}";
        podLabels = podLabels name;
        # What others must know to call it and to watch it.
        model = name;
        protocolVersion = if view.hasModel then view.current.protocol else null;
        predictPath =
          if view.hasModel && view.current.protocol == "v2" then
            "/v2/models/${name}/infer"
          else
            "/v1/models/${name}:predict";
        inherit (config) deploymentMode;
        metrics =
          if view.metricsReachable then
            {
              job = "${namespace}/${name}";
              port = view.metricsPort;
              inherit (config.monitoring) path;
              kind = if view.runtime == null then "unknown" else view.runtime.metrics or "unknown";
            }
          else
            null;
      }
      // (
        if view.standard then
          { }
        else
          {
            # Calls go through Knative's gateway, not straight to the pods.
            through = [ config.knative.gatewayNamespace ];
          }
      );
    in
    if config.llm != null then
      {
        http = {
          protocol = "kserve";
          service = "${name}-kserve-workload-svc";
          port = 8000;
          path = "/v1";
          podLabels = {
            "app.kubernetes.io/name" = name;
            "app.kubernetes.io/part-of" = "llminferenceservice";
          };
          model = if config.llm.model.name == null then name else config.llm.model.name;
          protocolVersion = "openai";
          metrics = null;
        };
      }
    else
      {
        inherit http;
      }
      // (
        if view.hasCanary && view.standard then
          {
            canary = http // {
              service = canaryService scope;
              url = "http://${canaryService scope}.${namespace}.svc";
              metrics = null;
            };
          }
        else
          { }
      )
      // (
        # A predictor behind a transformer is a Service of its own.
        if view.hasTransformer && view.standard then
          {
            predictor = http // {
              service = "${name}-predictor";
              url = "http://${name}-predictor.${namespace}.svc";
            };
          }
        else
          { }
      )
      // (
        if config.inferenceGraph == null then
          { }
        else
          {
            graph =
              let
                graph = if config.inferenceGraph.name == null then "${name}-graph" else config.inferenceGraph.name;
              in
              {
                protocol = "kserve";
                service = graph;
                port = 80;
                targetPort = 8080;
                url = "http://${graph}.${namespace}.svc";
                podLabels."serving.kserve.io/inferencegraph" = graph;
                model = name;
                protocolVersion = null;
                metrics = null;
              };
          }
      );

  connections =
    scope@{ config, ... }:
    let
      inherit (scope) view;
      logger = if config.logger == null then null else config.logger.url;
    in
    if config.llm != null then
      map (host: host // { option = "llm.model.uri"; }) (storage.hosts view.storage config.llm.model.uri)
    else
      concatMap (
        found: map (host: host // { option = found.path; }) (storage.hosts view.storage found.uri)
      ) view.uris
      ++ (
        if logger == null then
          [ ]
        else
          [
            (
              storage.hostAndPort logger storage.webPorts
              // {
                option = "logger.url";
                order = false;
              }
            )
          ]
      );

  secrets =
    scope@{ config, namespace, ... }:
    let
      inherit (scope) view;
      uri = if view.uris == [ ] then "" else (head view.uris).uri;
      bucket = match "s3://([^/]*).*" uri;
    in
    storage.secret {
      inherit (view) storage;
      inherit namespace;
      kind =
        if config.llm != null then
          storage.kindOf config.llm.model.uri
        else if view.storageKind == "none" then
          "s3"
        else
          view.storageKind;
      bucket = if bucket == null then null else head bucket;
    };

  podSecurity =
    scope@{ config, ... }:
    let
      inherit (scope) view;
      part = list: spec: {
        containers = list ++ (if spec == null then [ ] else spec.initContainers or [ ]);
        volumes = if spec == null then [ ] else spec.volumes or [ ];
        securityContext = if spec == null then { } else spec.securityContext or { };
        hostNetwork = if spec == null then false else spec.hostNetwork or false;
      };
      confined = map (confine true);
      runtime = view.runtime;
      # Of a runtime that the cluster has or the user brings, only what is said here is known.
      rootless = runtime != null && !(runtime.root or false);
      server = [
        (removeAttrs (confine rootless (view.current.container // { name = "kserve-container"; })) [
          "image"
        ])
      ];
      pods = [
        (part (
          if view.hasModel then
            server ++ confined (containersOf config.predictor)
          else
            confined view.containers
        ) config.predictor.spec)
      ]
      ++ (
        if view.hasTransformer then
          [ (part (confined (containersOf config.transformer)) config.transformer.spec) ]
        else
          [ ]
      )
      ++ (
        if view.hasExplainer && !view.hasArt then
          [ (part (confined (containersOf config.explainer)) config.explainer.spec) ]
        else
          [ ]
      );
      lowest =
        foldl'
          (worst: found: if security.rank.${found.level} < security.rank.${worst.level} then found else worst)
          {
            level = "restricted";
            reasons = [ ];
          }
          (map security.levelOf pods);
      modelcar = any (found: storage.schemeOf found.uri == "oci") view.uris;
    in
    if config.llm != null then
      [
        {
          level = "baseline";
          reason = "the containers of KServe's LLM templates are not ours to say";
        }
      ]
    else if modelcar && lowest.level == "restricted" then
      [
        {
          level = "baseline";
          reason = "KServe puts a container without a security context beside the server of an oci:// model";
        }
      ]
    else
      [
        {
          inherit (lowest) level;
          reason =
            if lowest.reasons == [ ] then
              "containers are confined"
            else
              builtins.concatStringsSep ", " lowest.reasons;
        }
      ];
}
