# MLflow's tracking server and model registry. One process serves UI, API and artifacts; clients need no keys of
# the object store, because the server passes artifacts on.
{ wiring, ... }@workshop:
let
  inherit (builtins) toString;
  inherit (import ./address.nix)
    addressOf
    addressed
    inCluster
    outside
    parseUrl
    ;
  inherit (import ./stores.nix) databaseSecret;
  inherit (import ./features.nix) isModern proxied;
in
{
  name = "mlflow";
  summary = "MLflow tracking server, model registry and artifact proxy";

  options = import ./options.nix workshop;

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

  checks = import ./checks.nix;

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

  render = import ./server.nix;
}
