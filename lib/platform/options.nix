# The arguments of mkPlatform, declared as a module's are.
{ options, schema }:
let
  inherit (options) option types;
  inherit (types) submodule;

  requirementOrObject = types.pattern {
    name = "requirement, host or object";
    expected = "a requirement (\"cert-manager\"), a host (\"db.example.com\"), or an object (\"Secret ml/db\", \"Namespace ml\")";
    regex = "[A-Za-z0-9*][A-Za-z0-9.*-]*( ([a-z0-9*][a-z0-9.*-]*/)?[A-Za-z0-9*][A-Za-z0-9.:*-]*)?";
  };

  object = types.mkType {
    name = "Kubernetes object";
    expected = "a Kubernetes object with apiVersion, kind and metadata.name";
    accepts = v: builtins.isAttrs v && v ? apiVersion && v ? kind && v ? metadata.name;
    schema = {
      type = "object";
      required = [
        "apiVersion"
        "kind"
        "metadata"
      ];
    };
  };

  policy = types.mkType {
    name = "function of the object";
    expected = "a function of the object that gives null or a message";
    accepts = builtins.isFunction;
    schema = { };
  };
in
{
  name = option {
    type = types.dnsLabel;
    description = "Name of the platform: of its inventory in the cluster and its label on every object.";
  };
  components = option {
    type = types.attrsOf types.component;
    description = "What the platform is made of, by the name that messages use.";
  };
  kubernetesVersion = option {
    type = types.enum schema.versions;
    default = schema.default;
    description = "Version of Kubernetes that objects are checked against.";
  };
  external = option {
    type = types.listOf requirementOrObject;
    default = [ ];
    example = [
      "cert-manager"
      "Secret ml-platform/registry"
      "db.example.com"
    ];
    description = "What the cluster has already: requirements by name, hosts, or objects as \"Kind namespace/name\", \"Kind name\" where the kind is cluster-wide (`*` stands for anything).";
  };
  operators.install = option {
    type = types.bool;
    default = true;
    description = "Whether operators that components need, and that the library renders, are added by themselves.";
  };
  domain = option {
    type = types.dnsSubdomain;
    default = null;
    description = "Domain under which components with an ingress get their hosts.";
  };
  ingress = {
    class = option {
      type = types.dnsSubdomain;
      default = null;
      description = "Ingress class of all routes.";
    };
    controllerNamespace = option {
      type = types.dnsLabel;
      default = null;
      description = "Namespace of the ingress controller or gateway, which network policies let in; without it everyone may reach a routed component.";
    };
    gateway = option {
      type = submodule {
        name = "gateway";
        options = {
          name = option {
            type = types.dnsSubdomain;
            description = "Name of the Gateway.";
          };
          namespace = option {
            type = types.dnsLabel;
            default = null;
            description = "Namespace of the Gateway.";
          };
        };
      };
      default = null;
      description = "Gateway (Gateway API) that all routes attach to, in place of Ingresses.";
    };
    tls = {
      enabled = option {
        type = types.bool;
        default = false;
        description = "Whether hosts are served over TLS.";
      };
      issuer = option {
        type = types.dnsSubdomain;
        default = null;
        description = "cert-manager ClusterIssuer that makes the certificates.";
      };
    };
  };
  images = {
    mirror = option {
      type = types.attrsOf types.string;
      default = { };
      example = {
        "ghcr.io" = "registry.example.com/ghcr";
      };
      description = "Registries, or prefixes of repositories, and what replaces them: in containers, arguments, ConfigMaps and custom resources.";
    };
    override = option {
      type = types.attrsOf types.imageReference;
      default = { };
      description = "Repositories and the image that replaces each.";
    };
    digests = option {
      type = types.attrsOf types.digest;
      default = { };
      description = "Digests by image reference, such as a lock file holds.";
    };
    pullSecrets = option {
      type = types.listOf types.dnsSubdomain;
      default = [ ];
      description = "Secrets that every pod and ServiceAccount pulls images with.";
    };
    strict = option {
      type = types.bool;
      default = false;
      description = "Whether an image that no entry of `mirror` rewrites is an error.";
    };
  };
  storageClass = option {
    type = types.dnsSubdomain;
    default = null;
    description = "StorageClass of every volume that names none.";
  };
  nodePools = option {
    type = types.attrsOf (submodule {
      name = "node pool";
      options = {
        selector = option {
          type = types.attrsOf types.labelValue;
          default = { };
          description = "Labels of the pool's nodes.";
        };
        tolerations = option {
          type = types.listOf (types.kubernetes "Toleration");
          default = [ ];
          description = "Tolerations that pods need there.";
        };
        allocatable = option {
          type = types.attrsOf types.quantity;
          default = { };
          example = {
            cpu = 16;
            memory = "64Gi";
            "nvidia.com/gpu" = 2;
          };
          description = "What one node can give to pods; a pod that asks for more than any of its nodes has is an error.";
        };
      };
    });
    default = { };
    description = "Groups of nodes that components can name as `nodePool`.";
  };
  labels = option {
    type = types.attrsOf types.labelValue;
    default = { };
    description = "Labels on every object.";
  };
  monitoring = {
    enabled = option {
      type = types.bool;
      default = false;
      description = "Whether components render monitors, rules and dashboards (Prometheus operator).";
    };
    labels = option {
      type = types.attrsOf types.labelValue;
      default = { };
      example = {
        release = "kube-prometheus-stack";
      };
      description = "Labels by which Prometheus selects monitors and rules.";
    };
    interval = option {
      type = types.duration;
      default = null;
      description = "Scrape interval of all monitors.";
    };
    namespace = option {
      type = types.dnsLabel;
      default = "monitoring";
      description = "Namespace of Prometheus, which network policies let in.";
    };
  };
  networkPolicies = option {
    type = types.bool;
    default = true;
    description = "Whether namespaces are closed to all flows but the wired ones.";
  };
  namespaces = option {
    type = types.attrsOf (submodule {
      name = "namespace";
      options = {
        create = option {
          type = types.bool;
          default = true;
          description = "Whether the Namespace is rendered; off where somebody else owns it.";
        };
        labels = option {
          type = types.attrsOf types.labelValue;
          default = { };
          description = "Labels of the Namespace.";
        };
        annotations = option {
          type = types.attrsOf types.string;
          default = { };
          description = "Annotations of the Namespace.";
        };
        podSecurity = option {
          type = types.enum [
            "privileged"
            "baseline"
            "restricted"
          ];
          default = null;
          defaultText = "the strictest level that all pods of the namespace meet";
          description = "Pod Security level to enforce; an error when a pod of the platform does not meet it.";
        };
        quota = option {
          type = types.attrsOf types.quantity;
          default = { };
          example = {
            "requests.nvidia.com/gpu" = 4;
          };
          description = "Hard limits of a ResourceQuota.";
        };
        limits = option {
          type = types.kubernetes "LimitRangeItem";
          default = null;
          example = {
            type = "Container";
            default.memory = "512Mi";
          };
          description = "One item of a LimitRange: defaults and bounds of containers.";
        };
      };
    });
    default = { };
    description = "Settings of single namespaces; those that components use exist without being named here.";
  };
  patches = option {
    type = types.listOf types.patch;
    default = [ ];
    description = "Changes to rendered objects, in this order, before all checks.";
  };
  extraObjects = option {
    type = types.listOf object;
    default = [ ];
    description = "Objects of your own; they take part in everything.";
  };
  checks = option {
    type = types.listOf (submodule {
      name = "check";
      options = {
        name = option {
          type = types.string;
          description = "Name of the check, for messages.";
        };
        check = option {
          type = policy;
          description = "Function of an object that gives null or what is wrong with it.";
        };
      };
    });
    default = [ ];
    description = "Policies of your own, asked for every object.";
  };
}
