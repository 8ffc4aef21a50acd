# Options that many modules share, declared once. A module takes what has an effect in it:
# `options = common.workload // { … }`.
{
  types,
  declare,
  quantity,
}:
let
  inherit (builtins) attrNames concatMap;
  inherit (declare) option section submodule;
  inherit (import ./describe.nix) join;

  optional = import ../optional.nix;

  compareLimits =
    path: args:
    let
      requests = {
        cpu = args.cpu or null;
        memory = args.memory or null;
      }
      // (args.requests or { });
      limits = args.limits or { };
    in
    concatMap (
      name:
      let
        request = requests.${name} or null;
        limit = limits.${name} or null;
      in
      if request == null || limit == null || quantity.toNumber limit >= quantity.toNumber request then
        [ ]
      else
        [
          {
            path = join (join path "limits") name;
            message = "${toString limit} is below the request ${toString request}; raise the limit or lower the request";
          }
        ]
    ) (attrNames limits);

  /**
    The `resources` section with a module's defaults. The module sees it in the form of the API
    (`{ requests; limits; }`). Without a limit of the user's own, a request above the default limit raises it.

    # Type

    ```
    resources :: { cpu ? null, memory ? null, limits ? { cpu ?, memory ? } } -> Section
    ```
  */
  resources =
    defaults:
    let
      defaultLimits = {
        cpu = null;
        memory = null;
      }
      // (defaults.limits or { });
      wider =
        request: limit:
        if limit == null || request == null || quantity.toNumber limit >= quantity.toNumber request then
          limit
        else
          request;
      clean = set: removeAttrs set (builtins.filter (name: set.${name} == null) (attrNames set));
    in
    section {
      options = {
        cpu = option {
          type = types.quantity;
          default = defaults.cpu or null;
          description = "CPU request.";
        };
        memory = option {
          type = types.quantity;
          default = defaults.memory or null;
          description = "Memory request.";
        };
        requests = option {
          type = types.attrsOf types.quantity;
          default = { };
          description = "Requests of any resource by name; wins over `cpu` and `memory`.";
        };
        limits = option {
          type = types.attrsOf types.quantity;
          default = { };
          defaultText = if defaults ? limits then builtins.toJSON defaults.limits else "none";
          description = "Limits by resource name (`cpu`, `memory`, `\"nvidia.com/gpu\"`). A default limit gives way to a larger request.";
        };
      };
      verify = compareLimits;
      finish =
        filled:
        let
          extended = removeAttrs filled.limits [
            "cpu"
            "memory"
          ];
          requests = clean (
            {
              inherit (filled) cpu memory;
            }
            // extended
            // filled.requests
          );
          limits = clean (
            {
              cpu = wider (requests.cpu or null) defaultLimits.cpu;
              memory = wider (requests.memory or null) defaultLimits.memory;
            }
            // filled.limits
          );
        in
        optional "requests" requests { } // optional "limits" limits { };
    };

  imageFields = {
    repository = option {
      type = types.imageReference;
      default = null;
      description = "Registry and repository in place of upstream's.";
    };
    tag = option {
      type = types.string;
      default = null;
      description = "Tag in place of the version's.";
    };
    digest = option {
      type = types.digest;
      default = null;
      description = "Digest to pin.";
    };
    pullPolicy = option {
      type = types.enum [
        "Always"
        "IfNotPresent"
        "Never"
      ];
      default = null;
      description = "When the image is pulled.";
    };
  };

  workload = {
    imagePullSecrets = option {
      type = types.listOf types.dnsSubdomain;
      default = [ ];
      description = "Names of Secrets to pull images with, beside the platform's.";
    };
    nodePool = option {
      type = types.dnsLabel;
      default = null;
      description = "Node pool of the platform whose nodes run the pods.";
    };
    nodeSelector = option {
      type = types.attrsOf types.labelValue;
      default = { };
      description = "Labels that a node must have.";
    };
    tolerations = option {
      type = types.listOf (types.kubernetes "Toleration");
      default = [ ];
      description = "Taints that the pods tolerate.";
    };
    affinity = option {
      type = types.kubernetes "Affinity";
      default = null;
      description = "Affinity of the pods.";
    };
    topologySpread = option {
      type = types.listOf (types.kubernetes "TopologySpreadConstraint");
      default = [ ];
      description = "How replicas spread over zones and nodes; the label selector may be left out.";
    };
    priorityClassName = option {
      type = types.dnsSubdomain;
      default = null;
      description = "PriorityClass of the pods.";
    };
    extraEnv = option {
      type = types.oneOf [
        (types.attrsOf (
          types.oneOf [
            types.string
            types.int
            (types.kubernetes "EnvVarSource")
          ]
        ))
        (types.listOf (types.kubernetes "EnvVar"))
      ];
      default = { };
      description = "Environment variables added to the main container; by name, or a list as in the API.";
    };
    extraArgs = option {
      type = types.listOf types.string;
      default = [ ];
      description = "Arguments added to the main container's command line.";
    };
    extraVolumes = option {
      type = types.listOf (submodule {
        name = "extra volume";
        options = {
          name = option {
            type = types.dnsLabel;
            description = "Name of the volume.";
          };
          mountPath = option {
            type = types.pattern {
              name = "absolute path";
              expected = "an absolute path";
              regex = "/[^:]*";
            };
            description = "Where the main container sees it.";
          };
          readOnly = option {
            type = types.bool;
            default = false;
            description = "Whether it is mounted read-only.";
          };
          subPath = option {
            type = types.string;
            default = null;
            description = "Path within the volume.";
          };
          volume = option {
            type = types.settings;
            example = {
              configMap.name = "ca-bundle";
            };
            description = "Source of the volume as in the API, without its name.";
          };
        };
      });
      default = [ ];
      description = "Volumes added to the pod and mounted in the main container.";
    };
  };

  serviceAccount = {
    name = option {
      type = types.dnsSubdomain;
      default = null;
      defaultText = "the component's name";
      description = "Name of the ServiceAccount.";
    };
    create = option {
      type = types.bool;
      default = true;
      description = "Whether the ServiceAccount is rendered; off where it exists already.";
    };
    annotations = option {
      type = types.attrsOf types.string;
      default = { };
      example = {
        "eks.amazonaws.com/role-arn" = "arn:aws:iam::123456789012:role/app";
      };
      description = "Annotations of the ServiceAccount, such as a cloud identity.";
    };
  };

  podDisruptionBudget = {
    enabled = option {
      type = types.bool;
      default = null;
      defaultText = "true with more than one replica";
      description = "Whether a PodDisruptionBudget is rendered.";
    };
    minAvailable = option {
      type = types.oneOf [
        types.unsignedInt
        types.string
      ];
      default = null;
      description = "Pods that must stay, a number or a percentage.";
    };
    maxUnavailable = option {
      type = types.oneOf [
        types.unsignedInt
        types.string
      ];
      default = null;
      defaultText = "1";
      description = "Pods that may be away, a number or a percentage.";
    };
  };

  /**
    The `ingress` section: an Ingress, or an HTTPRoute when `gateway.name` is set.

    # Type

    ```
    ingress :: { path ? "/" } -> Section
    ```
  */
  ingress =
    {
      path ? "/",
    }:
    {
      enabled = option {
        type = types.bool;
        derive = { args, ... }: (args.ingress.host or null) != null;
        defaultText = "true when `ingress.host` is given";
        description = "Whether the component is reachable from outside the cluster.";
      };
      host = option {
        type = types.dnsSubdomain;
        derive =
          { config, settings, ... }:
          if settings.domain == null then null else "${config.name}.${settings.domain}";
        defaultText = "the component's name under the platform's domain";
        description = "Host name.";
      };
      path = option {
        type = types.string;
        default = path;
        description = "Path prefix.";
      };
      class = option {
        type = types.dnsSubdomain;
        derive = { settings, ... }: settings.ingress.class;
        defaultText = "the platform's, else the cluster's default";
        description = "Ingress class.";
      };
      annotations = option {
        type = types.attrsOf types.string;
        default = { };
        description = "Annotations of the Ingress or HTTPRoute.";
      };
      controllerNamespace = option {
        type = types.dnsLabel;
        derive = { settings, ... }: settings.ingress.controllerNamespace;
        defaultText = "the platform's";
        description = "Namespace of the ingress controller or gateway; network policies let it in.";
      };
      tls = {
        enabled = option {
          type = types.bool;
          derive = { settings, ... }: settings.ingress.tls.enabled;
          defaultText = "the platform's, else false";
          description = "Whether the host is served over TLS.";
        };
        secretName = option {
          type = types.dnsSubdomain;
          derive = { config, ... }: "${config.name}-tls";
          defaultText = "NAME-tls";
          description = "Secret with the certificate.";
        };
        issuer = option {
          type = types.dnsSubdomain;
          derive = { settings, ... }: settings.ingress.tls.issuer;
          defaultText = "the platform's";
          description = "cert-manager ClusterIssuer that makes the certificate.";
        };
      };
      gateway = {
        name = option {
          type = types.dnsSubdomain;
          derive =
            { settings, ... }: if settings.ingress.gateway == null then null else settings.ingress.gateway.name;
          defaultText = "the platform's";
          description = "Gateway (Gateway API) to attach to, in place of an Ingress.";
        };
        namespace = option {
          type = types.dnsLabel;
          derive =
            { settings, ... }:
            if settings.ingress.gateway == null then null else settings.ingress.gateway.namespace or null;
          defaultText = "the platform's";
          description = "Namespace of the Gateway.";
        };
        sectionName = option {
          type = types.string;
          default = null;
          description = "Listener of the Gateway.";
        };
      };
    };

  monitoring = {
    enabled = option {
      type = types.bool;
      derive = { settings, ... }: settings.monitoring.enabled;
      defaultText = "the platform's `monitoring.enabled`, else false";
      description = "Whether monitors for the Prometheus operator are rendered.";
    };
    interval = option {
      type = types.duration;
      derive = { settings, ... }: settings.monitoring.interval;
      defaultText = "the platform's, else Prometheus' own";
      description = "Scrape interval.";
    };
    labels = option {
      type = types.attrsOf types.labelValue;
      derive = { settings, ... }: settings.monitoring.labels;
      defaultText = "the platform's `monitoring.labels`";
      example = {
        release = "kube-prometheus-stack";
      };
      description = "Labels by which Prometheus selects monitors and rules.";
    };
  };

  # For modules that have rules or dashboards: `monitoring = common.monitoring // common.alerts`.
  alerts.rules = option {
    type = types.bool;
    default = true;
    description = "Whether alert rules are rendered along with monitors.";
  };

  dashboards.dashboards = option {
    type = types.bool;
    default = true;
    description = "Whether Grafana dashboards are rendered along with monitors.";
  };

  networkPolicy = {
    enabled = option {
      type = types.bool;
      default = true;
      description = "Whether a NetworkPolicy closes the component's pods to all but the wired flows.";
    };
    allowFrom = option {
      type = types.listOf (types.kubernetes "NetworkPolicyPeer");
      default = [ ];
      example = [ { namespaceSelector.matchLabels."kubernetes.io/metadata.name" = "apps"; } ];
      description = "Peers that may connect beside the wired ones.";
    };
    allowTo = option {
      type = types.listOf (types.kubernetes "NetworkPolicyEgressRule");
      default = [ ];
      description = "Egress rules beside the wired ones.";
    };
  };

  autoscaling = {
    enabled = option {
      type = types.bool;
      default = false;
      description = "Whether a HorizontalPodAutoscaler owns the replicas.";
    };
    minReplicas = option {
      type = types.positiveInt;
      default = 1;
      description = "Fewest replicas.";
    };
    maxReplicas = option {
      type = types.positiveInt;
      default = 3;
      description = "Most replicas.";
    };
    targetCPUUtilization = option {
      type = types.percent;
      default = 80;
      description = "CPU use, in percent of the request, that the autoscaler aims at.";
    };
  };

  service = {
    type = option {
      type = types.enum [
        "ClusterIP"
        "NodePort"
        "LoadBalancer"
      ];
      default = "ClusterIP";
      description = "Type of the Service.";
    };
    nodePort = option {
      type = types.nodePort;
      default = null;
      description = "Fixed node port, with type NodePort.";
    };
  };

  # What `service` cannot be, for a module's `checks`.
  serviceChecks = config: [
    {
      when = config.service.nodePort != null && config.service.type != "NodePort";
      path = "service.nodePort";
      message = "a fixed node port needs service.type = \"NodePort\", found ${config.service.type}";
    }
  ];

  storage = defaultSize: {
    size = option {
      type = types.quantity;
      default = defaultSize;
      description = "Size of the volume.";
    };
    storageClass = option {
      type = types.dnsSubdomain;
      derive = { settings, ... }: settings.storageClass;
      defaultText = "the platform's, else the cluster's default";
      description = "StorageClass of the volume.";
    };
    accessMode = option {
      type = types.enum [
        "ReadWriteOnce"
        "ReadWriteOncePod"
        "ReadWriteMany"
      ];
      default = "ReadWriteOnce";
      description = "Access mode of the volume.";
    };
  };

  # Every module has these; `mkModule` adds them.
  always = {
    labels = option {
      type = types.attrsOf types.labelValue;
      default = { };
      description = "Labels on every object and pod of the component.";
    };
    annotations = option {
      type = types.attrsOf types.string;
      default = { };
      description = "Annotations on every object of the component.";
    };
    patches = option {
      type = types.listOf types.patch;
      default = [ ];
      description = "Changes to rendered objects, as in a platform's `patches`.";
    };
  };

  image = option {
    type = types.oneOf [
      types.imageReference
      (types.attrsOf (
        types.oneOf [
          types.imageReference
          (submodule {
            name = "image override";
            options = imageFields;
          })
        ]
      ))
    ];
    default = null;
    description = "Image in place of upstream's: a reference for the main container, or by image name a reference or { repository; tag; digest; pullPolicy; }.";
  };
in
{
  inherit
    alerts
    always
    autoscaling
    dashboards
    image
    ingress
    monitoring
    networkPolicy
    podDisruptionBudget
    resources
    service
    serviceAccount
    serviceChecks
    storage
    workload
    ;
}
