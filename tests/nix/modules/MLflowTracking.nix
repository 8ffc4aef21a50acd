{ mlops, root }:
let
  inherit (builtins)
    elem
    elemAt
    filter
    genList
    head
    length
    map
    ;
  inherit (mlops) mkMLflowTracking;

  base = {
    namespace = "ml";
    trackingUri = "http://mlflow.ml.svc:5000";
  };
  postgres = {
    type = "postgresql";
    host = "pg-main.databases.svc";
    username = "mlflow";
    secretRef = {
      name = "mlflow-db";
      key = "password";
    };
  };
  s3 = {
    type = "s3";
    bucket = "acme-mlflow";
    path = "/experiments";
    region = "eu-central-1";
    secretRef.name = "mlflow-s3";
  };
  team = base // {
    backend = postgres;
    artifactStore = s3;
    ui.replicas = 2;
  };
  oidc = {
    enabled = true;
    type = "oidc";
    issuer = "https://login.example.com";
    clientId = "mlflow";
    proxyImage = "registry.example.com/oauth2-proxy:7";
  };

  objects = args: (mkMLflowTracking args).rendered;
  ofKind = kind: args: filter (object: object.kind == kind) (objects args);
  one = kind: args: head (ofKind kind args);
  pod = args: (one "Deployment" args).spec.template.spec;
  container = args: head (pod args).containers;
  variable =
    name: args:
    let
      found = filter (entry: entry.name == name) (container args).env;
    in
    if found == [ ] then null else (head found).value or (head found).valueFrom;
  # The argument after a flag.
  flagOf =
    name: arguments:
    let
      list = (container arguments).args;
      at = filter (index: elemAt list index == name) (genList (index: index) (length list));
    in
    if at == [ ] then null else elemAt list (head at + 1);
  hosts =
    args: builtins.filter builtins.isString (builtins.split "," (flagOf "--allowed-hosts" args));
  kinds = args: map (object: object.kind) (objects args);
  says = args: msg: {
    expr = objects args;
    expectedError.msg = msg;
  };
  shared = import (root + "/tests/shared-effects.nix");
