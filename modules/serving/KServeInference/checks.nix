# What KServe's webhooks would reject, what could never work, and what works but deserves a word.
{
  service,
  storage,
  graph,
}:
let
  inherit (builtins)
    any
    attrNames
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    genList
    head
    length
    listToAttrs
    map
    match
    stringLength
    toString
    ;

  problem = when: path: message: { inherit when path message; };

  partNames = [
    "predictor"
    "transformer"
    "explainer"
  ];

  # Containers of a part with the place where the user wrote them.
  placed =
    config: part:
    let
      spec = config.${part}.spec;
      at =
        path: list:
        genList (index: {
          path = "${path}[${toString index}]";
          container = elemAt list index;
        }) (length list);
    in
    (if spec == null then [ ] else at "${part}.spec.containers" (spec.containers or [ ]))
    ++ at "${part}.containers" config.${part}.containers
    ++ (if spec == null then [ ] else at "${part}.spec.initContainers" (spec.initContainers or [ ]));

  variables = env: if builtins.isAttrs env then attrNames env else map (entry: entry.name) env;

  knativeEnv = [
    "PORT"
    "K_SERVICE"
    "K_CONFIGURATION"
    "K_REVISION"
  ];
  knativePorts = [
    8012
    8013
    8022
    9090
    9091
    8008
  ];

  containerProblems =
    view: part:
    { path, container }:
    let
      names = variables (container.env or [ ]);
      ports = container.ports or [ ];
      reserved = filter (name: elem name knativeEnv) names;
      taken = filter (port: elem port.containerPort knativePorts) ports;
      misnamed = filter (port: port ? name && port.name != "http1" && port.name != "h2c") ports;
    in
    [
      (problem (elem "PYTHONPATH" names) "${path}.env"
        "KServe refuses the variable PYTHONPATH; put the modules into the image"
      )
      (problem (container.name == "transformer-container" && elem "STORAGE_URI" names) "${path}.env"
        "KServe refuses STORAGE_URI on transformer-container; the model belongs to kserve-container"
      )
      (problem (
        container.image or null == null && container.name == "kserve-container" && !view.hasModel
      ) path "a server of your own needs an image")
    ]
    ++ (
      if view.standard then
        [ ]
      else
        [
          (problem (length ports > 1) "${path}.ports"
            "Knative takes one port, found ${toString (length ports)}; leave the others out, or use deploymentMode = \"Standard\""
          )
          (problem (taken != [ ]) "${path}.ports"
            "port ${
              toString (head (taken ++ [ { containerPort = 0; } ])).containerPort
            } belongs to Knative's queue-proxy; use another"
          )
          (problem (misnamed != [ ]) "${path}.ports"
            "Knative names ports http1 or h2c, found ${toString ((head (misnamed ++ [ { } ])).name or "")}"
          )
          (problem (
            reserved != [ ]
          ) "${path}.env" "Knative sets ${concatStringsSep ", " reserved} by itself; leave it out")
          (problem (container ? lifecycle) "${path}.lifecycle"
            "Knative takes no lifecycle hooks; leave them out, or use deploymentMode = \"Standard\""
          )
        ]
    );

  scalingProblems =
    { config, args, ... }:
    view: part:
    let
      own = config.${part};
      top = part == "predictor";
      replicas = part != "explainer";
      pick =
        field: inherited:
        if own.${field} != null then
          own.${field}
        else if inherited then
          config.${field}
        else
          null;
      place = field: if own.${field} != null then "${part}.${field}" else field;
      minimum = pick "minReplicas" replicas;
      maximum = pick "maxReplicas" replicas;
      metric = pick "scaleMetric" top;
      target = pick "scaleTarget" top;
      resource = metric == "cpu" || metric == "memory";
      both = field: top && own.${field} != null && args ? ${field};
    in
    [
      (problem (minimum != null && maximum != null && minimum > maximum) (place "minReplicas")
        "minReplicas (${toString minimum}) exceeds maxReplicas (${toString maximum})"
      )
      (problem (minimum == 0 && view.standard && config.autoscaler != "keda") (place "minReplicas")
        "scale to zero needs deploymentMode = \"Serverless\", or autoscaler = \"keda\"; in Standard mode 0 silently becomes 1"
      )
      (problem (minimum == 0 && !view.standard && resource) (place "minReplicas")
        "scaleMetric ${toString metric} cannot scale to zero; use concurrency or rps, or minReplicas = 1"
      )
      (problem (view.standard && metric != null && !resource) (place "scaleMetric")
        "${toString metric} is a metric of Serverless mode; expected cpu or memory, or metrics of your own in scaling.metrics with autoscaler = \"keda\""
      )
      (problem (
        config.autoscaler == "keda" && metric != null
      ) (place "scaleMetric") "KEDA takes no scaleMetric; say it in scaling.metrics")
      (problem (view.standard && target != null && metric != "memory" && target > 100)
        (place "scaleTarget")
        "expected a percentage of the CPU request from 1 to 100, found ${toString target}"
      )
      (problem (
        view.standard && metric == "memory" && target == null
      ) (place "scaleMetric") "memory needs scaleTarget (MiB): without it the autoscaler has no metric")
      (problem (
        view.standard && target != null && config.autoscaler == "none"
      ) (place "scaleTarget") "nothing scales with autoscaler = \"none\"; leave one of them out")
      (problem (own.deploymentStrategy != null && !view.standard) "${part}.deploymentStrategy"
        "only Standard mode has a deployment strategy; Knative replaces revisions by itself"
      )
      (problem (
        own.containerConcurrency != null && view.standard
      ) "${part}.containerConcurrency" "only Serverless mode limits requests per pod")
    ]
    ++
      map
        (field: problem (both field) "${part}.${field}" "given here and at ${field}; leave one of them out")
        [
          "minReplicas"
          "maxReplicas"
          "scaleTarget"
          "scaleMetric"
          "timeout"
          "containerConcurrency"
        ];

  modelProblems =
    path: model: multinode:
    let
      inherit (model) location;
      found = model.choice.problem or null;
      scheme = if location == null then "" else storage.schemeOf location;
    in
    [
      (problem (model.modelFormat == null) "${path}.modelFormat"
        "required option is missing; expected a model format (sklearn, xgboost, onnx, …)"
      )
      (problem (found != null) "${path}.${(if found == null then { field = ""; } else found).field}" (
        (if found == null then { message = ""; } else found).message
      ))
      (problem (elem "PYTHONPATH" (
        variables model.env
      )) "${path}.env" "KServe refuses the variable PYTHONPATH; put the modules into the image")
      (problem
        (
          model.path != null
          && model.bucket == null
          && model.storage.key == null
          && model.storage.parameters == { }
        )
        "${path}.path"
        "a path of its own belongs to a bucket in storageUri, or to storage; write it at the end of storageUri"
      )
      (problem (
        location != null && (model.storage.key != null || model.storage.parameters != { })
      ) "${path}.storage" "storageUri and storage say the same thing in two ways; leave one of them out")
    ]
    ++ (
      if multinode then
        [
          (problem (scheme != "pvc" && scheme != "oci") "${path}.storageUri"
            "several nodes read one model from pvc:// or oci://, found ${
              if location == null then "nothing" else "${scheme}://"
            }"
          )
        ]
      else
        [ ]
    );

  aliases =
    args: path: model:
    map
      (
        pair:
        problem (
          model.${pair.short} or null != null && model.${pair.long} or null != null
        ) "${path}.${pair.short}" "given as ${pair.short} and as ${pair.long}; leave one of them out"
      )
      [
        {
          short = "format";
          long = "modelFormat";
        }
        {
          short = "uri";
          long = "storageUri";
        }
      ];

  canaryProblems =
    { config, args, ... }:
    view:
    let
      gateway = config.ingress.gateway.name != null && config.ingress.enabled;
    in
    [
      (problem (config.canaryTraffic != null && view.standard && !view.hasCanary) "canaryTraffic"
        "in Standard mode there is nothing to split to; give the second model as canary = { predictor.model.storageUri = \"…\"; }, or use deploymentMode = \"Serverless\", which splits by revision, or a Splitter in inferenceGraph over two services"
      )
      (problem (
        view.hasCanary && config.canaryTraffic == null
      ) "canary" "a second model needs canaryTraffic, the percentage that it gets")
      (problem (
        args ? canary && !view.hasCanary
      ) "canary" "the second model is missing; expected canary = { predictor.model.storageUri = \"…\"; }")
      (problem (view.hasCanary && view.standard && !(gateway && config.ingress.host != null)) "canary"
        "KServe 0.20 makes the second predictor but no route to it; weights need a Gateway: set ingress = { enabled = true; host = \"…\"; gateway.name = \"…\"; } (or ingress.gateway and domain of the platform), or use deploymentMode = \"Serverless\""
      )
      (problem (
        view.hasCanary && !view.hasModel
      ) "canary" "a second predictor needs a first one with a model; predictor has containers of its own")
      (problem (view.hasCanary && view.standard && view.hasTransformer) "canary"
        "the transformer calls the first predictor only, so the second would get no request; put it into inferenceGraph, or use deploymentMode = \"Serverless\""
      )
      (problem (
        view.hasCanary && view.multinode
      ) "canary" "a predictor over several nodes (workerSpec) has no canary in KServe 0.20")
      (problem (args.canary.name or null != null && !view.standard) "canary.name"
        "in Serverless mode the second model is the next revision and has no name of its own"
      )
      (problem
        (
          config.canary.predictor.minReplicas != null
          && view.standard
          &&
            config.canary.predictor.minReplicas > (
              if config.predictor.minReplicas != null then config.predictor.minReplicas else config.minReplicas
            )
        )
        "canary.predictor.minReplicas"
        "KServe wants no more replicas of the canary than of the first predictor"
      )
      (problem (config.canary.predictor.minReplicas != null && !view.standard)
        "canary.predictor.minReplicas"
        "in Serverless mode replicas belong to the service; set minReplicas"
      )
      (problem
        (
          view.hasCanary
          && view.standard
          && stringLength "${config.name}-${config.canary.name}-predictor" > 63
        )
        "canary.name"
        "the Service ${config.name}-${config.canary.name}-predictor would have more than 63 characters; shorten one of the names"
      )
    ];

  ingressProblems =
    { config, args, ... }:
    view:
    let
      own = field: args.ingress.${field} or null != null;
    in
    (
      if view.standard then
        [ ]
      else
        map
          (
            field:
            problem (own field) "ingress.${field}"
              "in Serverless mode Knative's gateway serves the host; leave ${field} out, or use deploymentMode = \"Standard\""
          )
          [
            "class"
            "gateway"
            "path"
          ]
    )
    ++ [
      (problem (
        view.standard
        && config.ingress.gateway.name != null
        && config.ingress.tls.enabled
        && own "tls"
        && args.ingress.tls ? issuer
      ) "ingress.tls.issuer" "the Gateway's listener has the certificate; leave issuer out")
    ];

  storageProblems =
    { config, ... }:
    view:
    let
      reference = config.storage.secretRef;
      s3 = view.storageKind == "s3" || view.storageKind == "none";
      names = [
        {
          field = "accessKey";
          wanted = "AWS_ACCESS_KEY_ID";
        }
        {
          field = "secretKey";
          wanted = "AWS_SECRET_ACCESS_KEY";
        }
      ];
      hosts = listToAttrs (
        map (found: {
          name = if found.bucket == null then "" else found.bucket.host;
          value = null;
        }) (filter (found: found.bucket != null) view.uris)
      );
    in
    map (
      key:
      problem (reference != null && s3 && reference.${key.field} != key.wanted)
        "storage.secretRef.${key.field}"
        "KServe reads the key ${key.wanted}, found ${
          if reference == null then "" else reference.${key.field}
        }; use copyOf to give the Secret that key"
    ) names
    ++ [
      (problem (
        config.storage.endpoint != null
        && view.uris != [ ]
        && !(any (found: storage.kindOf found.uri == "s3") view.uris)
      ) "storage.endpoint" "only s3:// models come from it, and there is none")
      (problem (reference != null && view.uris != [ ] && view.storageKind == "none") "storage.secretRef"
        "no model is fetched with credentials: ${concatStringsSep ", " (map (found: found.uri) view.uris)}"
      )
      (problem (length (attrNames hosts) > 1) "canary.predictor.model.storageUri"
        "buckets of two stores need two sets of credentials, and KServe hands one to a service; keep both models in one store"
      )
    ];
