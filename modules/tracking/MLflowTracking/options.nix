# The options of mkMLflowTracking.
{
  types,
  option,
  section,
  common,
  wiring,
  ...
}:
let
  inherit (import ./address.nix) addressOf inCluster outside;
in
common.workload
// {
  name = option {
    type = types.dnsLabelWith "-migrate-12345678";
    derive = { args, ... }: if inCluster args == null then "mlflow" else (inCluster args).service;
    defaultText = "the Service that `trackingUri` names, else \"mlflow\"";
    description = "Name of the server and of its Service.";
  };
  namespace = option {
    type = types.dnsLabel;
    description = "Namespace of the server.";
  };
  trackingUri = option {
    # To leave it to the library must be said: `null`, and the Service's own address is meant.
    type = types.nullOr types.url;
    description = "Address that clients use: the server's Service, whose name and port follow from it, or a host outside, which gets a route.";
    example = "http://mlflow.ml-platform.svc:5000";
  };
  backend = section {
    wire.sql = wiring.sql;
    options = {
      type = option {
        type = types.enumWith { postgres = "postgresql"; } [
          "postgresql"
          "mysql"
          "sqlite"
        ];
        default = "sqlite";
        description = "Database of runs and models.";
      };
      host = option {
        type = types.host;
        default = null;
        description = "Host of the database server.";
      };
      port = option {
        type = types.port;
        derive = { config, ... }: if config.backend.type == "mysql" then 3306 else 5432;
        defaultText = "5432 for postgresql, 3306 for mysql";
        description = "Port of the database server.";
      };
      username = option {
        type = types.string;
        derive = { config, ... }: config.backend.database;
        defaultText = "the database's name";
        description = "User of the database.";
      };
      database = option {
        type = types.string;
        default = "mlflow";
        description = "Name of the database.";
      };
      secretRef = option {
        type = types.secretRef "password";
        default = null;
        defaultText = "{ name = \"NAME-db\"; key = \"password\"; }";
        description = "Password of the database user.";
      };
    };
  };
  artifactStore = section {
    wire = {
      inherit (wiring) bucket;
      s3 = wiring.bucket;
    };
    options = {
      type = option {
        type = types.enum [
          "s3"
          "gcs"
          "azure"
          "local"
        ];
        default = "local";
        description = "Where artifacts are kept; local is the server's volume.";
      };
      bucket = option {
        type = types.string;
        default = null;
        description = "Bucket, or container of Azure.";
      };
      path = option {
        type = types.string;
        default = "";
        description = "Prefix within the bucket; slashes around it make no difference.";
      };
      endpoint = option {
        type = types.urlOrEndpoint;
        default = null;
        description = "URL of an S3 server other than Amazon's.";
      };
      region = option {
        type = types.string;
        default = null;
        description = "Region of the bucket.";
      };
      account = option {
        type = types.string;
        default = null;
        description = "Storage account of Azure.";
      };
      secretRef = option {
        type = types.accessKeyRef;
        default = null;
        description = "Keys of S3 in a Secret; not needed with a cloud identity (serviceAccount.annotations).";
      };
      credentials = option {
        type = types.secretRef "credentials";
        default = null;
        description = "Secret with the service account file of GCS, or the connection string of Azure.";
      };
      proxied = option {
        type = types.bool;
        default = true;
        description = "Whether the server passes artifacts on; otherwise clients need access to the store themselves.";
      };
    };
  };
  ui = {
    enabled = option {
      type = types.bool;
      default = true;
      description = "Whether the UI is reachable from outside. MLflow has no switch for it: false leaves only /api in the route, and in the cluster it remains reachable.";
    };
    replicas = option {
      type = types.positiveInt;
      default = 1;
      description = "Servers.";
    };
    port = option {
      type = types.port;
      derive =
        { args, ... }:
        let
          port = if inCluster args == null then null else (addressOf args).explicitPort;
        in
        # Ports below 1024 are the Service's alone: the process is not root.
        if port != null && port >= 1024 then port else 5000;
      defaultText = "the port of `trackingUri`, else 5000";
      description = "Port of the server.";
    };
    resources = common.resources {
      cpu = "500m";
      memory = "1536Mi";
      limits.memory = "3Gi";
    };
  };
  auth = {
    enabled = option {
      type = types.bool;
      default = false;
      description = "Whether users must log in.";
    };
    type = option {
      type = types.enum [
        "local"
        "oidc"
        "oauth"
        "ldap"
      ];
      default = "local";
      description = "MLflow's own users (basic-auth), or a proxy before the server.";
    };
    defaultPermission = option {
      type = types.enum [
        "READ"
        "USE"
        "EDIT"
        "MANAGE"
        "NO_PERMISSIONS"
      ];
      default = "READ";
      description = "What a user may do with what others made (type local).";
    };
    database = option {
      type = types.string;
      derive = { config, ... }: "${config.backend.database}_auth";
      defaultText = "BACKEND_auth";
      description = "Database of users, on the same server as the backend; it must not be the backend's own (type local).";
    };
    secretRef = option {
      type = types.dnsSubdomain;
      default = null;
      defaultText = "NAME-auth";
      description = "Secret with the keys admin-username, admin-password and secret-key (local), or client-secret and cookie-secret (proxy).";
    };
    issuer = option {
      type = types.url;
      default = null;
      description = "Issuer URL (oidc); for ldap that of the OpenID Connect bridge before the directory, such as Dex.";
    };
    provider = option {
      type = types.string;
      default = null;
      example = "github";
      description = "Provider of oauth2-proxy (oauth).";
    };
    clientId = option {
      type = types.string;
      default = null;
      description = "Client id at the issuer or provider (oidc, oauth, ldap).";
    };
    emailDomains = option {
      type = types.nonEmptyListOf types.string;
      default = [ "*" ];
      description = "Domains of the e-mail addresses that may log in (oidc, oauth, ldap).";
    };
    proxyImage = option {
      type = types.imageReference;
      default = null;
      description = "Image of oauth2-proxy, which runs before the server (oidc, oauth, ldap).";
    };
  };
  migrate = option {
    type = types.bool;
    derive = { config, ... }: config.backend.type != "sqlite";
    defaultText = "true but for sqlite";
    description = "Whether a Job brings the database's schema up to date before new servers start.";
  };
  gc = {
    enabled = option {
      type = types.bool;
      default = false;
      description = "Whether a CronJob removes what was deleted.";
    };
    schedule = option {
      type = types.cron;
      default = "0 3 * * 0";
      description = "When it runs.";
    };
    olderThan = option {
      type = types.duration;
      default = "30d";
      description = "How long deleted runs are kept.";
    };
  };
  workers = option {
    type = types.positiveInt;
    default = 2;
    description = "Processes per server, about 260 MB each.";
  };
  jobs = option {
    type = types.bool;
    default = false;
    description = "Whether servers run MLflow's own job workers (GenAI scorers), about 1.8 GB more per server.";
  };
  allowedHosts = option {
    type = types.listOf types.string;
    default = [ ];
    description = "Host headers that are accepted beside the Service's names, the route's host and private addresses.";
  };
  storage = common.storage "10Gi";
  inherit (common)
    serviceAccount
    podDisruptionBudget
    networkPolicy
    autoscaling
    ;
  monitoring = common.monitoring // common.alerts;
  ingress =
    let
      base = common.ingress { };
    in
    base
    // {
      enabled = base.enabled // {
        derive = { args, ... }: (args.ingress.host or null) != null || outside args;
        defaultText = "true when `ingress.host` is given or `trackingUri` is outside the cluster";
      };
      host = base.host // {
        derive =
          {
            config,
            settings,
            args,
            ...
          }:
          if outside args then
            (addressOf args).host
          else if settings.domain == null then
            null
          else
            "${config.name}.${settings.domain}";
      };
      tls = base.tls // {
        enabled = base.tls.enabled // {
          derive =
            { settings, args, ... }:
            if outside args then (addressOf args).scheme == "https" else settings.ingress.tls.enabled;
        };
      };
    };
}
