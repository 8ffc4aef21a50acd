# An S3 object store of one server: SeaweedFS, or MinIO where someone still has it. Each bucket has a user of its
# own that can do nothing else; a Job makes buckets, users and expiry rules, and brings them up to date.
{
  types,
  option,
  common,
  ...
}:
let
  inherit (builtins)
    elemAt
    filter
    genList
    head
    length
    listToAttrs
    map
    replaceStrings
    stringLength
    toString
    ;

  bucketName = types.pattern {
    name = "bucket name";
    expected = "a bucket name (3-63 lower-case letters, digits, '-' and '.')";
    maxLength = 63;
    regex = "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]";
  };

  bucket = types.submodule {
    name = "bucket";
    options = {
      name = option {
        type = bucketName;
        description = "Name of the bucket.";
      };
      expireDays = option {
        type = types.positiveInt;
        default = null;
        description = "Days after which objects expire.";
      };
      versioning = option {
        type = types.bool;
        default = false;
        description = "Whether old versions of objects are kept.";
      };
      quotaMiB = option {
        type = types.positiveInt;
        default = null;
        description = "Most that the bucket may hold, in MiB (SeaweedFS).";
      };
    };
  };
  # A name alone is a bucket without further settings.
  bucketOrName =
    (types.oneOf [
      bucketName
      bucket
    ])
    // {
      convert = value: bucket.convert (if builtins.isString value then { name = value; } else value);
    };

  label = replaceStrings [ "." ] [ "-" ];
  secretOf = name: bucket: "${name}-${label bucket.name}";

  isMinio = config: config.engine == "minio";

  adminOf =
    config:
    if config.credentials != null then
      config.credentials
    else
      {
        name = "${config.name}-admin";
        accessKey = "AWS_ACCESS_KEY_ID";
        secretKey = "AWS_SECRET_ACCESS_KEY";
      };

  number =
    list:
    genList (index: {
      inherit index;
      value = elemAt list index;
    }) (length list);

  seaweedScript = ''
    set -eu
    run() { weed shell -master="$MASTER" -filer="$FILER"; }
    until wget -q -O /dev/null "$ENDPOINT/status"; do sleep 2; done
    index=0
    while [ "$index" -lt "$BUCKETS" ]; do
      eval "bucket=\$BUCKET_$index access=\$ACCESS_KEY_$index secret=\$SECRET_KEY_$index days=\$EXPIRE_DAYS_$index versioning=\$VERSIONING_$index quota=\$QUOTA_MIB_$index"
      if ! echo "s3.bucket.list" | run | grep -qw -- "$bucket"; then
        echo "s3.bucket.create -name $bucket" | run
      fi
      echo "s3.configure -user $bucket -access_key $access -secret_key $secret -buckets $bucket -actions Read,Write,List,Tagging -apply" | run > /dev/null
      if [ -n "$days" ]; then
        echo "fs.configure -locationPrefix=/buckets/$bucket/ -ttl=''${days}d -apply" | run > /dev/null
      fi
      if [ "$versioning" = true ]; then
        echo "s3.bucket.versioning -name $bucket -enable" | run
      fi
      if [ -n "$quota" ]; then
        echo "s3.bucket.quota -name=$bucket -op=set -sizeMB=$quota" | run
      fi
      echo "s3.bucket.list" | run | grep -qw -- "$bucket"
      index=$((index + 1))
    done
  '';

  minioScript = ''
    set -eu
    until mc alias set store "$ENDPOINT" "$ROOT_USER" "$ROOT_PASSWORD" > /dev/null; do sleep 2; done
    index=0
    while [ "$index" -lt "$BUCKETS" ]; do
      eval "bucket=\$BUCKET_$index access=\$ACCESS_KEY_$index secret=\$SECRET_KEY_$index days=\$EXPIRE_DAYS_$index versioning=\$VERSIONING_$index"
      mc mb --ignore-existing "store/$bucket"
      mc admin user add store "$access" "$secret"
      printf '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::%s","arn:aws:s3:::%s/*"]}]}' "$bucket" "$bucket" > /tmp/policy.json
      mc admin policy create store "$bucket" /tmp/policy.json
      # Some versions fail where it is attached already. The image has no grep.
      mc admin policy attach store "$bucket" --user "$access" || case "$(mc admin user info store "$access")" in
        *"$bucket"*) ;;
        *) exit 1 ;;
      esac
      if [ "$versioning" = true ]; then
        mc version enable "store/$bucket"
      fi
      # All rules at once: `mc ilm rule add` would add another one each time.
      if [ -n "$days" ]; then
        printf '{"Rules":[{"ID":"expire","Status":"Enabled","Filter":{"Prefix":""},"Expiration":{"Days":%s}}]}' "$days" | mc ilm rule import "store/$bucket"
      elif mc ilm rule export "store/$bucket" > /dev/null 2>&1; then
        mc ilm rule rm --all --force "store/$bucket"
      fi
      index=$((index + 1))
    done
  '';