in
{
  checks =
    scope@{
      config,
      args,
      name,
      ...
    }:
    let
      inherit (scope) view;
      given = args.predictor or { };
      present = [
        "predictor"
      ]
      ++ (if view.hasTransformer then [ "transformer" ] else [ ])
      ++ (if view.hasExplainer then [ "explainer" ] else [ ]);
    in
    if config.llm != null then
      map
        (
          field:
          problem (
            args ? ${field}
          ) field "an LLMInferenceService has no ${field}; leave it out, or leave llm out"
        )
        [
          "predictor"
          "transformer"
          "explainer"
          "canary"
          "canaryTraffic"
          "minReplicas"
          "maxReplicas"
          "scaleTarget"
          "scaleMetric"
          "autoscaler"
          "scaling"
          "batcher"
          "logger"
          "runtimes"
          "inferenceGraph"
          "deploymentMode"
          "timeout"
          "containerConcurrency"
          "podDisruptionBudget"
        ]
      ++ [
        (problem (stringLength "${name}-kserve-workload-svc" > 63) "name"
          "${toString (stringLength name)} characters; at most 43 for a language model (its Service is NAME-kserve-workload-svc)"
        )
        (problem (
          config.llm.replicas != null && config.llm.scaling != { }
        ) "llm.replicas" "replicas and llm.scaling exclude each other")
        (problem (config.ingress.enabled
        ) "ingress" "routes of a language model are llm.router's; leave ingress out")
      ]
    else
      [
        (problem
          (
            view.hasModel
            &&
              filter (container: container.name == "kserve-container") (
                (if config.predictor.spec == null then [ ] else config.predictor.spec.containers or [ ])
                ++ config.predictor.containers
              ) != [ ]
          )
          "predictor"
          "a model and a server of your own exclude each other; leave model out, or give the containers beside it names of their own"
        )
        (problem (
          given ? containers && given.spec.containers or [ ] != [ ]
        ) "predictor.containers" "given here and in predictor.spec.containers; leave one of them out")
        (problem (
          view.hasModel && view.current.location != null && config.predictor.storageUris != [ ]
        ) "predictor.storageUris" "storageUris and model.storageUri exclude each other")
        (problem (stringLength "${name}-${config.namespace}" > 63) "name"
          "KServe's host begins with ${name}-${config.namespace}, which has ${toString (stringLength "${name}-${config.namespace}")} characters; at most 63"
        )
        (problem (config.autoscaler != null && !view.standard) "autoscaler"
          "in Serverless mode Knative scales; leave it out, or use deploymentMode = \"Standard\""
        )
        (problem (
          config.scaling.metrics != [ ]
          && (
            !view.standard
            || config.autoscaler != "keda" && config.autoscaler != "hpa" && config.autoscaler != null
          )
        ) "scaling.metrics" "metrics of your own work in Standard mode with autoscaler keda or hpa")
        (problem (
          config.autoscaler == "keda" && config.scaling.metrics == [ ]
        ) "autoscaler" "KEDA needs to know what to look at: scaling.metrics")
        (problem (
          config.containerConcurrency != null && view.standard
        ) "containerConcurrency" "only Serverless mode limits requests per pod")
        (problem (view.multinode && config.autoscaler != "none") "predictor.workerSpec"
          "a predictor over several nodes cannot be scaled; set autoscaler = \"none\""
        )
        (problem
          (
            config.podDisruptionBudget.enabled == true
            &&
              (if config.predictor.minReplicas != null then config.predictor.minReplicas else config.minReplicas)
              < 2
          )
          "podDisruptionBudget.enabled"
          "a budget for one replica would block every drain of its node; set minReplicas to 2 or more, or leave it out"
        )
        (problem (
          view.hasArt && (config.explainer.spec != null || config.explainer.containers != [ ])
        ) "explainer" "art and containers exclude each other")
        (problem (
          !view.hasArt && (config.explainer.art.config != { } || config.explainer.art.storageUri != null)
        ) "explainer.art.type" "required option is missing; expected SquareAttack")
        (problem (
          config.gpu.count > 0 && (config.resources.limits or { }) ? "${config.gpu.type}.com/gpu"
        ) "gpu.count" "given here and in resources.limits; leave one of them out")
        (problem (
          config.monitoring.enabled && args ? monitoring && args.monitoring ? port && !view.metricsReachable
        ) "monitoring.port" "the server has no such port; add it to its ports")
      ]
      ++ (if view.hasModel then modelProblems "predictor.model" view.model view.multinode else [ ])
      ++ (
        if view.hasModel && view.hasCanary then
          filter (found: view.model.choice.problem or null == null && view.model.modelFormat != null) (
            modelProblems "canary.predictor.model" view.second false
          )
        else
          [ ]
      )
      ++ aliases args "predictor.model" (given.model or { })
      ++ aliases args "canary.predictor.model" (args.canary.predictor.model or { })
      ++ concatMap (part: concatMap (containerProblems view part) (placed config part)) partNames
      ++ concatMap (scalingProblems scope view) present
      ++ canaryProblems scope view
      ++ ingressProblems scope view
      ++ storageProblems scope view
      ++ graph.checks config.inferenceGraph;

  warnings =
    scope@{ config, args, ... }:
    let
      inherit (scope) view;
      floating =
        filter (image: match ".*:latest" image != null || match "[^:@]*(/[^:@]*)?" image != null)
          (
            concatMap (
              part:
              concatMap ({ container, ... }: if container ? image then [ container.image ] else [ ]) (
                placed config part
              )
            ) partNames
          );
      scheduled =
        filter (field: config.${field} != { } && config.${field} != [ ] && config.${field} != null)
          [
            "nodeSelector"
            "tolerations"
            "affinity"
            "topologySpread"
            "priorityClassName"
            "nodePool"
          ];
      s3 = any (found: storage.schemeOf found.uri == "s3") view.uris;
      vllm = view.hasModel && view.current.choice.name or "" == "kserve-vllmserver";
      renamed = filter (
        { container, path }:
        match "predictor.*containers\\[0\\]" path != null && container.name != "kserve-container"
      ) (placed config "predictor");
    in
    if config.llm != null then
      [
        {
          when = config.monitoring.enabled;
          text = "KServe's controller makes the pods of a language model and their labels; no monitor is rendered for them";
        }
        {
          when = config.namespace == "kserve";
          text = "namespace kserve is where KServe's controllers run; models are better kept in a namespace of their own";
        }
      ]
    else
      [
        {
          when = config.namespace == "kserve";
          text = "namespace kserve is where KServe's controllers run; models are better kept in a namespace of their own";
        }
        {
          when = floating != [ ];
          text = "image ${concatStringsSep ", " floating} floats: pods of one service may run different versions; name a version or a digest";
        }
        {
          when =
            !view.hasModel
            && length view.containers > 1
            && renamed != [ ]
            && filter (found: found.container.name == "kserve-container") (placed config "predictor") == [ ];
          text = "the first container is the server and is called kserve-container";
        }
        {
          when = config.canaryTraffic != null && !view.standard;
          text = "canaryTraffic splits between the newest revision and the last one that had all requests: the model that was applied before keeps the rest, and the first apply has nothing to split";
        }
        {
          when = !view.standard && scheduled != [ ];
          text = "${concatStringsSep ", " scheduled}: Knative refuses them unless its config-features enables kubernetes.podspec-${
            concatStringsSep ", -" (
              map (
                field:
                {
                  nodeSelector = "nodeselector";
                  nodePool = "nodeselector";
                  tolerations = "tolerations";
                  affinity = "affinity";
                  topologySpread = "topologyspreadconstraints";
                  priorityClassName = "priorityclassname";
                }
                .${field}
              ) scheduled
            )
          }";
        }
        {
          when = !view.standard && config.timeout != null && config.timeout > 600;
          text = "timeout ${toString config.timeout}: Knative allows 600 seconds unless its config-defaults raises max-revision-timeout-seconds";
        }
        {
          when = s3 && view.storage.secretRef == null && config.serviceAccount.annotations == { };
          text = "s3:// without credentials: give storage.secretRef, storage = store.buckets.NAME, or a cloud identity in serviceAccount.annotations";
        }
        {
          when = vllm && config.gpu.count == 0;
          text = "without a GPU KServe runs vLLM's CPU image; set gpu.count";
        }
        {
          when = config.gpu.count > 0 && config.maxReplicas == null && !view.standard;
          text = "gpu without maxReplicas: a burst of requests asks for every GPU; set maxReplicas";
        }
        {
          when = config.monitoring.enabled && !view.metricsReachable;
          text =
            if view.metricsPort == null then
              "the server's metrics are not known, so nothing scrapes them; set monitoring.port"
            else
              "metrics of this runtime are on port ${toString view.metricsPort}, which Knative does not let pods open beside their own; nothing scrapes them";
        }
        {
          when = view.hasModel && view.current.choice ? name && view.current.choice.runtime == null;
          text = "runtime ${
            toString (view.current.choice.name or "")
          } is not one of KServe's and not in runtimes; the cluster must have it";
        }
        {
          when = view.hasModel && elem (view.current.choice.name or "") [ "kserve-torchserve" ];
          text = "TorchServe is archived upstream; consider kserve-tritonserver";
        }
      ];
}
