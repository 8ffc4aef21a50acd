# PostgreSQL: a single server in a StatefulSet, honest about being single, or a cluster of CloudNativePG.
# Databases and their owners are made by a Job in the first form, and by the operator in the second.
{
  types,
  option,
  section,
  common,
  ...
}:
let
  inherit (builtins)
    attrNames
    concatStringsSep
    elem
    filter
    genList
    head
    length
    listToAttrs
    map
    match
    toString
    ;

  sqlName = types.pattern {
    name = "SQL name";
    expected = "lower-case letters, digits and '_', from a letter to a letter or digit, at most 63";
    maxLength = 63;
    regex = "[a-z]([a-z0-9_]*[a-z0-9])?";
  };

  database = types.submodule {
    name = "database";
    options = {
      name = option {
        type = sqlName;
        description = "Name of the database.";
      };
      owner = option {
        type = sqlName;
        derive = { config, ... }: config.name;
        defaultText = "the database's name";
        description = "User that owns it and logs in.";
      };
      extensions = option {
        type = types.listOf types.string;
        default = [ ];
        description = "Extensions that are created in it.";
      };
    };
  };
  # A name alone is a database owned by a user of that name.
  databaseOrName =
    let
      either = types.oneOf [
        sqlName
        database
      ];
    in
    either
    // {
      convert = value: database.convert (if builtins.isString value then { name = value; } else value);
    };

  # Names of objects have no underscores, and these names no hyphens: no two become one.
  label = name: builtins.replaceStrings [ "_" ] [ "-" ] name;
  secretOf = name: database: "${name}-${label database.owner}";

  # One database of each owner: a user has one password, however many databases are its own.
  owners =
    databases:
    let
      byOwner = builtins.groupBy (database: database.owner) databases;
    in
    map (owner: head byOwner.${owner}) (attrNames byOwner);

  superuserOf =
    config:
    if config.secretRef != null then
      config.secretRef
    else
      {
        name = "${config.name}-superuser";
        key = "password";
      };

  isCluster = config: config.mode == "cnpg";
  serviceOf = config: if isCluster config then "${config.name}-rw" else config.name;

  dataDirectory =
    version:
    if match "18.*" version != null then
      {
        mountPath = "/var/lib/postgresql";
        pgdata = "/var/lib/postgresql/18/docker";
      }
    else
      {
        mountPath = "/var/lib/postgresql/data";
        # The volume's own lost+found must not lie in the data directory.
        pgdata = "/var/lib/postgresql/data/pgdata";
      };

  # Roles and databases, made or brought up to date; passwords come from the environment, never from arguments.
  provisionScript = ''
    set -eu
    until pg_isready --quiet; do sleep 2; done
    index=0
    while [ "$index" -lt "$DATABASES" ]; do
      eval "export OWNER=\$OWNER_$index DATABASE=\$DATABASE_$index PASSWORD=\$PASSWORD_$index EXTENSIONS=\"\$EXTENSIONS_$index\""
      psql --quiet --set=ON_ERROR_STOP=1 --dbname=postgres <<'SQL'
    \set owner `printenv OWNER`
    \set database `printenv DATABASE`
    \set password `printenv PASSWORD`
    SELECT format('CREATE ROLE %I', :'owner') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'owner') \gexec
    ALTER ROLE :"owner" LOGIN PASSWORD :'password';
    SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'owner') WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
    REVOKE CONNECT ON DATABASE :"database" FROM PUBLIC;
    SQL
      for extension in $EXTENSIONS; do
        export extension
        psql --quiet --set=ON_ERROR_STOP=1 --dbname="$DATABASE" <<'SQL'
    \set extension `printenv extension`
    CREATE EXTENSION IF NOT EXISTS :"extension";
    SQL
      done
      index=$((index + 1))
    done
  '';

  backupScript = ''
    set -eu
    for database in $DATABASES; do
      file="/backup/$database-$(date -u +%Y-%m-%dT%H%M%SZ).dump"
      pg_dump --format=custom --dbname="$database" --file="$file.part"
      mv "$file.part" "$file"
    done
    # Not below: a new volume has a lost+found that only root may enter.
    find /backup -maxdepth 1 -name '*.dump' -mtime "+$RETENTION_DAYS" -delete
    find /backup -maxdepth 1 -name '*.part' -mtime +1 -delete
  '';
