# The objects of a tracking server.
let
  inherit (builtins)
    concatMap
    concatStringsSep
    map
    toString
    ;

  inherit (import ./stores.nix)
    artifactUri
    databaseSecret
    databaseUri
    usesVolume
    writesOneVolume
    ;
  inherit (import ./features.nix) isModern proxied;
in
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
        MLFLOW_AUTH_CONFIG_PATH = "/etc/mlflow/basic_auth.ini";
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
        (builtins.readFile ./launch.py)
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
}