in
{
  server = {
    testObjectsOfATeamsServer = {
      expr = kinds team;
      expected = [
        "ServiceAccount"
        "ConfigMap"
        "Service"
        "Job"
        "Deployment"
        "PodDisruptionBudget"
      ];
    };
    testReachableInThePod = {
      expr = flagOf "--host" team;
      expected = "0.0.0.0";
    };
    testUriHasADriverAndNoPassword = {
      expr = variable "MLFLOW_BACKEND_STORE_URI" team;
      expected = "postgresql+psycopg2://mlflow@pg-main.databases.svc:5432/mlflow";
    };
    testPasswordComesFromTheSecret = {
      expr = variable "PGPASSWORD" team;
      expected.secretKeyRef = {
        name = "mlflow-db";
        key = "password";
      };
    };
    testArtifactPathHasNoDoubleSlash = {
      expr = flagOf "--artifacts-destination" team;
      expected = "s3://acme-mlflow/experiments";
    };
    testServiceLinksWouldOverrideThePort = {
      expr = (pod team).enableServiceLinks;
      expected = false;
    };
    testProbesAskForHealth = {
      expr = map (probe: (container team).${probe}.httpGet.path) [
        "startupProbe"
        "readinessProbe"
        "livenessProbe"
      ];
      expected = [
        "/health"
        "/health"
        "/health"
      ];
    };
    testJobWorkersAreOffByDefault = {
      expr = variable "MLFLOW_SERVER_ENABLE_JOB_EXECUTION" team;
      expected = "false";
    };
    testServerOf2HasNoFlagsOf3 = {
      expr = flagOf "--allowed-hosts" (
        base
        // {
          version = "2.22.5";
        }
      );
      expected = null;
    };
  };

  address = {
    testNameAndPortFollowFromTheTrackingUri = {
      expr =
        let
          service = one "Service" (base // { trackingUri = "http://tracker.ml.svc:8080"; });
        in
        {
          inherit (service.metadata) name;
          inherit (head service.spec.ports) port;
        };
      expected = {
        name = "tracker";
        port = 8080;
      };
    };
    testPortBelow1024IsTheServicesAlone = {
      expr = {
        service =
          (head (one "Service" (base // { trackingUri = "http://mlflow.ml.svc:80"; })).spec.ports).port;
        process = flagOf "--port" (base // { trackingUri = "http://mlflow.ml.svc:80"; });
      };
      expected = {
        service = 80;
        process = "5000";
      };
    };
    testEndpointIsTheTrackingUri = {
      expr = (mkMLflowTracking base).endpoints.http.url;
      expected = base.trackingUri;
    };
    testNullMeansTheServicesOwnAddress = {
      expr = (mkMLflowTracking (base // { trackingUri = null; })).endpoints.http.url;
      expected = "http://mlflow.ml.svc:5000";
    };
    testAddressOutsideGetsARouteWithTls = {
      expr =
        let
          ingress = one "Ingress" (base // { trackingUri = "https://mlflow.example.com"; });
        in
        {
          inherit (head ingress.spec.rules) host;
          inherit (ingress.spec) tls;
        };
      expected = {
        host = "mlflow.example.com";
        tls = [
          {
            hosts = [ "mlflow.example.com" ];
            secretName = "mlflow-tls";
          }
        ];
      };
    };
    testAddressOutsideLeavesTheOneInside = {
      expr =
        builtins.mapAttrs (_: endpoint: endpoint.url)
          (mkMLflowTracking (base // { trackingUri = "https://mlflow.example.com"; })).endpoints;
      expected = {
        http = "http://mlflow.ml.svc:5000";
        external = "https://mlflow.example.com";
      };
    };
    testHostsAreAcceptedWithAndWithoutPort = {
      expr =
        filter (host: !(elem host (hosts (base // { trackingUri = "https://mlflow.example.com"; }))))
          [
            "mlflow"
            "mlflow:*"
            "mlflow.ml.svc"
            "mlflow.ml.svc:*"
            "mlflow.ml.svc.cluster.local:*"
            "mlflow.example.com"
            "localhost:*"
          ];
      expected = [ ];
    };
    testPodAddressesAreAcceptedOnlyForMetrics = {
      expr = map (args: elem "10.*" (hosts args)) [
        base
        (base // { monitoring.enabled = true; })
      ];
      expected = [
        false
        true
      ];
    };
    testPrefixOfTheAddressMovesTheProbes = {
      expr =
        (container (base // { trackingUri = "https://ml.example.com/mlflow/"; }))
        .readinessProbe.httpGet.path;
      expected = "/mlflow/health";
    };
    testWithoutUiOnlyTheApiIsRouted = {
      expr =
        map (path: path.path)
          (head
            (one "Ingress" (
              base
              // {
                trackingUri = "https://mlflow.example.com";
                ui.enabled = false;
              }
            )).spec.rules
          ).http.paths;
      expected = [ "/api" ];
    };
  };

  backends = {
    testSqliteIsOneServerOnAVolume = {
      expr = {
        inherit ((one "Deployment" base).spec) replicas strategy;
        uri = variable "MLFLOW_BACKEND_STORE_URI" base;
        claims = length (ofKind "PersistentVolumeClaim" base);
        jobs = length (ofKind "Job" base);
      };
      expected = {
        replicas = 1;
        strategy.type = "Recreate";
        uri = "sqlite:////data/mlflow.db";
        claims = 1;
        jobs = 0;
      };
    };
    testMysqlHasItsPort = {
      expr = variable "MLFLOW_BACKEND_STORE_URI" (
        base
        // {
          backend = {
            type = "mysql";
            host = "db";
          };
        }
      );
      expected = "mysql+pymysql://mlflow:{password}@db:3306/mlflow?charset=utf8mb4";
    };
    testMysqlPasswordIsEncodedAtStart = {
      expr =
        map (word: if builtins.match ".*quote.*" word == null then word else "…")
          (container (
            base
            // {
              backend = {
                type = "mysql";
                host = "db";
              };
            }
          )).command;
      expected = [
        "python"
        "-c"
        "…"
        "mlflow"
        "server"
      ];
    };
    testSpellingOfPostgres = {
      expr =
        (mkMLflowTracking (
          base
          // {
            backend = {
              type = "postgres";
              host = "h";
            };
          }
        )).config.backend.type;
      expected = "postgresql";
    };
    testMigrationRunsBefore = {
      expr =
        let
          job = one "Job" team;
        in
        {
          inherit (head job.spec.template.spec.containers) command args;
          inherit (job."__mlops-nix") phase hashed;
        };
      expected = {
        command = [
          "mlflow"
          "db"
          "upgrade"
        ];
        args = [ "$(MLFLOW_BACKEND_STORE_URI)" ];
        phase = "prepare";
        hashed = true;
      };
    };
    testUsersHaveADatabaseOfTheirOwn = {
      expr =
        (head (
          filter (map': map'.metadata.name == "mlflow-auth") (
            ofKind "ConfigMap" (team // { auth.enabled = true; })
          )
        )).data."basic_auth.ini";
      expected = ''
        [mlflow]
        default_permission = READ
        database_uri = postgresql+psycopg2://mlflow@pg-main.databases.svc:5432/mlflow_auth
        authorization_function = mlflow.server.auth:authenticate_request_basic_auth
      '';
    };
  };

  stores = {
    testCloudIdentityNeedsNoKeys = {
      expr = variable "AWS_ACCESS_KEY_ID" (
        team
        // {
          artifactStore = {
            type = "s3";
            bucket = "b";
          };
          serviceAccount.annotations."eks.amazonaws.com/role-arn" = "arn:aws:iam::1:role/x";
        }
      );
      expected = null;
    };
    testGcs = {
      expr = flagOf "--artifacts-destination" (
        team
        // {
          artifactStore = {
            type = "gcs";
            bucket = "b";
            path = "p/";
          };
        }
      );
      expected = "gs://b/p";
    };
    testAzure = {
      expr = flagOf "--artifacts-destination" (
        team
        // {
          artifactStore = {
            type = "azure";
            bucket = "c";
            account = "acme";
          };
        }
      );
      expected = "wasbs://c@acme.blob.core.windows.net";
    };
    testClientsTalkToTheStoreThemselves = {
      expr = {
        destination = flagOf "--artifacts-destination" (
          team
          // {
            artifactStore = s3 // {
              proxied = false;
            };
          }
        );
        root = flagOf "--default-artifact-root" (
          team
          // {
            artifactStore = s3 // {
              proxied = false;
            };
          }
        );
      };
      expected = {
        destination = null;
        root = "s3://acme-mlflow/experiments";
      };
    };
  };

  login = {
    testServerBehindAProxyCannotBeBypassed = {
      expr = {
        host = flagOf "--host" (team // { auth = oidc; });
        service = (head (one "Service" (team // { auth = oidc; })).spec.ports).targetPort;
        containers = map (container: container.name) (pod (team // { auth = oidc; })).containers;
      };
      expected = {
        host = "127.0.0.1";
        service = "http";
        containers = [
          "mlflow"
          "login"
        ];
      };
    };
    testAdministratorIsGenerated = {
      expr = map (secret: secret.name) (
        filter (secret: secret.name == "mlflow-auth")
          (mkMLflowTracking (team // { auth.enabled = true; })).secrets
      );
      expected = [ "mlflow-auth" ];
    };
    testMonitorLogsIn = {
      expr =
        (head
          (one "ServiceMonitor" (
            team
            // {
              auth.enabled = true;
              monitoring.enabled = true;
            }
          )).spec.endpoints
        ).basicAuth.username;
      expected = {
        name = "mlflow-auth";
        key = "admin-username";
      };
    };
  };

  lines = {
    testVersionThatWasNeverReleased = {
      expr =
        let
          component = mkMLflowTracking (base // { version = "2.0.0"; });
        in
        {
          inherit (component) version;
          warning = head component.warnings;
        };
      expected = {
        version = "2.22.5";
        warning = "version 2.0.0 was never released; 2.22.5 is rendered";
      };
    };
  };

  mistakes = {
    testNameOfAnotherService = says (
      base // { name = "tracker"; }
    ) "trackingUri: names the Service mlflow, but name is tracker; expected http://tracker.ml.svc:5000";
    testPortOfAnother = says (
      base // { ui.port = 5001; }
    ) "trackingUri: names port 5000, but ui.port is 5001";
    testTlsInTheCluster = says (
      base // { trackingUri = "https://mlflow.ml.svc:5000"; }
    ) "trackingUri: the server itself speaks http";
    testTwoHosts = says (
      base
      // {
        trackingUri = "https://a.example.com";
        ingress.host = "b.example.com";
      }
    ) "ingress.host: is b.example.com, but trackingUri names a.example.com";
    testAddressOutsideWithoutRoute = says (
      base
      // {
        trackingUri = "https://a.example.com";
        ingress.enabled = false;
      }
    ) "ingress.enabled: trackingUri https://a.example.com is outside the cluster";
    testIngressWithoutHost = says (
      base // { ingress.enabled = true; }
    ) "ingress.host: an ingress needs a host";
    testSqliteWithAHost = says (
      base // { backend.host = "db"; }
    ) "backend.host: SQLite is a file on the server's volume";
    testSqliteWithAnAutoscaler = says (
      base // { autoscaling.enabled = true; }
    ) "autoscaling.enabled: SQLite allows one server";
    testDatabaseWithoutHost = says (
      base // { backend.type = "mysql"; }
    ) "backend.host: mysql needs the host of its server";
    testLocalArtifactsOfSeveralServers =
      says
        (
          base
          // {
            backend = postgres;
            ui.replicas = 2;
          }
        )
        "storage.accessMode: local artifacts with several servers need a ReadWriteMany volume, found ReadWriteOnce";
    testStoreWithoutBucket = says (
      base // { artifactStore.type = "gcs"; }
    ) "artifactStore.bucket: gcs needs a bucket";
    testLocalWithABucket = says (
      base // { artifactStore.bucket = "b"; }
    ) "artifactStore.bucket: local artifacts have no bucket";
    testAzureWithoutAccount = says (
      base
      // {
        artifactStore = {
          type = "azure";
          bucket = "c";
        };
      }
    ) "artifactStore.account: azure needs the storage account";
    testAccountWithoutAzure = says (
      team
      // {
        artifactStore = s3 // {
          account = "a";
        };
      }
    ) "artifactStore.account: a storage account belongs to azure, found type s3";
    testEndpointWithoutS3 = says (
      base // { artifactStore.endpoint = "http://x"; }
    ) "artifactStore.type: endpoint, region and secretRef belong to s3";
    testCredentialsWithS3 = says (
      team
      // {
        artifactStore = s3 // {
          credentials.name = "x";
        };
      }
    ) "artifactStore.credentials: credentials belong to gcs and azure";
    testLocalCannotBePassedBy = says (
      base // { artifactStore.proxied = false; }
    ) "artifactStore.proxied: clients cannot reach the server's volume";
    testNoUiWithAnIngress = says (
      base
      // {
        ui.enabled = false;
        ingress.host = "a.example.com";
      }
    ) "ui.enabled: false leaves only /api reachable";
    testOldImageHasNoDrivers = says (
      team // { version = "2.22.5"; }
    ) "image: MLflow 2.22.5 has no image with drivers";
    testOldServerHasNoJobs = says (
      base
      // {
        version = "2.22.5";
        jobs = true;
      }
    ) "jobs: MLflow 2.22.5 has no job workers";
    testOldServerChecksNoHosts = says (
      base
      // {
        version = "2.22.5";
        allowedHosts = [ "x" ];
      }
    ) "allowedHosts: MLflow 2.22.5 checks no host names";
    testUsersInTheSameDatabase = says (
      team
      // {
        auth = {
          enabled = true;
          database = "mlflow";
        };
      }
    ) "auth.database: users and runs cannot share the database mlflow";
    testUsersInMysql = says (
      base
      // {
        backend = {
          type = "mysql";
          host = "db";
        };
        auth.enabled = true;
      }
    ) "auth.type: MLflow cannot keep its own users in MySQL; use backend.type postgresql";
    testLoginThatIsOff = says (
      base // { auth.type = "oidc"; }
    ) "auth.enabled: is false, so that auth.type would have no effect";
    testProxyWithoutImage = says (
      team // { auth = removeAttrs oidc [ "proxyImage" ]; }
    ) "auth.proxyImage: oidc goes through oauth2-proxy";
    testOidcWithoutIssuer = says (
      team // { auth = removeAttrs oidc [ "issuer" ]; }
    ) "auth.issuer: oidc needs an issuer URL";
    testLdapNeedsABridge = says (
      team
      // {
        auth = removeAttrs oidc [ "issuer" ] // {
          type = "ldap";
        };
      }
    ) "auth.issuer: ldap needs an issuer URL, that of the OpenID Connect bridge";
    testOauthWithoutProvider = says (
      team
      // {
        auth = oidc // {
          type = "oauth";
        };
      }
    ) "auth.provider: oauth needs a provider";
    testOidcWithoutClient = says (
      team // { auth = removeAttrs oidc [ "clientId" ]; }
    ) "auth.clientId: oidc needs a client id";
    testCleanerWithSqlite = says (
      base // { gc.enabled = true; }
    ) "gc.enabled: the cleaner cannot share SQLite's volume";
    testCleanerOfLocalArtifacts = says (
      base
      // {
        backend = postgres;
        gc.enabled = true;
      }
    ) "gc.enabled: the cleaner removes artifacts on the server's volume, which must be ReadWriteMany";
    testMigrationOfSqlite = says (
      base // { migrate = true; }
    ) "migrate: SQLite lies on the server's volume";
    testFewestAboveMost = says (
      team
      // {
        autoscaling = {
          enabled = true;
          minReplicas = 5;
        };
      }
    ) "autoscaling.minReplicas: minReplicas \\(5\\) exceeds maxReplicas \\(3\\)";
    testUnknownImage = says (
      base // { image.servr = "x/y:1"; }
    ) "image.servr: no image of that name; there are: server; did you mean server\\?";
  };

  effects = import (root + "/tests/effects.nix") mlops.mkMLflowTracking {
    base = team;
    changes =
      let
        local = {
          auth.enabled = true;
        };
        proxy = {
          auth = oidc;
        };
        monitored.monitoring.enabled = true;
        scaled.autoscaling.enabled = true;
        cleaned.gc.enabled = true;
        onVolume = {
          artifactStore = {
            type = "local";
            bucket = null;
            path = "";
            region = null;
            secretRef = null;
          };
          storage.accessMode = "ReadWriteMany";
        };
      in
      shared.workload "Deployment"
      // shared.resources "ui.resources"
      // shared.networkPolicy
      // shared.monitoring { }
      // shared.ingress "mlflow.example.com"
      // {
        name = {
          given.trackingUri = null;
          to = "other";
        };
        namespace = {
          given.trackingUri = null;
          to = "elsewhere";
        };
        trackingUri = "http://mlflow.ml.svc:8080";
        version = {
          given.image = "registry.example.com/mlflow:1";
          to = "2.22.5";
        };
        image = "registry.example.com/mlflow:1";
        "backend.type" = "mysql";
        "backend.host" = "other.databases.svc";
        "backend.port" = 6432;
        "backend.username" = "other";
        "backend.database" = "other";
        "backend.secretRef".to = {
          name = "other";
        };
        "artifactStore.type" = {
          given.artifactStore = {
            region = null;
            secretRef = null;
          };
          to = "gcs";
        };
        "artifactStore.bucket" = "other";
        "artifactStore.path" = "other";
        "artifactStore.endpoint" = "https://s3.example.com";
        "artifactStore.region" = "us-west-2";
        "artifactStore.account" = {
          given.artifactStore = {
            type = "azure";
            region = null;
            secretRef = null;
            account = "one";
          };
          to = "other";
        };
        "artifactStore.secretRef".to = {
          name = "other";
        };
        "artifactStore.credentials" = {
          given.artifactStore = {
            type = "gcs";
            region = null;
            secretRef = null;
          };
          to = {
            name = "gcs";
          };
        };
        "artifactStore.proxied" = false;
        "ui.enabled" = {
          given.ingress = {
            enabled = true;
            host = "mlflow.example.com";
          };
          to = false;
        };
        "ui.replicas" = 3;
        "ui.port" = {
          given.trackingUri = null;
          to = 6000;
        };
        "auth.enabled" = true;
        "auth.type" = {
          given = proxy;
          to = "ldap";
        };
        "auth.defaultPermission" = {
          given = local;
          to = "NO_PERMISSIONS";
        };
        "auth.database" = {
          given = local;
          to = "people";
        };
        "auth.secretRef" = {
          given = local;
          to = "other";
        };
        "auth.issuer" = {
          given = proxy;
          to = "https://other.example.com";
        };
        "auth.provider" = {
          given.auth = oidc // {
            type = "oauth";
            provider = "github";
          };
          to = "gitlab";
        };
        "auth.clientId" = {
          given = proxy;
          to = "other";
        };
        "auth.emailDomains" = {
          given = proxy;
          to = [ "example.com" ];
        };
        "auth.proxyImage" = {
          given = proxy;
          to = "registry.example.com/oauth2-proxy:8";
        };
        migrate = false;
        "gc.enabled" = true;
        "gc.schedule" = {
          given = cleaned;
          to = "0 4 * * *";
        };
        "gc.olderThan" = {
          given = cleaned;
          to = "7d";
        };
        workers = 4;
        jobs = true;
        allowedHosts.to = [ "mlflow.internal" ];
        "storage.size" = {
          given = onVolume;
          to = "99Gi";
        };
        "storage.storageClass" = {
          given = onVolume;
          to = "nfs";
        };
        "storage.accessMode" = {
          given = {
            artifactStore = onVolume.artifactStore;
            ui.replicas = 1;
          };
          to = "ReadWriteMany";
        };
        "serviceAccount.name" = "other";
        "serviceAccount.create" = false;
        "serviceAccount.annotations".to = {
          "eks.amazonaws.com/role-arn" = "arn:aws:iam::1:role/x";
        };
        "podDisruptionBudget.enabled" = false;
        "podDisruptionBudget.minAvailable" = 1;
        "podDisruptionBudget.maxUnavailable" = "50%";
        "autoscaling.enabled" = true;
        "autoscaling.minReplicas" = {
          given = scaled;
          to = 2;
        };
        "autoscaling.maxReplicas" = {
          given = scaled;
          to = 9;
        };
        "autoscaling.targetCPUUtilization" = {
          given = scaled;
          to = 50;
        };
        "monitoring.rules" = {
          given = monitored;
          to = false;
        };
      };
  };
}
