# MLflow's tracking server and model registry. One process serves UI, API and artifacts; clients need no keys of
# the object store, because the server passes artifacts on.
{
  types,
  option,
  section,
  common,
  wiring,
  ...
}:
let
  inherit (builtins)
    compareVersions
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    fromJSON
    map
    match
    substring
    toString
    ;

  # scheme, host, port and path of a URL.
  parseUrl =
    url:
    let
      parts = match "(https?)://([^:/]+)(:([0-9]+))?(/.*)?" url;
      scheme = elemAt parts 0;
      path = if elemAt parts 4 == null then "" else elemAt parts 4;
    in
    {
      inherit scheme;
      host = elemAt parts 1;
      explicitPort = if elemAt parts 3 == null then null else fromJSON (elemAt parts 3);
      port =
        if elemAt parts 3 != null then
          fromJSON (elemAt parts 3)
        else if scheme == "https" then
          443
        else
          80;
      # Without the slashes at its end: a prefix of paths.
      prefix =
        let
          found = elemAt (match "(.*[^/])?/*" path) 0;
        in
        if found == null then "" else found;
    };

  # service, namespace of an address inside the cluster, or null.
  clusterName =
    host:
    let
      parts = match "([a-z0-9-]+)([.]([a-z0-9-]+)([.]svc([.]cluster[.]local)?)?)?" host;
      certain = parts != null && (elemAt parts 1 == null || elemAt parts 3 != null);
    in
    if !certain then
      null
    else
      {
        service = elemAt parts 0;
        namespace = elemAt parts 2;
      };

  addressed = args: args ? trackingUri && args.trackingUri != null;
  addressOf = args: parseUrl args.trackingUri;
  inCluster =
    args:
    if addressed args && builtins.isString args.trackingUri then
      clusterName (addressOf args).host
    else
      null;
  outside = args: addressed args && inCluster args == null;

  stripSlashes =
    path:
    let
      parts = match "/*(.*[^/])?/*" path;
    in
    if elemAt parts 0 == null then "" else elemAt parts 0;

  joined = base: path: if stripSlashes path == "" then base else "${base}/${stripSlashes path}";

  withDrivers =
    config:
    config.backend.type != "sqlite"
    || config.artifactStore.type != "local"
    || config.monitoring.enabled
    || config.auth.enabled;

  isModern = version: compareVersions version "3.5.0" >= 0;

  usesVolume = config: config.backend.type == "sqlite" || config.artifactStore.type == "local";
  writesOneVolume = config: usesVolume config && config.storage.accessMode != "ReadWriteMany";

  artifactUri =
    config:
    let
      store = config.artifactStore;
    in
    {
      s3 = joined "s3://${toString store.bucket}" store.path;
      gcs = joined "gs://${toString store.bucket}" store.path;
      azure = joined "wasbs://${toString store.bucket}@${toString store.account}.blob.core.windows.net" store.path;
      local = joined "/data/artifacts" store.path;
    }
    .${store.type};

  dialects = {
    postgresql = "postgresql+psycopg2";
    mysql = "mysql+pymysql";
  };

  # The password is not part of it: libpq reads PGPASSWORD, and for PyMySQL the launcher puts it in, encoded.
  databaseUri =
    {
      type,
      username,
      host,
      port,
    }:
    database:
    {
      sqlite = "sqlite:////data/${database}.db";
      postgresql = "${dialects.postgresql}://${username}@${toString host}:${toString port}/${database}";
      mysql = "${dialects.mysql}://${username}:{password}@${toString host}:${toString port}/${database}?charset=utf8mb4";
    }
    .${type};

  # PyMySQL reads no password from the environment, and a URI must have it percent-encoded.
  launcher = ''
    import os, sys
    from urllib.parse import quote
    password = quote(os.environ["DB_PASSWORD"], safe="")
    os.environ["MLFLOW_BACKEND_STORE_URI"] = os.environ["MLFLOW_BACKEND_STORE_URI"].replace("{password}", password)
    template = os.environ.get("MLFLOW_AUTH_TEMPLATE")
    if template:
        with open(template) as source:
            # A percent sign begins an interpolation in this file.
            text = source.read().replace("{password}", password.replace("%", "%%"))
        with open(os.environ["MLFLOW_AUTH_CONFIG_PATH"], "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as target:
            target.write(text)
    arguments = [argument.replace("$BACKEND", os.environ["MLFLOW_BACKEND_STORE_URI"]) for argument in sys.argv[1:]]
    os.execvp(arguments[0], arguments)
  '';

  databaseSecret =
    config:
    if config.backend.secretRef != null then
      config.backend.secretRef
    else
      {
        name = "${config.name}-db";
        key = "password";
        copyOf = null;
      };

  proxied = config: config.auth.enabled && config.auth.type != "local";
in
{
  name = "mlflow";
  summary = "MLflow tracking server, model registry and artifact proxy";

  options = common.workload // {
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
  };

  versions = {
    "3.17.2".images = {
      server = "ghcr.io/mlflow/mlflow:v3.17.2-full";
    };
    "2.22.5".images = {
      server = "ghcr.io/mlflow/mlflow:v2.22.5";
    };
  };
  lines."2.0.0" = {
    version = "2.22.5";
    reason = "was never released";
  };
  mainImage = "server";

  requires =
    { config, ... }:
    (if config.monitoring.enabled then [ "prometheus-operator" ] else [ ])
    ++ (
      if config.ingress.enabled && config.ingress.gateway.name != null then [ "gateway-api" ] else [ ]
    );

  checks =
    {
      config,
      args,
      name,
      namespace,
      version,
      ...
    }:
    let
      address = addressOf args;
      cluster = inCluster args;
      right = "http://${name}.${namespace}.svc:${toString config.ui.port}";
      explicitReplicas = args.ui.replicas or 1 > 1;
      several = config.ui.replicas > 1 || config.autoscaling.enabled;
      store = config.artifactStore;
      given = set: names: filter (option: (set.${option} or null) != null) names;
      sqliteExtras = given (if builtins.isAttrs (args.backend or null) then args.backend else { }) [
        "host"
        "port"
        "username"
        "secretRef"
      ];
      azureName = store.type == "azure" && store.account == null;
      ownImage = args ? image;
    in
    [
      {
        when = cluster != null && cluster.namespace != null && cluster.namespace != namespace;
        path = "trackingUri";
        message = "names namespace ${toString cluster.namespace}, but namespace is ${namespace}; expected ${right}";
      }
      {
        when = cluster != null && cluster.service != name;
        path = "trackingUri";
        message = "names the Service ${cluster.service}, but name is ${name}; expected ${right}";
      }
      {
        when = cluster != null && args ? ui.port && address.port != config.ui.port;
        path = "trackingUri";
        message = "names port ${toString address.port}, but ui.port is ${toString config.ui.port}; expected ${right}";
      }
      {
        when = cluster != null && address.scheme == "https";
        path = "trackingUri";
        message = "the server itself speaks http; expected ${right}, or a host outside with a route";
      }
      {
        when = outside args && args ? ingress.host && args.ingress.host != address.host;
        path = "ingress.host";
        message = "is ${toString config.ingress.host}, but trackingUri names ${address.host}; give one of them";
      }
      {
        when = outside args && !config.ingress.enabled;
        path = "ingress.enabled";
        message = "trackingUri ${args.trackingUri} is outside the cluster, but the route to it is off; expected ${right}, or leave ingress.enabled out";
      }
      {
        when = config.ingress.enabled && config.ingress.host == null;
        path = "ingress.host";
        message = "an ingress needs a host; give one, or a domain to the platform";
      }
      {
        when = config.backend.type == "sqlite" && explicitReplicas;
        path = "ui.replicas";
        message = "SQLite allows one server, found ${toString config.ui.replicas}; use backend.type postgresql or mysql, or 1 replica";
      }
      {
        when = config.backend.type == "sqlite" && config.autoscaling.enabled;
        path = "autoscaling.enabled";
        message = "SQLite allows one server; use backend.type postgresql or mysql";
      }
      {
        when = config.backend.type == "sqlite" && sqliteExtras != [ ];
        path = "backend.${concatStringsSep ", backend." sqliteExtras}";
        message = "SQLite is a file on the server's volume; leave it out, or set backend.type to postgresql or mysql";
      }
      {
        when = config.backend.type != "sqlite" && config.backend.host == null;
        path = "backend.host";
        message = "${config.backend.type} needs the host of its server; expected a host, or backend = postgres.endpoints.<database>";
      }
      {
        when =
          config.backend.type != "sqlite"
          && store.type == "local"
          && several
          && config.storage.accessMode != "ReadWriteMany";
        path = "storage.accessMode";
        message = "local artifacts with several servers need a ReadWriteMany volume, found ${config.storage.accessMode}${
          if config.storage.storageClass == null then " (and a storageClass that can do it)" else ""
        }; or use artifactStore.type s3, gcs or azure";
      }
      {
        when = store.type != "local" && store.bucket == null;
        path = "artifactStore.bucket";
        message = "${store.type} needs a bucket; expected its name, or artifactStore = store.buckets.<name>";
      }
      {
        when = store.type == "local" && store.bucket != null;
        path = "artifactStore.bucket";
        message = "local artifacts have no bucket; leave it out, or set artifactStore.type to s3, gcs or azure";
      }
      {
        when = azureName;
        path = "artifactStore.account";
        message = "azure needs the storage account";
      }
      {
        when = store.type != "azure" && store.account != null;
        path = "artifactStore.account";
        message = "a storage account belongs to azure, found type ${store.type}";
      }
      {
        when =
          store.type != "s3" && (store.endpoint != null || store.region != null || store.secretRef != null);
        path = "artifactStore.type";
        message = "endpoint, region and secretRef belong to s3, found type ${store.type}";
      }
      {
        when = (store.type == "s3" || store.type == "local") && store.credentials != null;
        path = "artifactStore.credentials";
        message = "credentials belong to gcs and azure; ${store.type} takes ${
          if store.type == "s3" then "secretRef" else "none"
        }";
      }
      {
        when = store.type == "local" && !store.proxied;
        path = "artifactStore.proxied";
        message = "clients cannot reach the server's volume; artifacts of type local are always passed on";
      }
      {
        when = !config.ui.enabled && config.ingress.enabled && !(args ? ingress.enabled) && !outside args;
        path = "ui.enabled";
        message = "false leaves only /api reachable from outside; set ingress.enabled = true to say that you want that";
      }
      {
        when = !isModern version && withDrivers config && !ownImage;
        path = "image";
        message = "MLflow ${version} has no image with drivers of databases, object stores, metrics or users; set image to one that has them";
      }
      {
        when = !isModern version && config.jobs;
        path = "jobs";
        message = "MLflow ${version} has no job workers; use version 3.17.2";
      }
      {
        when = !isModern version && config.allowedHosts != [ ];
        path = "allowedHosts";
        message = "MLflow ${version} checks no host names; leave it out";
      }
      {
        when =
          config.auth.enabled
          && config.auth.type == "local"
          && config.auth.database == config.backend.database;
        path = "auth.database";
        message = "users and runs cannot share the database ${config.backend.database}; give users one of their own";
      }
      {
        when = !config.auth.enabled && args ? auth && removeAttrs args.auth [ "enabled" ] != { };
        path = "auth.enabled";
        message = "is false, so that ${
          concatStringsSep ", " (
            map (name: "auth.${name}") (builtins.attrNames (removeAttrs args.auth [ "enabled" ]))
          )
        } would have no effect; set it to true";
      }
      {
        when = proxied config && config.auth.proxyImage == null;
        path = "auth.proxyImage";
        message = "${config.auth.type} goes through oauth2-proxy, whose image you choose; expected an image reference";
      }
      {
        when = proxied config && config.auth.type != "oauth" && config.auth.issuer == null;
        path = "auth.issuer";
        message = "${config.auth.type} needs an issuer URL${
          if config.auth.type == "ldap" then
            ", that of the OpenID Connect bridge before the directory"
          else
            ""
        }";
      }
      {
        when = proxied config && config.auth.type == "oauth" && config.auth.provider == null;
        path = "auth.provider";
        message = "oauth needs a provider of oauth2-proxy, such as github";
      }
      {
        when = proxied config && config.auth.clientId == null;
        path = "auth.clientId";
        message = "${config.auth.type} needs a client id";
      }
      {
        when = config.gc.enabled && config.backend.type == "sqlite";
        path = "gc.enabled";
        message = "the cleaner cannot share SQLite's volume with the server; use backend.type postgresql or mysql";
      }
      {
        when = config.gc.enabled && store.type == "local" && config.storage.accessMode != "ReadWriteMany";
        path = "gc.enabled";
        message = "the cleaner removes artifacts on the server's volume, which must be ReadWriteMany for that, found ${config.storage.accessMode}";
      }
      {
        when = config.migrate && config.backend.type == "sqlite";
        path = "migrate";
        message = "SQLite lies on the server's volume, and the server migrates it by itself; leave it out";
      }
      {
        when = config.autoscaling.minReplicas > config.autoscaling.maxReplicas;
        path = "autoscaling.minReplicas";
        message = "minReplicas (${toString config.autoscaling.minReplicas}) exceeds maxReplicas (${toString config.autoscaling.maxReplicas})";
      }
    ];

  warnings =
    { config, version, ... }:
    [
      {
        when = !isModern version;
        text = "MLflow ${version} is the last of 2.x, without host check and fixes of 3.x; its database is migrated when a 3.x server first starts, and there is no way back";
      }
      {
        when = config.backend.type == "sqlite";
        text = "runs are kept in SQLite on one volume: fit for a trial, not for a team";
      }
      {
        when =
          config.artifactStore.type == "s3"
          && config.artifactStore.secretRef == null
          && config.serviceAccount.annotations == { };
        text = "no keys (artifactStore.secretRef) and no cloud identity (serviceAccount.annotations) for the bucket: the server can only use what its nodes may use";
      }
      {
        when = config.ingress.enabled && !config.auth.enabled;
        text = "reachable from outside without login: the model registry and all artifacts can be changed by anyone";
      }
    ];

  endpoints =
    {
      config,
      name,
      namespace,
      args,
      ...
    }:
    let
      cluster = inCluster args;
      servicePort = if cluster != null then (addressOf args).port else config.ui.port;
      prefix = if addressed args then (addressOf args).prefix else "";
      own = {
        protocol = "mlflow";
        service = name;
        port = servicePort;
        targetPort = if proxied config then 4180 else config.ui.port;
        path = prefix;
      };
    in
    {
      # What clients use: the address as the user wrote it.
      http = own // (if cluster != null then { url = args.trackingUri; } else { });
    }
    // (
      if outside args then
        {
          external = own // {
            url = args.trackingUri;
          };
        }
      else
        { }
    );

  connections =
    { config, ... }:
    let
      store = config.artifactStore;
      address = parseUrl store.endpoint;
      issuer = parseUrl config.auth.issuer;
    in
    [
      (
        if config.backend.type == "sqlite" then
          null
        else
          {
            option = "backend.host";
            inherit (config.backend) host port;
          }
      )
      (
        if store.type == "local" then
          null
        else if store.endpoint != null then
          {
            option = "artifactStore.endpoint";
            inherit (address) host port;
          }
        else
          {
            option = "artifactStore.type";
            host =
              {
                s3 = "s3.amazonaws.com";
                gcs = "storage.googleapis.com";
                azure = "${toString store.account}.blob.core.windows.net";
              }
              .${store.type};
            port = 443;
          }
      )
      (
        if proxied config && config.auth.issuer != null then
          {
            option = "auth.issuer";
            inherit (issuer) host port;
          }
        else
          null
      )
    ];

  secrets =
    {
      config,
      name,
      namespace,
      ...
    }:
    let
      store = config.artifactStore;
      authSecret = if config.auth.secretRef == null then "${name}-auth" else config.auth.secretRef;
      key =
        key: purpose: extra:
        { inherit key purpose; } // extra;
    in
    (
      if config.backend.type == "sqlite" then
        [ ]
      else
        wiring.password {
          inherit namespace;
          reference = databaseSecret config;
          purpose = "password of database ${config.backend.database}";
          inherit (config.backend) host;
          item = config.backend.database;
        }
    )
    ++ (
      if store.type != "s3" || store.secretRef == null then
        [ ]
      else
        wiring.accessKeys {
          inherit namespace;
          reference = store.secretRef;
          purpose = "keys of bucket ${toString store.bucket}";
          host = if store.endpoint == null then null else (parseUrl store.endpoint).host;
          item = store.bucket;
        }
    )
    ++ (
      if store.credentials == null then
        [ ]
      else
        [
          {
            inherit (store.credentials) name;
            purpose = "access to the ${store.type} bucket";
            keys = [
              (key store.credentials.key (
                if store.type == "gcs" then "service account file" else "connection string"
              ) { })
            ];
          }
        ]
    )
    ++ (
      if !config.auth.enabled then
        [ ]
      else if proxied config then
        [
          {
            name = authSecret;
            purpose = "login through ${config.auth.type}";
            keys = [
              (key "client-secret" "secret of client ${toString config.auth.clientId}" { })
              (key "cookie-secret" "key that session cookies are encrypted with" { generate.length = 32; })
            ];
          }
        ]
      else
        [
          {
            name = authSecret;
            purpose = "first administrator of MLflow ${name}";
            keys = [
              (key "admin-username" "name of the administrator" { value = "admin"; })
              (key "admin-password" "password of the administrator" { generate.length = 24; })
              (key "secret-key" "key that sessions are signed with" { generate.length = 48; })
            ];
          }
        ]
    );

  render =
    {
      config,
      name,
      namespace,
      images,
      version,
      args,
      endpoints,
      k8s,
      ...
    }:
    let
      inherit (config) backend auth;
      store = config.artifactStore;
      modern = isModern version;
      local = auth.enabled && auth.type == "local";
      proxy = proxied config;
      mysql = backend.type == "mysql";
      prefix = endpoints.http.path;
      volume = usesVolume config;
      oneWriter = writesOneVolume config;
      replicas = if backend.type == "sqlite" then 1 else config.ui.replicas;
      port = config.ui.port;
      authSecret = if auth.secretRef == null then "${name}-auth" else auth.secretRef;
      account = if config.serviceAccount.name == null then name else config.serviceAccount.name;
      uri = databaseUri {
        inherit (backend)
          type
          username
          host
          port
          ;
      };

      # Names without and with a port: the check compares the whole header.
      hosts =
        concatMap
          (host: [
            host
            "${host}:*"
          ])
          (
            [
              "localhost"
              "127.0.0.1"
              name
              "${name}.${namespace}"
              "${name}.${namespace}.svc"
              "${name}.${namespace}.svc.cluster.local"
            ]
            ++ (if config.ingress.enabled then [ config.ingress.host ] else [ ])
            # Prometheus asks pods by their address.
            ++ (
              if config.monitoring.enabled then
                [
                  "10.*"
                  "172.16.*"
                  "192.168.*"
                ]
              else
                [ ]
            )
          )
        ++ config.allowedHosts;

      databaseEnv =
        if backend.type == "sqlite" then
          [ { MLFLOW_BACKEND_STORE_URI = uri backend.database; } ]
        else
          [
            {
              ${if mysql then "DB_PASSWORD" else "PGPASSWORD"} = k8s.secretKey (databaseSecret config);
              MLFLOW_BACKEND_STORE_URI = uri backend.database;
            }
          ];

      storeEnv =
        {
          s3 = {
            AWS_ACCESS_KEY_ID =
              if store.secretRef == null then
                null
              else
                k8s.secretKey {
                  inherit (store.secretRef) name;
                  key = store.secretRef.accessKey;
                };
            AWS_SECRET_ACCESS_KEY =
              if store.secretRef == null then
                null
              else
                k8s.secretKey {
                  inherit (store.secretRef) name;
                  key = store.secretRef.secretKey;
                };
            AWS_DEFAULT_REGION = store.region;
            MLFLOW_S3_ENDPOINT_URL = store.endpoint;
          }
          // (
            # Checksum trailers of newer clients break some S3 servers.
            if store.endpoint == null then
              { }
            else
              {
                AWS_REQUEST_CHECKSUM_CALCULATION = "when_required";
                AWS_RESPONSE_CHECKSUM_VALIDATION = "when_required";
              }
          );
          gcs = {
            GOOGLE_APPLICATION_CREDENTIALS =
              if store.credentials == null then null else "/secrets/store/${store.credentials.key}";
          };
          azure = {
            AZURE_STORAGE_CONNECTION_STRING =
              if store.credentials == null then null else k8s.secretKey store.credentials;
          };
          local = { };
        }
        .${store.type};

      common = {
        MLFLOW_DISABLE_TELEMETRY = "true";
        HOME = "/tmp";
      };

      authEnv =
        if !local then
          { }
        else
          {
            MLFLOW_AUTH_CONFIG_PATH = if mysql then "/tmp/basic_auth.ini" else "/etc/mlflow/basic_auth.ini";
            MLFLOW_AUTH_TEMPLATE = if mysql then "/etc/mlflow/basic_auth.ini" else null;
            MLFLOW_AUTH_ADMIN_USERNAME = k8s.secretKey {
              name = authSecret;
              key = "admin-username";
            };
            MLFLOW_AUTH_ADMIN_PASSWORD = k8s.secretKey {
              name = authSecret;
              key = "admin-password";
            };
            MLFLOW_FLASK_SERVER_SECRET_KEY = k8s.secretKey {
              name = authSecret;
              key = "secret-key";
            };
          };

      # MySQL's password must go into the URI, encoded; everything else is read from the environment as it is.
      launch =
        command:
        if mysql then
          [
            "python"
            "-c"
            launcher
          ]
          ++ command
        else
          command;

      serverArgs = [
        "--host"
        (if proxy then "127.0.0.1" else "0.0.0.0")
        "--port"
        (toString port)
        "--workers"
        (toString config.workers)
      ]
      ++ (
        if store.proxied then
          [
            "--serve-artifacts"
            "--artifacts-destination"
            (artifactUri config)
          ]
        else
          [
            "--no-serve-artifacts"
            "--default-artifact-root"
            (artifactUri config)
          ]
      )
      ++ (
        if modern then
          [
            "--allowed-hosts"
            (concatStringsSep "," hosts)
          ]
        else
          [ ]
      )
      ++ (
        if config.monitoring.enabled then
          [
            "--expose-prometheus"
            "/prometheus"
          ]
        else
          [ ]
      )
      ++ (
        if prefix != "" then
          [
            "--static-prefix"
            prefix
          ]
        else
          [ ]
      )
      ++ (
        if local then
          [
            "--app-name"
            "basic-auth"
          ]
        else
          [ ]
      );

      probe = k8s.httpProbe;
      health = {
        path = "${prefix}/health";
        port = if proxy then 4180 else "http";
        timeoutSeconds = 5;
      };

      storeMounts =
        if store.credentials != null && store.type == "gcs" then
          {
            store = {
              mountPath = "/secrets/store";
              readOnly = true;
            };
          }
        else
          { };
      storeVolumes =
        if storeMounts == { } then { } else { store.secret.secretName = store.credentials.name; };

      server = {
        name = "mlflow";
        image = images.server;
        command = launch [
          "mlflow"
          "server"
        ];
        args = serverArgs;
        env = databaseEnv ++ [
          (
            common
            // storeEnv
            // authEnv
            // (
              if modern then
                { MLFLOW_SERVER_ENABLE_JOB_EXECUTION = if config.jobs then "true" else "false"; }
              else
                { }
            )
          )
        ];
        ports = if proxy then { } else { http = port; };
        mounts = {
          tmp = "/tmp";
        }
        // (if volume then { data = "/data"; } else { })
        // (if config.monitoring.enabled then { prometheus = "/prometheus"; } else { })
        // (
          if local then
            {
              config = {
                mountPath = "/etc/mlflow";
                readOnly = true;
              };
            }
          else
            { }
        )
        // storeMounts;
        inherit (config.ui) resources;
        # Imports and a first migration take up to a minute; an unreachable database is retried with growing pauses.
        startup = probe (
          health
          // {
            periodSeconds = 5;
            failureThreshold = 60;
          }
        );
        readiness = probe (health // { periodSeconds = 10; });
        liveness = probe (
          health
          // {
            periodSeconds = 20;
            failureThreshold = 6;
          }
        );
      };

      proxyContainer = {
        name = "login";
        image = auth.proxyImage;
        args = [
          "--http-address=0.0.0.0:4180"
          "--upstream=http://127.0.0.1:${toString port}"
          "--provider=${if auth.type == "oauth" then auth.provider else "oidc"}"
          "--client-id=${auth.clientId}"
          "--reverse-proxy=true"
          # Programs come with a token of the issuer in place of a session.
          "--skip-jwt-bearer-tokens=true"
          "--skip-auth-route=GET=^${prefix}/health$"
        ]
        ++ (if auth.type == "oauth" then [ ] else [ "--oidc-issuer-url=${auth.issuer}" ])
        ++ map (domain: "--email-domain=${domain}") auth.emailDomains
        ++ (if config.monitoring.enabled then [ "--skip-auth-route=GET=^${prefix}/metrics$" ] else [ ])
        ++ (
          if config.ingress.enabled then
            [
              "--redirect-url=${
                if config.ingress.tls.enabled then "https" else "http"
              }://${config.ingress.host}/oauth2/callback"
            ]
          else
            [ ]
        );
        env = {
          OAUTH2_PROXY_CLIENT_SECRET = k8s.secretKey {
            name = authSecret;
            key = "client-secret";
          };
          OAUTH2_PROXY_COOKIE_SECRET = k8s.secretKey {
            name = authSecret;
            key = "cookie-secret";
          };
        };
        ports.http = 4180;
        resources = {
          requests = {
            cpu = "20m";
            memory = "64Mi";
          };
          limits.memory = "256Mi";
        };
        readiness = probe {
          path = "/ping";
          port = "http";
        };
      };

      # Jobs need the database and the store, not the server's ports.
      job = {
        user = 1000;
        volumes = {
          tmp = { };
        }
        // storeVolumes
        // (
          if volume && config.backend.type != "sqlite" then
            { data.persistentVolumeClaim.claimName = "${name}-data"; }
          else
            { }
        );
        serviceAccount = account;
        pod.enableServiceLinks = false;
      };
      jobContainer = {
        image = images.server;
        env = databaseEnv ++ [ (common // storeEnv // { MLFLOW_TRACKING_URI = endpoints.http.url; }) ];
        mounts = {
          tmp = "/tmp";
        }
        // storeMounts;
        resources = {
          requests = {
            cpu = "100m";
            memory = "512Mi";
          };
          limits.memory = "1Gi";
        };
      };
      reference = if mysql then "$BACKEND" else "$(MLFLOW_BACKEND_STORE_URI)";

      migrate = k8s.job (
        job
        // {
          name = "${name}-migrate";
          role = "migrate";
          phase = "prepare";
          containers = [
            (
              jobContainer
              // {
                name = "migrate";
                command = launch [
                  "mlflow"
                  "db"
                  "upgrade"
                ];
                args = [ reference ];
              }
            )
          ];
          initContainers =
            if !local then
              [ ]
            else
              [
                (
                  jobContainer
                  // {
                    name = "migrate-users";
                    command = launch [
                      "python"
                      "-m"
                      "mlflow.server.auth"
                      "db"
                      "upgrade"
                      "--url"
                    ];
                    args = [ reference ];
                    env = [
                      (builtins.head databaseEnv // { MLFLOW_BACKEND_STORE_URI = uri auth.database; })
                      common
                    ];
                  }
                )
              ];
        }
      );

      gc = k8s.cronJob (
        job
        // {
          name = "${name}-gc";
          role = "gc";
          inherit (config.gc) schedule;
          containers = [
            (
              jobContainer
              // {
                name = "gc";
                command = launch [
                  "mlflow"
                  "gc"
                ];
                args = [
                  "--older-than"
                  config.gc.olderThan
                  "--backend-store-uri"
                  reference
                  "--artifacts-destination"
                  (artifactUri config)
                ];
                mounts = jobContainer.mounts // (if store.type == "local" then { data = "/data"; } else { });
              }
            )
          ];
        }
      );

      ini = k8s.configMap {
        name = "${name}-auth";
        data."basic_auth.ini" = ''
          [mlflow]
          default_permission = ${auth.defaultPermission}
          database_uri = ${uri auth.database}
          authorization_function = mlflow.server.auth:authenticate_request_basic_auth
        '';
      };
    in
    (
      if config.serviceAccount.create then
        [
          (k8s.serviceAccount {
            name = account;
            inherit (config.serviceAccount) annotations;
          })
        ]
      else
        [ ]
    )
    ++ [
      # For clients that take their settings from a ConfigMap.
      (k8s.configMap {
        inherit name;
        data.MLFLOW_TRACKING_URI = endpoints.http.url;
      })
    ]
    ++ (if local then [ ini ] else [ ])
    ++ (
      if volume then
        [
          (k8s.claim {
            name = "${name}-data";
            inherit (config.storage) size storageClass accessMode;
          })
        ]
      else
        [ ]
    )
    ++ [
      (k8s.service {
        inherit name;
        ports.http.port = endpoints.http.port;
      })
    ]
    ++ (if config.migrate then [ migrate ] else [ ])
    ++ [
      (k8s.deployment {
        inherit name;
        user = 1000;
        replicas = if config.autoscaling.enabled then null else replicas;
        # Old servers fail on a new schema, and a volume for one node has one user.
        strategy = if oneWriter then "Recreate" else null;
        serviceAccount = account;
        containers = [ server ] ++ (if proxy then [ proxyContainer ] else [ ]);
        volumes = {
          tmp = { };
        }
        // (if volume then { data.persistentVolumeClaim.claimName = "${name}-data"; } else { })
        // (if config.monitoring.enabled then { prometheus = { }; } else { })
        // (if local then { config.configMap.name = "${name}-auth"; } else { })
        // storeVolumes;
        # A Service named mlflow would put MLFLOW_PORT=tcp://… into the environment, which the server reads.
        pod.enableServiceLinks = false;
      })
    ]
    ++ k8s.podDisruptionBudget {
      inherit name;
      replicas = if config.autoscaling.enabled then config.autoscaling.minReplicas else replicas;
    }
    ++ k8s.autoscaler { inherit name; }
    ++ (if config.gc.enabled then [ gc ] else [ ])
    ++ k8s.route {
      inherit name;
      inherit (endpoints.http) port;
      paths =
        if config.ui.enabled then
          [ (if prefix == "" then config.ingress.path else prefix) ]
        else
          [ "${prefix}/api" ];
      # Models are larger than what proxies let through by default.
      annotations = {
        "nginx.ingress.kubernetes.io/proxy-body-size" = "0";
        "nginx.ingress.kubernetes.io/proxy-read-timeout" = "600";
      };
    }
    ++ k8s.serviceMonitor {
      inherit name;
      port = "http";
      path = "${prefix}/metrics";
      endpoint =
        if local then
          {
            basicAuth = {
              username = {
                name = authSecret;
                key = "admin-username";
              };
              password = {
                name = authSecret;
                key = "admin-password";
              };
            };
          }
        else
          { };
    }
    ++ k8s.prometheusRule {
      inherit name;
      groups.mlflow = [
        {
          alert = "MLflowErrors";
          expr = "sum(rate(mlflow_http_request_total{status=~\"5..\",namespace=\"${namespace}\",service=\"${name}\"}[5m])) / sum(rate(mlflow_http_request_total{namespace=\"${namespace}\",service=\"${name}\"}[5m])) > 0.05";
          for = "10m";
          labels.severity = "warning";
          annotations.summary = "More than 5 % of the requests to MLflow ${namespace}/${name} fail.";
        }
      ];
    };
}