in
{
  name = "postgresql";
  summary = "PostgreSQL, a single server or a CloudNativePG cluster";
  kind = "store";

  options = common.workload // {
    name = option {
      type = types.dnsLabelWith "-backup-1234567890";
      default = "postgres";
      description = "Name of the server and of its Service.";
    };
    namespace = option {
      type = types.dnsLabel;
      description = "Namespace of the server.";
    };
    mode = option {
      type = types.enum [
        "statefulset"
        "cnpg"
      ];
      default = "statefulset";
      description = "One server in a StatefulSet, or a cluster that CloudNativePG runs.";
    };
    instances = option {
      type = types.positiveInt;
      default = 1;
      description = "Servers of a CloudNativePG cluster: one primary, the others replicas.";
    };
    databases = option {
      type = types.listOf databaseOrName;
      default = [ ];
      example = [
        "mlflow"
        {
          name = "registry";
          owner = "registry_app";
        }
      ];
      description = "Databases, each with an owner whose password is in the Secret NAME-OWNER.";
    };
    parameters = option {
      type = types.attrsOf (
        types.oneOf [
          types.string
          types.int
          types.bool
        ]
      );
      default = { };
      example = {
        shared_buffers = "1GB";
      };
      description = "Settings of postgresql.conf; max_connections is 200 unless it is set here.";
    };
    secretRef = option {
      type = types.secretRef "password";
      default = null;
      defaultText = "{ name = \"NAME-superuser\"; key = \"password\"; }";
      description = "Password of the superuser `postgres`, which the single server is made with.";
    };
    storage = common.storage "10Gi";
    resources = common.resources {
      cpu = "250m";
      memory = "512Mi";
      limits.memory = "1Gi";
    };
    sharedMemory = option {
      type = types.quantity;
      default = "128Mi";
      description = "Size of /dev/shm, which parallel queries need.";
    };
    backup = {
      enabled = option {
        type = types.bool;
        default = false;
        description = "Whether databases are backed up.";
      };
      schedule = option {
        type = types.cron;
        default = "0 2 * * *";
        description = "When, as five fields of cron.";
      };
      retentionDays = option {
        type = types.positiveInt;
        default = 14;
        description = "Days that backups are kept.";
      };
      size = option {
        type = types.quantity;
        default = "20Gi";
        description = "Size of the volume for dumps of the single server.";
      };
      store = option {
        type = types.endpoint [ "bucket" ];
        default = null;
        description = "Bucket for backups of a CloudNativePG cluster: `store.buckets.backups`.";
      };
    };
    pooler = {
      enabled = option {
        type = types.bool;
        default = false;
        description = "Whether a PgBouncer pool stands before a CloudNativePG cluster; the endpoints then point at it.";
      };
      mode = option {
        type = types.enum [
          "session"
          "transaction"
        ];
        default = "session";
        description = "Pool mode; `transaction` breaks prepared statements and advisory locks.";
      };
      instances = option {
        type = types.positiveInt;
        default = 2;
        description = "PgBouncer pods.";
      };
    };
    exporter.image = option {
      type = types.imageReference;
      default = null;
      description = "Image of postgres_exporter, run beside the single server for metrics on port 9187; CloudNativePG exports metrics by itself.";
    };
    inherit (common) monitoring networkPolicy service;
  };

  versions = {
    "17.9".images.server = "docker.io/library/postgres:17.9";
    "18.3".images = {
      server = "docker.io/library/postgres:18.3";
      cluster = "ghcr.io/cloudnative-pg/postgresql:18.4-system-trixie";
    };
  };
  defaultVersion = "17.9";
  mainImage = "server";

  requires =
    { config, ... }:
    (if isCluster config then [ "cloudnative-pg" ] else [ ])
    ++ (if isCluster config && config.backup.enabled then [ "barman-cloud" ] else [ ])
    ++ (if config.monitoring.enabled then [ "prometheus-operator" ] else [ ]);

  checks =
    { config, images, ... }:
    let
      names = map (database: database.name) config.databases;
      repeated = filter (name: length (filter (other: other == name) names) > 1) names;
      owners = map (database: database.owner) config.databases;
    in
    common.serviceChecks config
    ++ [
      {
        when = !isCluster config && config.instances > 1;
        path = "instances";
        message = "${toString config.instances} servers of mode statefulset would be ${toString config.instances} independent databases; use mode = \"cnpg\", or 1 instance";
      }
      {
        when = isCluster config && !(images ? cluster);
        path = "mode";
        message = "no CloudNativePG image is known for version ${config.version}; use version = \"18.3\", or give image.cluster";
      }
      {
        when = !isCluster config && config.pooler.enabled;
        path = "pooler.enabled";
        message = "the pooler belongs to CloudNativePG; use mode = \"cnpg\"";
      }
      {
        when = !isCluster config && config.backup.store != null;
        path = "backup.store";
        message = "the single server dumps to a volume; use mode = \"cnpg\" to back up to a bucket";
      }
      {
        when = isCluster config && config.backup.enabled && config.backup.store == null;
        path = "backup.store";
        message = "a CloudNativePG cluster backs up to a bucket; expected backup.store = store.buckets.<name>";
      }
      {
        when = isCluster config && config.exporter.image != null;
        path = "exporter.image";
        message = "CloudNativePG exports metrics by itself on port 9187; leave the exporter out";
      }
      {
        when = isCluster config && config.service.type != "ClusterIP";
        path = "service.type";
        message = "CloudNativePG makes the Services of mode cnpg; expected ClusterIP";
      }
      {
        when = repeated != [ ];
        path = "databases";
        message = "database ${head (repeated ++ [ "" ])} is named twice";
      }
      {
        when = elem "postgres" owners;
        path = "databases";
        message = "postgres is the superuser; expected an owner of another name";
      }
    ];

  warnings =
    { config, ... }:
    [
      {
        when = config.monitoring.enabled && !isCluster config && config.exporter.image == null;
        text = "PostgreSQL exports no metrics by itself and no exporter.image is given: it is not monitored";
      }
      {
        when = isCluster config && config.instances == 1;
        text = "a CloudNativePG cluster of one instance has no replica to fail over to";
      }
    ];

  endpoints =
    { config, name, ... }:
    let
      cluster = isCluster config;
      base = {
        protocol = "sql";
        dialect = "postgresql";
        scheme = "postgresql";
        service = if cluster && config.pooler.enabled then "${name}-pooler" else serviceOf config;
        port = 5432;
      }
      // (
        if cluster then
          {
            podLabels =
              if config.pooler.enabled then
                { "cnpg.io/poolerName" = "${name}-pooler"; }
              else
                { "cnpg.io/cluster" = name; };
          }
        else
          { }
      );
      of =
        database:
        base
        // {
          database = database.name;
          username = database.owner;
          path = "/${database.name}";
          secretRef = {
            name = secretOf name database;
            key = "password";
            inherit (config) namespace;
          };
        };
      perDatabase = listToAttrs (
        map (database: {
          inherit (database) name;
          value = of database;
        }) config.databases
      );
    in
    perDatabase
    // {
      # The server itself: its only database when there is one, so that consumers need not name it.
      sql =
        if length config.databases == 1 then
          of (head config.databases)
        else
          base
          // {
            databases = perDatabase;
          };
    };

  secrets =
    { config, name, ... }:
    let
      superuser =
        if config.secretRef != null then
          config.secretRef
        else
          {
            name = "${name}-superuser";
            key = "password";
          };
      key =
        key: purpose: extra:
        { inherit key purpose; } // extra;
    in
    (
      if isCluster config then
        [ ]
      else
        [
          {
            inherit (superuser) name;
            purpose = "superuser of PostgreSQL ${name}";
            keys = [ (key superuser.key "password of the user postgres" { generate.length = 32; }) ];
          }
        ]
    )
    ++ map (database: {
      name = secretOf name database;
      type = "kubernetes.io/basic-auth";
      purpose = "database user ${database.owner}";
      keys = [
        (key "username" "user name" { value = database.owner; })
        (key "password" "password of ${database.owner}" { generate.length = 32; })
      ];
    }) (owners config.databases)
    ++ (
      if config.backup.store == null then
        [ ]
      else
        let
          inherit (config.backup.store) credentials;
          copy =
            field: purpose: source:
            key field purpose {
              copyOf = {
                inherit (credentials) namespace name;
                key = source;
              };
            };
        in
        [
          {
            name = "${name}-backup";
            purpose = "bucket of the backups";
            keys = [
              (copy "AWS_ACCESS_KEY_ID" "access key id" credentials.accessKey)
              (copy "AWS_SECRET_ACCESS_KEY" "secret access key" credentials.secretKey)
            ];
          }
        ]
    );

  connections =
    { config, ... }:
    if config.backup.store == null then
      [ ]
    else
      [
        {
          option = "backup.store";
          inherit (config.backup.store) host port;
          order = false;
        }
      ];

  pods =
    {
      config,
      name,
      k8s,
      ...
    }:
    if isCluster config then
      [ { "cnpg.io/cluster" = name; } ]
      ++ (if config.pooler.enabled then [ { "cnpg.io/poolerName" = "${name}-pooler"; } ] else [ ])
    else
      [ (k8s.selector null) ];

  # The instance manager of CloudNativePG talks to the API, and the operator to it.
  apiAccess = { config, ... }: isCluster config;
  open =
    { config, ... }:
    if isCluster config then
      [
        {
          port = 8000;
          reason = "status port, which the operator asks";
        }
        {
          port = 5432;
          reason = "the operator connects to instances";
        }
      ]
    else
      [ ];
  podSecurity =
    { config, ... }:
    if isCluster config then
      [
        {
          level = "restricted";
          reason = "CloudNativePG's instances meet it";
        }
      ]
    else
      [ ];

  render =
    {
      config,
      name,
      images,
      version,
      k8s,
      ...
    }:
    let
      directory = dataDirectory version;
      superuser =
        if config.secretRef != null then
          config.secretRef
        else
          {
            name = "${name}-superuser";
            key = "password";
          };
      parameters = {
        max_connections = 200;
      }
      // config.parameters;
      text =
        value:
        if value == true then
          "on"
        else if value == false then
          "off"
        else
          toString value;

      probe = {
        command = [
          "pg_isready"
          "-h"
          "127.0.0.1"
          "-U"
          "postgres"
        ];
        timeoutSeconds = 5;
      };

      client = {
        PGHOST = name;
        PGPORT = "5432";
        PGUSER = "postgres";
        PGPASSWORD = k8s.secretKey superuser;
      };

      server = k8s.statefulSet {
        inherit name;
        user = 999;
        containers = [
          {
            name = "postgres";
            image = images.server;
            args = builtins.concatMap (parameter: [
              "-c"
              "${parameter}=${text parameters.${parameter}}"
            ]) (attrNames parameters);
            env = {
              PGDATA = directory.pgdata;
              POSTGRES_INITDB_ARGS = "--data-checksums --auth-host=scram-sha-256";
              POSTGRES_PASSWORD = k8s.secretKey superuser;
            };
            ports.sql = 5432;
            mounts = {
              data = directory.mountPath;
              run = "/var/run/postgresql";
              shm = "/dev/shm";
              tmp = "/tmp";
            };
            inherit (config) resources;
            startup = k8s.execProbe (
              probe
              // {
                periodSeconds = 10;
                failureThreshold = 30;
              }
            );
            readiness = k8s.execProbe (probe // { periodSeconds = 5; });
            liveness = k8s.execProbe (
              probe
              // {
                periodSeconds = 20;
                failureThreshold = 6;
              }
            );
          }
        ]
        ++ (
          if config.exporter.image == null then
            [ ]
          else
            [
              {
                name = "exporter";
                image = config.exporter.image;
                env = {
                  DATA_SOURCE_URI = "127.0.0.1:5432/postgres?sslmode=disable";
                  DATA_SOURCE_USER = "postgres";
                  DATA_SOURCE_PASS = k8s.secretKey superuser;
                };
                ports.metrics = 9187;
                resources = {
                  requests = {
                    cpu = "10m";
                    memory = "32Mi";
                  };
                  limits.memory = "128Mi";
                };
                readiness = k8s.tcpProbe { port = "metrics"; };
              }
            ]
        );
        volumes = {
          run = { };
          tmp = { };
          shm.emptyDir = {
            medium = "Memory";
            sizeLimit = config.sharedMemory;
          };
        };
        claims.data = k8s.claimSpec { inherit (config.storage) size storageClass accessMode; };
        pod = {
          # A Service named postgres would otherwise put POSTGRES_PORT=tcp://… into the environment.
          enableServiceLinks = false;
          terminationGracePeriodSeconds = 60;
        };
      };

      numbered = genList (index: {
        inherit index;
        database = builtins.elemAt config.databases index;
      }) (length config.databases);

      provision = k8s.job {
        name = "${name}-databases";
        role = "provision";
        user = 999;
        containers = [
          {
            name = "provision";
            image = images.server;
            command = [
              "sh"
              "-c"
              provisionScript
            ];
            env = [
              client
              { DATABASES = toString (length config.databases); }
            ]
            ++ map (
              { index, database }:
              {
                "DATABASE_${toString index}" = database.name;
                "OWNER_${toString index}" = database.owner;
                "EXTENSIONS_${toString index}" = concatStringsSep " " database.extensions;
                "PASSWORD_${toString index}" = k8s.secretKey {
                  name = secretOf name database;
                  key = "password";
                };
              }
            ) numbered;
            mounts.tmp = "/tmp";
            resources = {
              requests = {
                cpu = "50m";
                memory = "64Mi";
              };
              limits.memory = "256Mi";
            };
          }
        ];
        volumes.tmp = { };
        pod.enableServiceLinks = false;
      };

      backup = [
        (k8s.claim {
          name = "${name}-backup";
          inherit (config.backup) size;
          inherit (config.storage) storageClass;
        })
        (k8s.cronJob {
          name = "${name}-backup";
          role = "backup";
          inherit (config.backup) schedule;
          user = 999;
          containers = [
            {
              name = "dump";
              image = images.server;
              command = [
                "sh"
                "-c"
                backupScript
              ];
              env = client // {
                DATABASES = concatStringsSep " " (
                  if config.databases == [ ] then [ "postgres" ] else map (database: database.name) config.databases
                );
                RETENTION_DAYS = toString config.backup.retentionDays;
              };
              mounts = {
                backup = "/backup";
                tmp = "/tmp";
              };
              resources = {
                requests = {
                  cpu = "100m";
                  memory = "128Mi";
                };
                limits.memory = "512Mi";
              };
            }
          ];
          volumes = {
            backup.persistentVolumeClaim.claimName = "${name}-backup";
            tmp = { };
          };
          pod.enableServiceLinks = false;
        })
      ];

      single = [
        (k8s.service {
          name = "${name}-headless";
          headless = true;
          ports.sql = 5432;
        })
        (k8s.service {
          inherit name;
          inherit (config.service) type;
          ports.sql = {
            port = 5432;
          }
          // (if config.service.nodePort == null then { } else { inherit (config.service) nodePort; });
        })
        (
          server
          // {
            spec = server.spec // {
              serviceName = "${name}-headless";
            };
          }
        )
      ]
      ++ (if config.databases == [ ] then [ ] else [ provision ])
      ++ (if config.backup.enabled then backup else [ ])
      ++ (
        if config.exporter.image == null then
          [ ]
        else
          k8s.podMonitor {
            inherit name;
            port = "metrics";
          }
      );

      placement = k8s.placement;
      cnpg = "postgresql.cnpg.io/v1";
      storeName = "${name}-backup";
      cluster = [
        (k8s.object {
          apiVersion = cnpg;
          kind = "Cluster";
          inherit name;
          spec = {
            inherit (config) instances;
            imageName = images.cluster;
            storage = {
              inherit (config.storage) size;
            }
            // (
              if config.storage.storageClass == null then { } else { inherit (config.storage) storageClass; }
            );
            postgresql.parameters = builtins.mapAttrs (_: text) parameters;
            inherit (config) resources;
            # A budget for one instance would block every drain of its node.
            enablePDB = config.instances > 1;
            bootstrap.initdb.dataChecksums = true;
            managed.roles = map (database: {
              name = database.owner;
              ensure = "present";
              login = true;
              passwordSecret.name = secretOf name database;
            }) (owners config.databases);
            affinity = builtins.intersectAttrs {
              nodeSelector = null;
              tolerations = null;
            } placement;
          }
          // (if placement ? priorityClassName then { inherit (placement) priorityClassName; } else { })
          // (
            if config.imagePullSecrets == [ ] then
              { }
            else
              { imagePullSecrets = map (secret: { name = secret; }) config.imagePullSecrets; }
          )
          // (if config.extraEnv == { } then { } else { env = k8s.env config.extraEnv; })
          // (
            if config.backup.enabled then
              {
                plugins = [
                  {
                    name = "barman-cloud.cloudnative-pg.io";
                    isWALArchiver = true;
                    parameters.barmanObjectName = storeName;
                  }
                ];
              }
            else
              { }
          );
        })
      ]
      ++ map (
        database:
        k8s.object {
          apiVersion = cnpg;
          kind = "Database";
          name = "${name}-${label database.name}";
          spec = {
            cluster.name = name;
            inherit (database) name owner;
            databaseReclaimPolicy = "retain";
          }
          // (
            if database.extensions == [ ] then
              { }
            else
              { extensions = map (extension: { name = extension; }) database.extensions; }
          );
        }
      ) config.databases
      ++ (
        if !config.pooler.enabled then
          [ ]
        else
          [
            (k8s.object {
              apiVersion = cnpg;
              kind = "Pooler";
              name = "${name}-pooler";
              spec = {
                cluster.name = name;
                type = "rw";
                inherit (config.pooler) instances;
                pgbouncer.poolMode = config.pooler.mode;
              };
            })
          ]
      )
      ++ (
        if !config.backup.enabled then
          [ ]
        else
          let
            inherit (config.backup) store;
            reference = key: {
              name = "${name}-backup";
              inherit key;
            };
          in
          [
            (k8s.object {
              apiVersion = "barmancloud.cnpg.io/v1";
              kind = "ObjectStore";
              name = storeName;
              spec = {
                retentionPolicy = "${toString config.backup.retentionDays}d";
                configuration = {
                  destinationPath = "s3://${store.bucket}/${name}";
                  endpointURL = store.url;
                  s3Credentials = {
                    accessKeyId = reference "AWS_ACCESS_KEY_ID";
                    secretAccessKey = reference "AWS_SECRET_ACCESS_KEY";
                  };
                  wal.compression = "gzip";
                };
                # Checksum trailers of newer clients break some S3 servers.
                instanceSidecarConfiguration.env = [
                  {
                    name = "AWS_REQUEST_CHECKSUM_CALCULATION";
                    value = "when_required";
                  }
                  {
                    name = "AWS_RESPONSE_CHECKSUM_VALIDATION";
                    value = "when_required";
                  }
                ];
              };
            })
            (k8s.object {
              apiVersion = cnpg;
              kind = "ScheduledBackup";
              name = "${name}-backup";
              spec = {
                cluster.name = name;
                # CloudNativePG counts seconds first.
                schedule = "0 ${config.backup.schedule}";
                method = "plugin";
                pluginConfiguration.name = "barman-cloud.cloudnative-pg.io";
                backupOwnerReference = "self";
              };
            })
          ]
      )
      ++ k8s.podMonitor {
        inherit name;
        port = "metrics";
        selector = {
          "cnpg.io/cluster" = name;
          "cnpg.io/podRole" = "instance";
        };
      };
    in
    if isCluster config then cluster else single;
}
