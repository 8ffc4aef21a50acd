# What may be written about one part of an InferenceService: predictor, transformer or explainer.
{
  types,
  option,
  common,
}:
let
  inherit (builtins)
    isAttrs
    isInt
    isList
    isString
    map
    ;

  fragment = types.kubernetes "Container";

  # A port may be a number alone, and the name may be left out: KServe wants a name of its own there anyway.
  complete =
    container:
    if !isAttrs container then
      container
    else
      {
        name = "kserve-container";
      }
      // container
      // (
        if isList (container.ports or null) then
          {
            ports = map (
              port:
              if isInt port then
                {
                  containerPort = port;
                  protocol = "TCP";
                }
              else
                port
            ) container.ports;
          }
        else
          { }
      );

  badImage =
    container: isString (container.image or null) && !(types.imageReference.accepts container.image);

  container = fragment // {
    name = "container";
    expected = "a container as in the API; its name may be left out";
    # Looser than the API's: names may be missing, and ports be numbers.
    schema = {
      type = "object";
      description = "Container as in the API; its name may be left out, and ports may be numbers.";
    };
    accepts = v: isAttrs v && fragment.accepts (complete v) && !(badImage v);
    convert = complete;
    explain =
      path: value:
      fragment.explain path (complete value)
      ++ (
        if isAttrs value && badImage value then
          types.imageReference.explain "${path}.image" value.image
        else
          [ ]
      );
  };

  containers = types.listOf container;

  # The fields of a pod, with containers that may be incomplete.
  podFragment = types.kubernetes "PodSpec";
  placeholder = [ { name = "kserve-container"; } ];
  withoutContainers = value: removeAttrs value [ "containers" ] // { containers = placeholder; };
  podSpec = podFragment // {
    name = "pod specification";
    schema = {
      type = "object";
      description = "Pod specification as in the API; names of containers may be left out, and ports may be numbers.";
    };
    expected = "a pod specification as in the API, { containers = [ … ]; … }";
    accepts =
      v:
      isAttrs v
      && !(v ? _type)
      && podFragment.accepts (withoutContainers v)
      && (!(v ? containers) || containers.accepts v.containers);
    convert = v: v // (if v ? containers then { containers = map complete v.containers; } else { });
    explain =
      path: value:
      if !isAttrs value || value ? _type then
        podFragment.explain path value
      else
        podFragment.explain path (withoutContainers value)
        ++ (
          if value ? containers && !(containers.accepts value.containers) then
            containers.explain "${path}.containers" value.containers
          else
            [ ]
        );
  };

  mountPath = types.pattern {
    name = "absolute path";
    expected = "an absolute path below / without ..";
    regex = "/([^./][^/]*|[.][^./][^/]*)(/([^./][^/]*|[.][^./][^/]*))*/?";
  };

  storageUri = types.pattern {
    name = "model location";
    expected = "a model location: s3://, gs://, hf://, pvc://CLAIM/PATH, oci://, https://, hdfs:// or an absolute path";
    regex = "(gs|s3|hdfs|webhdfs|hf|https?|pvc|oci|oci[+]native|file)://[^ ]+|/[^ ]*";
    wrong =
      value:
      if isString value && builtins.match "[a-z0-9.-]+(:[0-9]+)?/[^ ]*" value != null then
        "\"${value}\" is no model location; expected a scheme, such as s3://${value}"
      else
        null;
  };

  scaling = {
    minReplicas = option {
      type = types.unsignedInt;
      default = null;
      description = "Fewest replicas of this part.";
    };
    maxReplicas = option {
      type = types.positiveInt;
      default = null;
      description = "Most replicas of this part.";
    };
    scaleTarget = option {
      type = types.positiveInt;
      default = null;
      description = "What the autoscaler of this part aims at, in the unit of its metric.";
    };
    scaleMetric = option {
      type = scaleMetric;
      default = null;
      description = "What the autoscaler of this part looks at.";
    };
    timeout = option {
      type = types.positiveInt;
      default = null;
      description = "Seconds after which a request to this part fails.";
    };
    containerConcurrency = option {
      type = types.unsignedInt;
      default = null;
      description = "Requests that one pod of this part takes at a time; 0 is no limit.";
    };
    deploymentStrategy = option {
      type = types.kubernetes "DeploymentStrategy";
      default = null;
      description = "How pods of this part are replaced (Standard mode).";
    };
    labels = option {
      type = types.attrsOf types.labelValue;
      default = { };
      description = "Labels of this part's pods.";
    };
    annotations = option {
      type = types.attrsOf types.string;
      default = { };
      description = "Annotations of this part's pods.";
    };
  };

  scaleMetric = types.enum [
    "cpu"
    "memory"
    "concurrency"
    "rps"
  ];

  pods = what: added: {
    spec = option {
      type = podSpec;
      default = null;
      example.containers = [
        {
          image = "registry.example.com/model:1.0";
          ports = [ { containerPort = 8080; } ];
        }
      ];
      description = "Pod of the ${what}: containers, and any other field of a pod; KServe has no such level, its fields go one up.";
    };
    containers = option {
      type = containers;
      default = [ ];
      description = "Containers of the ${what}; the first is the server.${added}";
    };
  };

  modelFormat = types.oneOf [
    (types.pattern {
      name = "model format";
      expected = "a model format (sklearn, xgboost, onnx, …)";
      regex = "[A-Za-z][A-Za-z0-9_.-]*";
    })
    (types.submodule {
      name = "model format";
      options = {
        name = option {
          type = types.string;
          description = "Name of the format.";
        };
        version = option {
          type = types.oneOf [
            types.string
            types.int
          ];
          default = null;
          description = "Its major version, as runtimes name it.";
        };
      };
    })
  ];

  storageUris = types.listOf (
    types.submodule {
      name = "model location with a path";
      options = {
        uri = option {
          type = storageUri;
          description = "Where it is fetched from.";
        };
        mountPath = option {
          type = mountPath;
          default = "/mnt/models";
          description = "Where the server finds it.";
        };
      };
    }
  );

  model = {
    modelFormat = option {
      type = modelFormat;
      default = null;
      example = "sklearn";
      description = "Format of the model, by name or as { name; version; }; it chooses the serving runtime.";
    };
    format = option {
      type = modelFormat;
      default = null;
      description = "Short for `modelFormat`.";
    };
    storageUri = option {
      type = types.oneOf [
        storageUri
        (types.endpoint [ "bucket" ])
      ];
      default = null;
      example = "s3://models/churn/3";
      description = "Where the model is, or a bucket of the platform's, which brings endpoint and credentials along.";
    };
    uri = option {
      type = storageUri;
      default = null;
      description = "Short for `storageUri`.";
    };
    path = option {
      type = types.pattern {
        name = "path in a bucket";
        expected = "a path in the bucket, without a leading slash";
        regex = "[^/ ][^ ]*";
      };
      default = null;
      description = "Path in the bucket, where `storageUri` is one of the platform's or `storage` is used.";
    };
    storage = {
      key = option {
        type = types.secretKey;
        default = null;
        description = "Key of Secret storage-config that says where the model is and with which credentials.";
      };
      parameters = option {
        type = types.attrsOf types.string;
        default = { };
        example = {
          bucket = "models";
        };
        description = "What to take in place of the Secret's (`type`, `bucket`, `region`).";
      };
      schemaPath = option {
        type = types.string;
        default = null;
        description = "Path of the model's schema.";
      };
    };
    runtime = option {
      type = types.dnsSubdomain;
      default = null;
      example = "kserve-mlserver";
      description = "Serving runtime; without it KServe chooses by format, version and protocol.";
    };
    runtimeVersion = option {
      type = types.string;
      default = null;
      description = "Tag of the runtime's image.";
    };
    protocolVersion = option {
      type = types.enum [
        "v1"
        "v2"
        "grpc-v1"
        "grpc-v2"
      ];
      default = null;
      defaultText = "v1; v2 for the formats triton and vLLM";
      description = "Protocol that clients speak.";
    };
    args = option {
      type = types.listOf types.string;
      default = [ ];
      description = "Arguments of the model server beside the runtime's.";
    };
    env = option {
      inherit (common.workload.extraEnv) type;
      default = { };
      description = "Environment of the model server; by name, or a list as in the API.";
    };
    resources = common.resources { };
    container = option {
      type = container;
      default = { };
      example.readinessProbe.httpGet = {
        path = "/v1/models";
        port = 8080;
      };
      description = "Further fields of the model server's container, as in the API.";
    };
  };