in
{
  name = "object-store";
  summary = "S3 object store of one server (SeaweedFS)";
  kind = "store";

  options = common.workload // {
    name = option {
      type = types.dnsLabelWith "-buckets-12345678";
      default = "store";
      description = "Name of the store and of its Service.";
    };
    namespace = option {
      type = types.dnsLabel;
      description = "Namespace of the store.";
    };
    engine = option {
      type = types.enum [
        "seaweedfs"
        "minio"
      ];
      default = "seaweedfs";
      description = "Server; MinIO is not maintained any more.";
    };
    buckets = option {
      type = types.listOf bucketOrName;
      default = [ ];
      example = [
        "mlflow"
        {
          name = "scratch";
          expireDays = 7;
        }
      ];
      description = "Buckets, each with a user of its own whose keys are in the Secret NAME-BUCKET.";
    };
    size = option {
      type = types.quantity;
      default = "50Gi";
      description = "Size of the volume.";
    };
    storageClass = option {
      type = types.dnsSubdomain;
      derive = { settings, ... }: settings.storageClass;
      defaultText = "the platform's, else the cluster's default";
      description = "StorageClass of the volume.";
    };
    port = option {
      type = types.port;
      default = 9000;
      description = "Port of the S3 API at the Service.";
    };
    region = option {
      type = types.string;
      default = "us-east-1";
      description = "Region that clients are told, which they sign requests with.";
    };
    credentials = option {
      type = types.accessKeyRef;
      default = null;
      defaultText = "{ name = \"NAME-admin\"; }";
      description = "Keys of the administrator.";
    };
    resources = common.resources {
      cpu = "250m";
      memory = "512Mi";
      limits.memory = "2Gi";
    };
    ingress = common.ingress { };
    inherit (common) monitoring networkPolicy service;
  };

  versions."4.44".images = {
    server = "ghcr.io/chrislusf/seaweedfs:4.44";
    minio = "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z";
    mc = "quay.io/minio/mc:RELEASE.2025-08-13T08-35-41Z";
  };
  mainImage = "server";

  requires = { config, ... }: if config.monitoring.enabled then [ "prometheus-operator" ] else [ ];

  checks =
    { config, ... }:
    let
      names = map (bucket: bucket.name) config.buckets;
      twice = list: filter (name: length (filter (other: other == name) list) > 1) list;
      repeated = twice names;
      clash = twice (map label names);
      tooLong = filter (bucket: stringLength (secretOf config.name bucket) > 253) config.buckets;
    in
    common.serviceChecks config
    ++ [
      {
        when = repeated != [ ];
        path = "buckets";
        message = "bucket ${head (repeated ++ [ "" ])} is named twice";
      }
      {
        when = repeated == [ ] && clash != [ ];
        path = "buckets";
        message = "two buckets would share the Secret of ${head (clash ++ [ "" ])}; names may not differ in '.' and '-' alone";
      }
      {
        when = tooLong != [ ];
        path = "buckets";
        message = "the Secret of a bucket would have a name of more than 253 characters; use shorter names";
      }
      {
        when = isMinio config && filter (bucket: bucket.quotaMiB != null) config.buckets != [ ];
        path = "buckets";
        message = "quotaMiB works with engine seaweedfs only; leave it out, or change engine";
      }
      {
        when = config.ingress.enabled && config.ingress.host == null;
        path = "ingress.host";
        message = "an ingress needs a host; give one, or a domain to the platform";
      }
    ];

  warnings =
    { config, ... }:
    [
      {
        when = isMinio config;
        text = "MinIO is archived upstream and its last images have known vulnerabilities that were fixed only later in source; seaweedfs is maintained";
      }
    ];

  endpoints =
    { config, name, ... }:
    let
      admin =
        if config.credentials != null then
          config.credentials
        else
          {
            name = "${name}-admin";
            accessKey = "AWS_ACCESS_KEY_ID";
            secretKey = "AWS_SECRET_ACCESS_KEY";
          };
    in
    {
      s3 = {
        protocol = "s3";
        service = name;
        inherit (config) port region;
        targetPort = if isMinio config then 9000 else 8333;
        pathStyle = true;
        credentials = {
          inherit (admin) name accessKey secretKey;
          inherit (config) namespace;
        };
      };
    };

  # `store.buckets.mlflow` stands for a bucket, with the keys of its own user.
  passthru =
    {
      config,
      name,
      endpoints,
      ...
    }:
    {
      buckets = listToAttrs (
        map (bucket: {
          inherit (bucket) name;
          value = endpoints.s3 // {
            inherit (bucket) name;
            protocol = "bucket";
            bucket = bucket.name;
            credentials = {
              name = secretOf name bucket;
              accessKey = "AWS_ACCESS_KEY_ID";
              secretKey = "AWS_SECRET_ACCESS_KEY";
              inherit (config) namespace;
            };
          };
        }) config.buckets
      );
    };

  secrets =
    { config, name, ... }:
    let
      admin =
        if config.credentials != null then
          config.credentials
        else
          {
            name = "${name}-admin";
            accessKey = "AWS_ACCESS_KEY_ID";
            secretKey = "AWS_SECRET_ACCESS_KEY";
          };
      keys = reference: who: [
        {
          key = reference.accessKey;
          purpose = "access key id of ${who}";
          generate.length = 20;
        }
        {
          key = reference.secretKey;
          purpose = "secret access key of ${who}";
          generate.length = 40;
        }
      ];
    in
    [
      {
        inherit (admin) name;
        purpose = "administrator of object store ${name}";
        keys = keys admin "the administrator";
      }
    ]
    ++ map (bucket: {
      name = secretOf name bucket;
      purpose = "user of bucket ${bucket.name}";
      keys = keys {
        accessKey = "AWS_ACCESS_KEY_ID";
        secretKey = "AWS_SECRET_ACCESS_KEY";
      } "the bucket's user";
    }) config.buckets;

  render =
    {
      config,
      name,
      images,
      k8s,
      ...
    }:
    let
      minio = isMinio config;
      admin =
        if config.credentials != null then
          config.credentials
        else
          {
            name = "${name}-admin";
            accessKey = "AWS_ACCESS_KEY_ID";
            secretKey = "AWS_SECRET_ACCESS_KEY";
          };
      adminKey =
        field:
        k8s.secretKey {
          inherit (admin) name;
          key = admin.${field};
        };
      path = if minio then "/minio/health/live" else "/status";
      probe = {
        inherit path;
        port = "s3";
        timeoutSeconds = 5;
      };

      server = {
        name = config.engine;
        inherit (config) resources;
        mounts = {
          data = "/data";
          tmp = "/tmp";
        };
        startup = k8s.httpProbe (
          probe
          // {
            periodSeconds = 5;
            failureThreshold = 36;
          }
        );
        readiness = k8s.httpProbe (probe // { periodSeconds = 10; });
        liveness = k8s.httpProbe (probe // { periodSeconds = 30; });
      };

      seaweed = server // {
        image = images.server;
        args = [
          "server"
          "-dir=/data"
          "-s3"
          "-iam"
          "-filer"
          "-ip.bind=0.0.0.0"
          # A name that clients can reach: the server tells it to them.
          "-ip=${name}-internal"
          "-master.telemetry=false"
          "-master.volumePreallocate=false"
          # Every bucket grows several volumes at once; small ones, as many as the disk holds.
          "-master.volumeSizeLimitMB=1024"
          "-volume.max=0"
          "-s3.autoCreateBucket=false"
          "-s3.allowDeleteBucketNotEmpty=false"
        ]
        ++ (if config.monitoring.enabled then [ "-metricsPort=9327" ] else [ ]);
        env = {
          AWS_ACCESS_KEY_ID = adminKey "accessKey";
          AWS_SECRET_ACCESS_KEY = adminKey "secretKey";
        };
        ports = {
          s3 = 8333;
          master = 9333;
          master-grpc = 19333;
          filer = 8888;
          filer-grpc = 18888;
          volume = 8080;
          volume-grpc = 18080;
        }
        // (if config.monitoring.enabled then { metrics = 9327; } else { });
      };

      minioServer = server // {
        image = images.minio;
        args = [
          "server"
          "/data"
          "--address"
          ":9000"
        ];
        env = {
          MINIO_ROOT_USER = adminKey "accessKey";
          MINIO_ROOT_PASSWORD = adminKey "secretKey";
          MINIO_REGION = config.region;
          MINIO_BROWSER = "off";
        }
        // (if config.monitoring.enabled then { MINIO_PROMETHEUS_AUTH_TYPE = "public"; } else { });
        ports.s3 = 9000;
      };

      buckets = number config.buckets;
      provision = k8s.job {
        name = "${name}-buckets";
        role = "buckets";
        user = 1000;
        containers = [
          {
            name = "buckets";
            image = if minio then images.mc else images.server;
            command = [
              "sh"
              "-c"
              (if minio then minioScript else seaweedScript)
            ];
            env = [
              {
                ENDPOINT = "http://${name}:${toString config.port}";
                BUCKETS = toString (length config.buckets);
                HOME = "/tmp";
              }
              (
                if minio then
                  {
                    ROOT_USER = adminKey "accessKey";
                    ROOT_PASSWORD = adminKey "secretKey";
                  }
                else
                  {
                    MASTER = "${name}-internal:9333";
                    FILER = "${name}-internal:8888";
                  }
              )
            ]
            ++ map (
              { index, value }:
              let
                n = toString index;
                secret =
                  key:
                  k8s.secretKey {
                    name = secretOf name value;
                    inherit key;
                  };
              in
              {
                "BUCKET_${n}" = value.name;
                "ACCESS_KEY_${n}" = secret "AWS_ACCESS_KEY_ID";
                "SECRET_KEY_${n}" = secret "AWS_SECRET_ACCESS_KEY";
                "EXPIRE_DAYS_${n}" = if value.expireDays == null then "" else toString value.expireDays;
                "VERSIONING_${n}" = if value.versioning then "true" else "false";
                "QUOTA_MIB_${n}" = if value.quotaMiB == null then "" else toString value.quotaMiB;
              }
            ) buckets;
            mounts.tmp = "/tmp";
            resources = {
              requests = {
                cpu = "50m";
                memory = "64Mi";
              };
              limits.memory = "512Mi";
            };
          }
        ];
        volumes.tmp = { };
        pod.enableServiceLinks = false;
      };

      internal = k8s.service {
        name = "${name}-internal";
        role = "server";
        headless = true;
        ports = {
          master = 9333;
          master-grpc = 19333;
          filer = 8888;
          filer-grpc = 18888;
          volume = 8080;
          volume-grpc = 18080;
        }
        // (if config.monitoring.enabled then { metrics = 9327; } else { });
        # The server finds itself by this name while it starts.
        spec.publishNotReadyAddresses = true;
      };

      claim = k8s.claim {
        name = "${name}-data";
        inherit (config) size storageClass;
      };
    in
    [
      claim
      (k8s.service {
        inherit name;
        inherit (config.service) type;
        ports.s3 = {
          inherit (config) port;
        }
        // (if config.service.nodePort == null then { } else { inherit (config.service) nodePort; });
      })
    ]
    ++ (if minio then [ ] else [ internal ])
    ++ [
      (k8s.deployment {
        inherit name;
        strategy = "Recreate";
        user = 1000;
        containers = [ (if minio then minioServer else seaweed) ];
        volumes = {
          data.persistentVolumeClaim.claimName = "${name}-data";
          tmp = { };
        };
        pod.enableServiceLinks = false;
      })
    ]
    ++ (if config.buckets == [ ] then [ ] else [ provision ])
    ++ k8s.route {
      inherit name;
      inherit (config) port;
    }
    ++ k8s.serviceMonitor (
      if minio then
        {
          inherit name;
          port = "s3";
          path = "/minio/v2/metrics/cluster";
        }
      else
        {
          inherit name;
          port = "metrics";
        }
    );
}
