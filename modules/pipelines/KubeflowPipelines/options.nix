# The options of mkKubeflowPipelines.
{
  types,
  option,
  section,
  common,
  wiring,
  ...
}:
let
  bucketName = types.pattern {
    name = "bucket name";
    expected = "a bucket name (3 to 63 lower-case letters, digits, '-' and '.')";
    maxLength = 63;
    regex = "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]";
  };
  databaseName = types.pattern {
    name = "database name";
    expected = "a database name (letters, digits and '_')";
    maxLength = 64;
    regex = "[A-Za-z0-9_]+";
  };
  # What the SDK's compiler wrote: JSON as a file or as data, or YAML, which Nix cannot look into.
  isYaml = path: builtins.match ".*[.]ya?ml" (toString path) != null;
  compiledPipeline = types.mkType {
    name = "compiled pipeline";
    expected = "a compiled pipeline: the path of a JSON or YAML file that kfp.compiler wrote, or the contents of the JSON as an attribute set";
    accepts =
      v:
      builtins.isPath v && builtins.pathExists v
      || builtins.isAttrs v && (v ? pipelineInfo || v ? pipelineSpec) && types.json.accepts v;
    schema.type = "object";
    convert =
      v:
      if builtins.isAttrs v then
        v
      else if isYaml v then
        { yaml = builtins.readFile v; }
      else
        builtins.fromJSON (builtins.readFile v);
    wrong =
      v:
      if builtins.isPath v then
        "there is no file ${toString v}; expected a JSON or YAML file that kfp.compiler wrote"
      else
        null;
  };
