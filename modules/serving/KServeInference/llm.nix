# LLMInferenceService: a language model served by vLLM over one or more nodes, with KServe's own templates.
{
  types,
  option,
  common,
}:
let
  inherit (builtins)
    attrNames
    filter
    map
    removeAttrs
    ;
  given = set: removeAttrs set (filter (name: set.${name} == null) (attrNames set));
  nonEmpty =
    set: removeAttrs set (filter (name: set.${name} == { } || set.${name} == [ ]) (attrNames set));
  inherit (import ./options.nix { inherit types option common; }) storageUri podSpec;

  parallelism = {
    tensor = option {
      type = types.positiveInt;
      default = null;
      description = "GPUs that a model's tensors are split over.";
    };
    pipeline = option {
      type = types.positiveInt;
      default = null;
      description = "Stages that its layers are split into.";
    };
    data = option {
      type = types.positiveInt;
      default = null;
      description = "Copies of the model that serve together.";
    };
    dataLocal = option {
      type = types.positiveInt;
      default = null;
      description = "Copies on one node.";
    };
    dataRPCPort = option {
      type = types.port;
      default = null;
      description = "Port by which copies talk.";
    };
    expert = option {
      type = types.bool;
      default = null;
      description = "Whether experts are spread over GPUs.";
    };
  };
in
{
  type = types.submodule {
    name = "language model";
    options = {
      model = {
        uri = option {
          type = storageUri;
          example = "hf://Qwen/Qwen2.5-7B-Instruct";
          description = "Where the model is.";
        };
        name = option {
          type = types.string;
          default = null;
          defaultText = "the service's name";
          description = "Name that clients ask for.";
        };
        lora = option {
          type = types.settings;
          default = { };
          description = "LoRA adapters, as in the API.";
        };
      };
      replicas = option {
        type = types.unsignedInt;
        default = null;
        description = "Replicas; not together with `scaling`.";
      };
      scaling = option {
        type = types.settings;
        default = { };
        description = "Autoscaling, as in the API.";
      };
      inherit parallelism;
      template = option {
        type = podSpec;
        default = null;
        description = "Fields of the server's pod over those of KServe's template.";
      };
      worker = option {
        type = podSpec;
        default = null;
        description = "Fields of the pods on further nodes.";
      };
      prefill = option {
        type = types.settings;
        default = { };
        description = "Pods of their own that read prompts (disaggregated serving), as in the API.";
      };
      kvCacheOffloading = option {
        type = types.settings;
        default = { };
        description = "Where the KV cache goes that GPUs have no room for, as in the API.";
      };
      router = option {
        type = types.settings;
        default = { };
        example = {
          route = { };
          gateway = { };
          scheduler = { };
        };
        description = "Route, gateway and scheduler, as in the API; empty sets take KServe's own.";
      };
      tracing = option {
        type = types.settings;
        default = { };
        description = "OpenTelemetry tracing, as in the API.";
      };
      storageInitializer = option {
        type = types.bool;
        default = true;
        description = "Whether KServe fetches the model before the server starts.";
      };
      baseRefs = option {
        type = types.listOf types.dnsSubdomain;
        default = [ ];
        description = "LLMInferenceServiceConfigs that are merged in.";
      };
    };
  };

  requires =
    llm:
    [
      "kserve-llmisvc"
      # Ten programs of upstream's, of which the controller takes those that fit.
      "kserve-llm-templates"
    ]
    ++ (if llm.router != { } then [ "gateway-api" ] else [ ])
    ++ (
      if llm.worker != null || llm.parallelism.data != null || llm.parallelism.pipeline != null then
        [ "leader-worker-set" ]
      else
        [ ]
    );

  render =
    scope@{
      config,
      name,
      k8s,
      ...
    }:
    view:
    let
      inherit (config) llm;
      service = import ./service.nix { storage = null; };
      template = if llm.template == null then { } else llm.template;
      # The template's container is called main.
      main =
        let
          containers = map (
            container:
            if container.name == "kserve-container" then container // { name = "main"; } else container
          ) (template.containers or [ ]);
          wanted = removeAttrs (service.extend scope { }) [ "name" ];
          named = filter (container: container.name == "main") containers;
        in
        if named == [ ] then
          containers ++ (if wanted == { } then [ ] else [ ({ name = "main"; } // wanted) ])
        else
          map (
            container: if container.name == "main" then service.extend scope container else container
          ) containers;
      pod =
        removeAttrs (service.podFields scope true {
          spec = if llm.template == null then null else llm.template;
        }) [ "containers" ]
        // nonEmpty { containers = main; };
    in
    service.serviceAccount scope view
    ++ [
      (k8s.object {
        apiVersion = "serving.kserve.io/v1alpha2";
        kind = "LLMInferenceService";
        inherit name;
        spec = {
          model = given { inherit (llm.model) uri name; } // nonEmpty { inherit (llm.model) lora; };
          template = pod;
        }
        // given {
          inherit (llm) replicas worker;
          router = if llm.router == { } then null else llm.router;
        }
        // nonEmpty {
          inherit (llm)
            scaling
            prefill
            kvCacheOffloading
            tracing
            ;
          parallelism = given llm.parallelism;
          baseRefs = map (base: { name = base; }) llm.baseRefs;
        }
        // (if llm.storageInitializer then { } else { storageInitializer.enabled = false; });
      })
    ];
}
