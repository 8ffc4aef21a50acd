{ mlops, root }:
let
  inherit (builtins)
    concatMap
    elem
    filter
    head
    listToAttrs
    map
    ;
  base = {
    namespace = "data";
    databases = [ "app" ];
  };
  cluster = base // {
    mode = "cnpg";
    version = "18.3";
  };
  store = mlops.mkObjectStore {
    namespace = "data";
    buckets = [ "backups" ];
  };
  objects = args: (mlops.mkPostgreSQL args).rendered;
  ofKind = kind: args: filter (object: object.kind == kind) (objects args);
  one = kind: args: head (ofKind kind args);
  container = args: head (one "StatefulSet" args).spec.template.spec.containers;
  says = args: msg: {
    expr = objects args;
    expectedError.msg = msg;
  };
  shared = import (root + "/tests/shared-effects.nix");
in
{
  single = {
    testDataDirectoryIsBelowTheVolume = {
      expr = map (variable: variable.value or null) (
        filter (variable: variable.name == "PGDATA") (container base).env
      );
      expected = [ "/var/lib/postgresql/data/pgdata" ];
    };
    testVersion18KeepsItsOwnLayout = {
      expr = map (mount: mount.mountPath) (
        filter (mount: mount.name == "data") (container (base // { version = "18.3"; })).volumeMounts
      );
      expected = [ "/var/lib/postgresql" ];
    };
    testNoPasswordInTheOutput = {
      expr = map (variable: variable.valueFrom.secretKeyRef) (
        filter (variable: variable.name == "POSTGRES_PASSWORD") (container base).env
      );
      expected = [
        {
          name = "postgres-superuser";
          key = "password";
        }
      ];
    };
    testDatabasesAreMadeByAJob = {
      expr = map (job: job.metadata.name) (ofKind "Job" base);
      expected = [ "postgres-databases" ];
    };
    testWithoutDatabasesThereIsNoJob = {
      expr = ofKind "Job" { namespace = "data"; };
      expected = [ ];
    };
    testOwnersOfSeveralDatabasesHaveOneSecret = {
      expr =
        map (secret: secret.name)
          (mlops.mkPostgreSQL (
            base
            // {
              databases = [
                "app"
                {
                  name = "app_auth";
                  owner = "app";
                }
              ];
            }
          )).secrets;
      expected = [
        "postgres-superuser"
        "postgres-app"
      ];
    };
    testServiceAndJobPodsAreToldApart = {
      expr = (one "Service" base).spec.selector."app.kubernetes.io/component";
      expected = "server";
    };
  };

  endpoints = {
    testOneDatabaseIsTheServersOwn = {
      expr = (mlops.mkPostgreSQL base).endpoints.sql.url;
      expected = "postgresql://postgres.data.svc:5432/app";
    };
    testClusterIsReachedAtItsPrimary = {
      expr = (mlops.mkPostgreSQL cluster).endpoints.app.host;
      expected = "postgres-rw.data.svc";
    };
    testPoolStandsBefore = {
      expr = (mlops.mkPostgreSQL (cluster // { pooler.enabled = true; })).endpoints.app.host;
      expected = "postgres-pooler.data.svc";
    };
  };

  cluster = {
    testScheduleCountsSecondsFirst = {
      expr =
        (one "ScheduledBackup" (
          cluster
          // {
            backup = {
              enabled = true;
              store = store.buckets.backups;
            };
          }
        )).spec.schedule;
      expected = "0 0 2 * * *";
    };
    testOneInstanceHasNoBudgetThatBlocksDrains = {
      expr = (one "Cluster" cluster).spec.enablePDB;
      expected = false;
    };
    testRequiresItsOperator = {
      expr = (mlops.mkPostgreSQL cluster).requires;
      expected = [ "cloudnative-pg" ];
    };
  };

  mistakes = {
    testSeveralServersAreSeveralDatabases = says (
      base // { instances = 2; }
    ) "instances: 2 servers of mode statefulset would be 2 independent databases; use mode = \"cnpg\"";
    testClusterNeedsAnImage = says (
      base // { mode = "cnpg"; }
    ) "mode: no CloudNativePG image is known for version 17.9; use version = \"18.3\"";
    testPoolerBelongsToTheCluster = says (
      base // { pooler.enabled = true; }
    ) "pooler.enabled: the pooler belongs to CloudNativePG";
    testDumpGoesToAVolume = says (
      base // { backup.store = store.buckets.backups; }
    ) "backup.store: the single server dumps to a volume";
    testClusterBacksUpToABucket = says (
      cluster // { backup.enabled = true; }
    ) "backup.store: a CloudNativePG cluster backs up to a bucket";
    testExporterBelongsToTheSingleServer = says (
      cluster // { exporter.image = "x/y:1"; }
    ) "exporter.image: CloudNativePG exports metrics by itself";
    testNodePortNeedsItsType = says (
      base // { service.nodePort = 30432; }
    ) "service.nodePort: a fixed node port needs service.type = \"NodePort\", found ClusterIP";
    testServicesOfAClusterAreTheOperators = says (
      cluster // { service.type = "NodePort"; }
    ) "service.type: CloudNativePG makes the Services";
    testDatabaseTwice = says (
      base
      // {
        databases = [
          "a"
          "a"
        ];
      }
    ) "databases: database a is named twice";
    testNamesEndInALetterOrDigit = says (base // { databases = [ "a_" ]; }) "databases\\[0\\]: ";
    testSuperuserOwnsNothing = says (
      base
      // {
        databases = [
          {
            name = "x";
            owner = "postgres";
          }
        ];
      }
    ) "databases: postgres is the superuser";
    testStoreThatIsNoBucket =
      says
        (
          cluster
          // {
            backup = {
              enabled = true;
              store = store.endpoints.s3;
            };
          }
        )
        "backup.store: expected an endpoint that speaks bucket, found store.endpoints.s3, which speaks s3";
  };

  effects = import (root + "/tests/effects.nix") mlops.mkPostgreSQL {
    inherit base;
    changes =
      shared.workload "StatefulSet"
      // shared.resources "resources"
      // shared.networkPolicy
      // shared.monitoring { exporter.image = "x/y:1"; }
      // {
        name = "other";
        namespace = "elsewhere";
        mode = {
          given.version = "18.3";
          to = "cnpg";
        };
        version = "18.3";
        image = "registry.example.com/postgres:17";
        instances = {
          given = {
            mode = "cnpg";
            version = "18.3";
          };
          to = 3;
        };
        databases = [ "other" ];
        "parameters" = {
          shared_buffers = "1GB";
        };
        secretRef.to = {
          name = "mine";
        };
        "storage.size" = "20Gi";
        "storage.storageClass" = "fast";
        "storage.accessMode" = "ReadWriteOncePod";
        sharedMemory = "1Gi";
        "backup.enabled" = true;
        "backup.schedule" = {
          given.backup.enabled = true;
          to = "0 5 * * *";
        };
        "backup.retentionDays" = {
          given.backup.enabled = true;
          to = 3;
        };
        "backup.size" = {
          given.backup.enabled = true;
          to = "99Gi";
        };
        "backup.store" = {
          given = {
            mode = "cnpg";
            version = "18.3";
          };
          to = store.buckets.backups;
        };
        "pooler.enabled" = {
          given = {
            mode = "cnpg";
            version = "18.3";
          };
          to = true;
        };
        "pooler.mode" = {
          given = {
            mode = "cnpg";
            version = "18.3";
            pooler.enabled = true;
          };
          to = "transaction";
        };
        "pooler.instances" = {
          given = {
            mode = "cnpg";
            version = "18.3";
            pooler.enabled = true;
          };
          to = 5;
        };
        "exporter.image" = "registry.example.com/exporter:1";
        "service.type" = "LoadBalancer";
        "service.nodePort" = {
          given.service.type = "NodePort";
          to = 30432;
        };
      };
  };
}