in
{
  inherit (common.workload)
    affinity
    extraArgs
    extraEnv
    extraVolumes
    imagePullSecrets
    nodePool
    nodeSelector
    priorityClassName
    tolerations
    topologySpread
    ;
  inherit (common) networkPolicy podDisruptionBudget;
  monitoring = common.monitoring // common.alerts // common.dashboards;

  name = option {
    type = types.dnsLabel;
    description = "Name of the installation: its label and its `appName`; names of objects are upstream's, because programs find each other by them.";
  };
  namespace = option {
    type = types.dnsLabel;
    default = "kubeflow";
    description = "Namespace of the installation; one installation fits in a namespace.";
  };

  storage = section {
    wire =
      let
        wired = endpoint: removeAttrs (wiring.bucket endpoint) [ "type" ] // { backend = "minio"; };
      in
      {
        bucket = wired;
        s3 = wired;
      };
    options = {
      backend = option {
        type = types.enum [
          "minio"
          "s3"
          "gcs"
        ];
        default = "minio";
        description = "Protocol of the store: `minio` is any S3 server with an endpoint, and a bundled SeaweedFS without one; `s3` is AWS; `gcs` is Google Cloud Storage.";
      };
      bucket = option {
        type = bucketName;
        default = "mlpipeline";
        description = "Bucket of pipelines, artifacts and logs.";
      };
      path = option {
        type = types.string;
        default = "";
        example = "team-a/pipelines";
        description = "Prefix of everything in the bucket, with or without slashes around it.";
      };
      retentionDays = option {
        type = types.positiveInt;
        default = null;
        description = "Days after which artifacts and logs expire: a lifecycle rule of the bucket, set and kept by a CronJob. Cached results do not live longer.";
      };
      endpoint = option {
        type = types.urlOrEndpoint;
        default = null;
        example = "https://s3.example.com";
        description = "URL of an S3 server, in place of the bundled one or of AWS's.";
      };
      region = option {
        type = types.string;
        default = null;
        example = "eu-central-1";
        description = "Region of the bucket.";
      };
      secretRef = option {
        type = types.accessKeyRef;
        default = null;
        defaultText = "{ name = \"mlpipeline-minio-artifact\"; accessKey = \"accesskey\"; secretKey = \"secretkey\"; }; with backend s3 none: the identity of the ServiceAccounts";
        description = "Keys of the store. With backend `gcs` they are an HMAC key, which the API server needs.";
      };
      keyRef = option {
        type = types.secretRef "key.json";
        default = null;
        description = "Key file of a Google service account for steps, with backend `gcs`; without it they use workload identity.";
      };
      size = option {
        type = types.quantity;
        default = null;
        defaultText = "20Gi";
        description = "Size of the bundled store's volume.";
      };
      storageClass = option {
        type = types.dnsSubdomain;
        derive = { settings, ... }: settings.storageClass;
        defaultText = "the platform's, else the cluster's default";
        description = "StorageClass of the bundled store's volume.";
      };
    };
  };

  metadata = section {
    wire.sql =
      endpoint:
      removeAttrs (wiring.sql endpoint) [
        "type"
        "database"
      ]
      // {
        database = endpoint.dialect;
      };
    options = {
      database = option {
        type = types.enumWith { postgres = "postgresql"; } [
          "mysql"
          "postgresql"
        ];
        default = "mysql";
        description = "Kind of database; Kubeflow Pipelines works with MySQL only.";
      };
      host = option {
        type = types.host;
        default = null;
        defaultText = "a bundled server";
        description = "Host of the MySQL server.";
      };
      port = option {
        type = types.port;
        default = 3306;
        description = "Port of the MySQL server.";
      };
      username = option {
        type = types.string;
        default = null;
        defaultText = "root of the bundled server";
        description = "User of an external server; it must own the three databases, or may create them.";
      };
      secretRef = option {
        type = types.secretRef "password";
        default = null;
        defaultText = "{ name = \"mysql-secret\"; key = \"password\"; }";
        description = "Password of the user.";
      };
      databases = {
        pipelines = option {
          type = databaseName;
          default = "mlpipeline";
          description = "Database of the API server.";
        };
        metadata = option {
          type = databaseName;
          default = "metadb";
          description = "Database of ML Metadata.";
        };
        cache = option {
          type = databaseName;
          default = "cachedb";
          description = "Database of the v1 step cache.";
        };
      };
      size = option {
        type = types.quantity;
        default = null;
        defaultText = "20Gi";
        description = "Size of the bundled server's volume.";
      };
      storageClass = option {
        type = types.dnsSubdomain;
        derive = { settings, ... }: settings.storageClass;
        defaultText = "the platform's, else the cluster's default";
        description = "StorageClass of the bundled server's volume.";
      };
    };
  };

  resources = common.resources {
    cpu = "250m";
    memory = "500Mi";
    limits.memory = "2Gi";
  };

  ui = {
    enabled = option {
      type = types.bool;
      default = true;
      description = "Whether the web interface is rendered; the API and the SDK work without it.";
    };
    replicas = option {
      type = types.positiveInt;
      default = 1;
      description = "Pods of the web interface; it keeps no state.";
    };
    resources = common.resources {
      cpu = "10m";
      memory = "70Mi";
      limits.memory = "512Mi";
    };
  };
  ingress = common.ingress { };

  logging = {
    enabled = option {
      type = types.bool;
      default = true;
      description = "Whether logs of steps are archived in the store and shown from there once the pods are gone.";
    };
    level = option {
      type = types.enum [
        "debug"
        "info"
        "warn"
        "error"
      ];
      default = "info";
      description = "Log level of the API server, the agents, the workflow controller, and of drivers and launchers.";
    };
  };

  multiUser = {
    enabled = option {
      type = types.bool;
      default = false;
      description = "Whether runs belong to users' profile namespaces; needs Kubeflow's profiles and Istio in the cluster.";
    };
    userIdHeader = option {
      type = types.string;
      default = "kubeflow-userid";
      description = "Header that carries the user's name from the gateway.";
    };
    userIdPrefix = option {
      type = types.string;
      default = "";
      description = "What stands before the name in the header.";
    };
    gateway = option {
      type = types.string;
      default = "kubeflow-gateway";
      description = "Istio Gateway (`name` or `namespace/name`) of the web interface.";
    };
    artifactProxy = option {
      type = types.bool;
      default = false;
      description = "Whether each profile gets a pod of its own that serves its artifacts.";
    };
  };

  workflowController = option {
    type = types.enum [
      "bundled"
      "cluster"
    ];
    default = "bundled";
    description = "Argo's workflow controller: one of the installation's own, or one that the cluster has.";
  };

  v1Components = option {
    type = types.bool;
    default = false;
    description = "Whether what only v1 pipelines use is rendered: step cache, visualizations, TensorBoard viewers.";
  };
  cacheCertificate = option {
    type = types.enum [
      "cert-manager"
      "cache-deployer"
    ];
    default = null;
    defaultText = "cert-manager";
    description = "Who makes the certificate of the v1 step cache: cert-manager, or upstream's program that downloads kubectl and signs by itself.";
  };
  cacheEnabled = option {
    type = types.bool;
    default = true;
    description = "Whether a step with the same inputs is not run again.";
  };

  tls.enabled = option {
    type = types.bool;
    default = false;
    description = "Whether the API server, ML Metadata and their clients speak TLS with each other; cert-manager makes the certificate.";
  };

  pipelineRoot = option {
    type = types.pattern {
      name = "pipeline root";
      expected = "minio://, s3:// or gs:// with a bucket and an optional path";
      regex = "(minio|s3|gs)://[a-z0-9][a-z0-9.-]+(/[^ ]*)?";
    };
    default = null;
    defaultText = "v2/artifacts under storage.path in storage.bucket";
    description = "Where artifacts go when a run does not say.";
  };

  samples = option {
    type = types.bool;
    default = true;
    description = "Whether upstream's tutorial pipelines are loaded.";
  };

  pipelineStore = option {
    type = types.enum [
      "database"
      "kubernetes"
    ];
    default = "database";
    description = "Where pipelines live: in the database, or as Pipeline and PipelineVersion resources, which a webhook checks (needs cert-manager).";
  };
  pipelines = option {
    type = types.attrsOf compiledPipeline;
    default = { };
    description = "Pipelines by name, as kfp.compiler wrote them: uploaded by a Job, or rendered as resources (from JSON only; with settings of Kubernetes, which the compiler writes as a second YAML document, as `{ pipelineSpec; platformSpec; }`). A changed one becomes a new version.";
  };

  serviceAccount = { inherit (common.serviceAccount) annotations; };
}