in
{
  inherit
    scaleMetric
    storageUri
    podSpec
    container
    ;

  predictor =
    pods "predictor" ""
    // scaling
    // {
      inherit model;
      storageUris = option {
        type = storageUris;
        default = [ ];
        description = "Several locations, each with the path where the server finds it.";
      };
      workerSpec = option {
        type = types.settings;
        default = null;
        example = {
          pipelineParallelSize = 2;
          tensorParallelSize = 1;
        };
        description = "Pods that serve one model together with the predictor's (several nodes), as in the API.";
      };
    };

  transformer =
    pods "transformer" " KServe adds --model_name, --predictor_host, --http_port (and --protocol, --workers) to its arguments; the image must take them."
    // scaling;

  explainer =
    pods "explainer" " KServe adds --model_name, --predictor_host and --http_port to its arguments; the image must take them."
    // scaling
    // {
      art = {
        type = option {
          type = types.enum [ "SquareAttack" ];
          default = null;
          description = "Explainer of the Adversarial Robustness Toolbox.";
        };
        config = option {
          type = types.attrsOf types.string;
          default = { };
          example = {
            nb_classes = "10";
          };
          description = "Its arguments.";
        };
        storageUri = option {
          type = storageUri;
          default = null;
          description = "Where its own artifact is.";
        };
      };
    };
}
