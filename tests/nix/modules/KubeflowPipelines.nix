{ mlops }:
let
  inherit (builtins)
    attrNames
    concatMap
    elem
    filter
    head
    isString
    length
    listToAttrs
    map
    match
    split
    toJSON
    ;
  inherit (mlops) mkKubeflowPipelines mkObjectStore mkPlatform;

  base = {
    name = "pipelines";
  };
  s3 = {
    backend = "s3";
    region = "eu-central-1";
    bucket = "acme-ml";
  };
  gcs = {
    backend = "gcs";
    bucket = "acme-ml";
  };
  minio = {
    endpoint = "https://s3.example.com:9443";
  };
  mysql = {
    host = "db.example.com";
    username = "kfp";
  };
  # What a MySQL component gives to others.
  mysqlEndpoint = {
    _type = "endpoint";
    component = "mysql";
    name = "sql";
    protocol = "sql";
    dialect = "mysql";
    scheme = "mysql";
    path = "";
    host = "mysql.ml-data.svc";
    url = "mysql://mysql.ml-data.svc:3306";
    namespace = "ml-data";
    service = "mysql";
    port = 3306;
    targetPort = 3306;
    database = "kfp";
    username = "kfp";
    secretRef = {
      name = "mysql-kfp";
      key = "password";
      namespace = "ml-data";
    };
  };
  monitored.monitoring.enabled = true;
  routed.ingress.host = "pipelines.example.com";
  hello = {
    pipelineInfo.name = "hello";
    schemaVersion = "2.1.0";
  };

  make = args: mkKubeflowPipelines (base // args);
  objects = args: (make args).objects;
  names =
    kind: args:
    map (object: object.metadata.name) (filter (object: object.kind == kind) (objects args));
  titles = args: map (object: "${object.kind}/${object.metadata.name}") (objects args);
  find =
    kind: name: args:
    head (filter (object: object.kind == kind && object.metadata.name == name) (objects args));
  data = name: args: (find "ConfigMap" name args).data;
  pod = name: args: (find "Deployment" name args).spec.template.spec;
  container = name: args: head (pod name args).containers;
  # Variable -> value or source.
  env =
    name: args:
    listToAttrs (
      map (entry: {
        inherit (entry) name;
        value = entry.value or entry.valueFrom;
      }) (container name args).env
    );
  secret = name: args: head (filter (found: found.name == name) (make args).secrets);
  key = name: found: head (filter (entry: entry.key == name) found.keys);
  contains = part: text: length (split part text) > 1;
  says = args: msg: {
    expr = objects args;
    expectedError.msg = msg;
  };

  platform =
    args: external: others:
    mkPlatform {
      name = "acme";
      inherit external;
      components = {
        pipelines = make args;
      }
      // others;
    };
  store = mkObjectStore {
    name = "store";
    namespace = "ml-data";
    buckets = [ "pipelines" ];
  };

  # option -> what is the same in both calls, and two values that must not render alike. A single value stands against
  # leaving the option out.
  pair = same: one: other: {
    inherit same one other;
  };
  given = same: one: pair same one { };
  options = {
    affinity = given { } {
      affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution = [ ];
    };
    annotations = given { } { annotations."example.com/team" = "ml"; };
    cacheCertificate = given { v1Components = true; } { cacheCertificate = "cache-deployer"; };
    cacheEnabled = given { } { cacheEnabled = false; };
    extraArgs = given { } { extraArgs = [ "--collectMetricsFlag=false" ]; };
    extraEnv = given { } { extraEnv.PIPELINE_URL_TIMEOUT = "10"; };
    extraVolumes = given { } {
      extraVolumes = [
        {
          name = "ca";
          mountPath = "/etc/ca";
          volume.configMap.name = "ca";
        }
      ];
    };
    image = given { } { image.driver = "registry.example.com/kfp-driver:2.17.0"; };
    imagePullSecrets = given { } { imagePullSecrets = [ "registry" ]; };
    "ingress.annotations" = given { ingress.host = "a.example.com"; } {
      ingress = {
        host = "a.example.com";
        annotations.a = "b";
      };
    };
    "ingress.class" = given routed {
      ingress = {
        host = "pipelines.example.com";
        class = "nginx";
      };
    };
    "ingress.controllerNamespace" = given routed {
      ingress = {
        host = "pipelines.example.com";
        controllerNamespace = "ingress";
      };
    };
    "ingress.enabled" = given routed {
      ingress = {
        host = "pipelines.example.com";
        enabled = false;
      };
    };
    "ingress.gateway.name" = given routed {
      ingress = {
        host = "pipelines.example.com";
        gateway.name = "public";
      };
    };
    "ingress.gateway.namespace" =
      pair { }
        {
          ingress = {
            host = "a.example.com";
            gateway.name = "public";
          };
        }
        {
          ingress = {
            host = "a.example.com";
            gateway = {
              name = "public";
              namespace = "gateways";
            };
          };
        };
    "ingress.gateway.sectionName" =
      pair { }
        {
          ingress = {
            host = "a.example.com";
            gateway.name = "public";
          };
        }
        {
          ingress = {
            host = "a.example.com";
            gateway = {
              name = "public";
              sectionName = "https";
            };
          };
        };
    "ingress.host" = given { } routed;
    "ingress.path" = given routed {
      ingress = {
        host = "pipelines.example.com";
        path = "/kfp";
      };
    };
    "ingress.tls.enabled" = given routed {
      ingress = {
        host = "pipelines.example.com";
        tls.enabled = true;
      };
    };
    "ingress.tls.issuer" =
      pair { }
        {
          ingress = {
            host = "a.example.com";
            tls.enabled = true;
          };
        }
        {
          ingress = {
            host = "a.example.com";
            tls = {
              enabled = true;
              issuer = "letsencrypt";
            };
          };
        };
    "ingress.tls.secretName" =
      pair { }
        {
          ingress = {
            host = "a.example.com";
            tls.enabled = true;
          };
        }
        {
          ingress = {
            host = "a.example.com";
            tls = {
              enabled = true;
              secretName = "wildcard";
            };
          };
        };
    labels = given { } { labels.team = "ml"; };
    "logging.enabled" = given { } { logging.enabled = false; };
    "logging.level" = given { } { logging.level = "debug"; };
    # The other value is an error: see `errors`.
    "metadata.database" = null;
    "metadata.databases.cache" = given { v1Components = true; } {
      metadata.databases.cache = "kfp_cache";
    };
    "metadata.databases.metadata" = given { } { metadata.databases.metadata = "kfp_metadata"; };
    "metadata.databases.pipelines" = given { } { metadata.databases.pipelines = "kfp"; };
    "metadata.host" = given { } { metadata = mysql; };
    "metadata.port" = given { metadata = mysql; } {
      metadata = mysql // {
        port = 3307;
      };
    };
    "metadata.secretRef" = given { } { metadata.secretRef.name = "root"; };
    "metadata.size" = given { } { metadata.size = "50Gi"; };
    "metadata.storageClass" = given { } { metadata.storageClass = "fast"; };
    "metadata.username" = given { metadata = mysql; } {
      metadata = mysql // {
        username = "pipelines";
      };
    };
    "monitoring.dashboards" = pair { } monitored {
      monitoring = {
        enabled = true;
        dashboards = false;
      };
    };
    "monitoring.enabled" = given { } monitored;
    "monitoring.interval" = pair { } monitored {
      monitoring = {
        enabled = true;
        interval = "1m";
      };
    };
    "monitoring.labels" = pair { } monitored {
      monitoring = {
        enabled = true;
        labels.release = "prometheus";
      };
    };
    "monitoring.rules" = pair { } monitored {
      monitoring = {
        enabled = true;
        rules = false;
      };
    };
    "multiUser.artifactProxy" = pair { } { multiUser.enabled = true; } {
      multiUser = {
        enabled = true;
        artifactProxy = true;
      };
    };
    "multiUser.enabled" = given { } { multiUser.enabled = true; };
    "multiUser.gateway" = pair { } { multiUser.enabled = true; } {
      multiUser = {
        enabled = true;
        gateway = "istio-system/public";
      };
    };
    "multiUser.userIdHeader" = pair { } { multiUser.enabled = true; } {
      multiUser = {
        enabled = true;
        userIdHeader = "x-user";
      };
    };
    "multiUser.userIdPrefix" = pair { } { multiUser.enabled = true; } {
      multiUser = {
        enabled = true;
        userIdPrefix = "accounts:";
      };
    };
    name = given { } { name = "other"; };
    namespace = given { } { namespace = "team-a"; };
    "networkPolicy.allowFrom" = given { } { networkPolicy.allowFrom = [ { podSelector = { }; } ]; };
    "networkPolicy.allowTo" = given { } {
      networkPolicy.allowTo = [ { ports = [ { port = 443; } ]; } ];
    };
    "networkPolicy.enabled" = given { } { networkPolicy.enabled = false; };
    # The pool is the platform's: see `platforms`.
    nodePool = null;
    nodeSelector = given { } { nodeSelector.disk = "ssd"; };
    patches = given { } {
      patches = [
        {
          target.kind = "PersistentVolumeClaim";
          patch.metadata.labels.backup = "nightly";
        }
      ];
    };
    pipelineRoot = given { } { pipelineRoot = "minio://mlpipeline/elsewhere"; };
    pipelineStore = given { } { pipelineStore = "kubernetes"; };
    pipelines = given { } { pipelines = { inherit hello; }; };
    "podDisruptionBudget.enabled" = given { ui.replicas = 2; } { podDisruptionBudget.enabled = false; };
    "podDisruptionBudget.maxUnavailable" = given { ui.replicas = 2; } {
      podDisruptionBudget.maxUnavailable = "50%";
    };
    "podDisruptionBudget.minAvailable" = given { ui.replicas = 2; } {
      podDisruptionBudget.minAvailable = 1;
    };
    priorityClassName = given { } { priorityClassName = "ml"; };
    "resources.cpu" = given { } { resources.cpu = 1; };
    "resources.limits" = given { } { resources.limits.cpu = 4; };
    "resources.memory" = given { } { resources.memory = "1Gi"; };
    "resources.requests" = given { } { resources.requests."example.com/thing" = 1; };
    samples = given { } { samples = false; };
    "serviceAccount.annotations" = given { } {
      serviceAccount.annotations."eks.amazonaws.com/role-arn" = "arn";
    };
    "storage.backend" = pair { } { storage = s3; } { storage = gcs; };
    "storage.bucket" = given { } { storage.bucket = "acme-ml"; };
    "storage.endpoint" = given { } { storage = minio; };
    "storage.keyRef" = given { storage = gcs; } {
      storage = gcs // {
        keyRef.name = "google";
      };
    };
    "storage.path" = given { } { storage.path = "team-a"; };
    "storage.region" = given { storage = s3; } {
      storage = s3 // {
        region = "us-east-2";
      };
    };
    "storage.retentionDays" = given { } { storage.retentionDays = 30; };
    "storage.secretRef" = given { storage = s3; } {
      storage = s3 // {
        secretRef.name = "s3";
      };
    };
    "storage.size" = given { } { storage.size = "1Ti"; };
    "storage.storageClass" = given { } { storage.storageClass = "fast"; };
    "tls.enabled" = given { } { tls.enabled = true; };
    tolerations = given { } { tolerations = [ { operator = "Exists"; } ]; };
    topologySpread = given { } {
      topologySpread = [
        {
          maxSkew = 1;
          topologyKey = "zone";
          whenUnsatisfiable = "ScheduleAnyway";
        }
      ];
    };
    "ui.enabled" = given { } { ui.enabled = false; };
    "ui.replicas" = given { } { ui.replicas = 2; };
    "ui.resources.cpu" = given { } { ui.resources.cpu = "100m"; };
    "ui.resources.limits" = given { } { ui.resources.limits.cpu = 1; };
    "ui.resources.memory" = given { } { ui.resources.memory = "256Mi"; };
    "ui.resources.requests" = given { } { ui.resources.requests."example.com/thing" = 1; };
    v1Components = given { } { v1Components = true; };
    # One version is known; other words for it: see `versions`.
    version = null;
    workflowController = given { } { workflowController = "cluster"; };
  };
  rendering =
    args:
    let
      component = make args;
    in
    toJSON {
      inherit (component)
        objects
        secrets
        requires
        crds
        ;
    };
in
{
  options = {
    testEveryOptionIsInTheTable = {
      expr = filter (path: !(options ? ${path})) (
        map (option: option.path) mkKubeflowPipelines.reference.options
      );
      expected = [ ];
    };
  }
  // listToAttrs (
    map (path: {
      name = "test ${path} has an effect";
      value = {
        expr =
          rendering (options.${path}.same // options.${path}.one)
          != rendering (options.${path}.same // options.${path}.other);
        expected = true;
      };
    }) (filter (path: options.${path} != null) (attrNames options))
  );

  defaults = {
    testNoV1PartsWithoutAsking = {
      expr = filter (name: elem name (names "Deployment" { })) [
        "cache-deployer-deployment"
        "cache-server"
        "ml-pipeline-viewer-crd"
        "ml-pipeline-visualizationserver"
      ];
      expected = [ ];
    };
    testNothingBeyondTheNamespaceButAPriority = {
      expr = filter (title: match "(Cluster|Mutating|Validating).*" title != null) (titles { });
      expected = [ ];
    };
    testNoSecretIsRendered = {
      expr = names "Secret" { };
      expected = [ ];
    };
    testRootOfTheBundledDatabaseHasAGeneratedPassword = {
      expr = (key "password" (secret "mysql-secret" { })).generate;
      expected.length = 32;
    };
    testDatabaseReadsThatPassword = {
      expr = (env "mysql" { }).MYSQL_ROOT_PASSWORD.secretKeyRef;
      expected = {
        name = "mysql-secret";
        key = "password";
      };
    };
    testKeysOfTheBundledStoreAreGenerated = {
      expr = map (entry: entry.generate.length) (secret "mlpipeline-minio-artifact" { }).keys;
      expected = [
        20
        40
      ];
    };
    testServerStartsWithoutTheVisualizationService = {
      expr = (env "ml-pipeline" { }).ML_PIPELINE_VISUALIZATIONSERVER_SERVICE_HOST;
      expected = "ml-pipeline-visualizationserver";
    };
    testArgoCrdsAreThoseOfTheBundledVersion = {
      expr =
        filter (crd: builtins.isAttrs crd && !(contains "argoproj.io-4.0.5-minimal/" crd.file))
          (make { }).crds;
      expected = [ ];
    };
    testEveryContainerIsHardened = {
      expr = concatMap (
        name:
        concatMap (
          one:
          if
            one.securityContext.allowPrivilegeEscalation == false
            && one.securityContext.capabilities.drop == [ "ALL" ]
            && one.securityContext.runAsNonRoot
            && one.resources ? requests
          then
            [ ]
          else
            [ "${name}/${one.name}" ]
        ) ((pod name { }).containers ++ (pod name { }).initContainers or [ ])
      ) (names "Deployment" { });
      expected = [ ];
    };
    testProgramsWithoutTheApiHaveNoToken = {
      expr = map (name: (pod name { }).automountServiceAccountToken) [
        "mysql"
        "seaweedfs"
        "metadata-grpc-deployment"
        "metadata-envoy-deployment"
        "ml-pipeline"
      ];
      expected = [
        false
        false
        false
        false
        true
      ];
    };
    testStepsHaveAToken = {
      expr = (find "ServiceAccount" "pipeline-runner" { }).automountServiceAccountToken;
      expected = true;
    };
    testEndpoints = {
      expr = builtins.mapAttrs (_: endpoint: endpoint.url) (make { }).endpoints;
      expected = {
        http = "http://ml-pipeline.kubeflow.svc:8888";
        grpc = "grpc://ml-pipeline.kubeflow.svc:8887";
        ui = "http://ml-pipeline-ui.kubeflow.svc:80";
      };
    };
  };

  namespaces =
    let
      other = {
        namespace = "team-a";
        v1Components = true;
      };
      everywhere = other // {
        multiUser.enabled = true;
        pipelineStore = "kubernetes";
      };
      # Words in which a namespace may hide: hosts, principals, whole values.
      stray =
        args:
        filter (part: isString part && match ".*[./\"]kubeflow([.\"/:].*)?" part != null) (
          split "[ ,]" (
            builtins.replaceStrings
              [
                "ghcr.io/kubeflow/"
                "authorization.kubeflow.org"
                "pipelines.kubeflow.org"
                "mlflow.kubeflow.org"
                "secrets/kubeflow/tokens"
                "kubeflow.org"
              ]
              [
                ""
                ""
                ""
                ""
                ""
                ""
              ]
              (toJSON (objects args))
          )
        );
    in
    {
      testNothingNamesTheUsualNamespace = {
        expr = stray other;
        expected = [ ];
      };
      testNothingNamesTheUsualNamespaceWithSeveralUsers = {
        expr = stray everywhere;
        expected = [ ];
      };
      testProgramsFindTheStore = {
        expr = [
          (env "ml-pipeline" other).OBJECTSTORECONFIG_HOST
          (contains "seaweedfs.team-a.svc:9000" (data "kfp-launcher" other).providers)
          (contains "seaweedfs.team-a.svc:9000" (data "workflow-controller-configmap" other)
          .artifactRepository)
        ];
        expected = [
          "seaweedfs.team-a"
          true
          true
        ];
      };
      testNamesWithoutANamespaceDoNotMeetAnotherInstallation = {
        expr = filter (
          object: !(object.metadata ? namespace) && !(contains "team-a" object.metadata.name)
        ) (objects other);
        expected = [ ];
      };
      testTwoInstallationsInOnePlatform = {
        expr =
          length
            (platform { } [ "cert-manager" ] {
              other = mkKubeflowPipelines {
                name = "other";
                namespace = "team-a";
                v1Components = true;
              };
            }).objects > 100;
        expected = true;
      };
    };

  storage =
    let
      path = {
        storage = {
          bucket = "acme-ml";
          path = "/team-a/kfp/";
        };
      };
      own = path // {
        storage = path.storage // minio;
      };
    in
    {
      testBucketAndPathAgree = {
        expr = {
          install = (data "pipeline-install-config" path).bucketName;
          root = (data "kfp-launcher" path).defaultPipelineRoot;
          archive = contains "keyFormat: team-a/kfp/private-artifacts/" (data "workflow-controller-configmap" path)
          .artifactRepository;
          bucket = contains "bucket: acme-ml" (data "workflow-controller-configmap" path).artifactRepository;
          ui = (env "ml-pipeline-ui" path).ARGO_ARCHIVE_BUCKETNAME;
          format = match "team-a/kfp/private-artifacts/.*" (env "ml-pipeline-ui" path).ARGO_KEYFORMAT != null;
          templates = (env "ml-pipeline" path).OBJECTSTORECONFIG_PIPELINEPATH;
          logs = (env "ml-pipeline" path).ARCHIVE_CONFIG_LOG_PATH_PREFIX;
          made = (env "seaweedfs" path).BUCKET;
        };
        expected = {
          install = "acme-ml";
          root = "minio://acme-ml/team-a/kfp/v2/artifacts";
          archive = true;
          bucket = true;
          ui = "acme-ml";
          format = true;
          templates = "team-a/kfp/pipelines";
          logs = "/team-a/kfp/artifacts";
          made = "acme-ml";
        };
      };
      testNoBundledStoreBesideAnother = {
        expr = filter (contains "seaweedfs") (titles {
          storage = minio;
        });
        expected = [ ];
      };
      testAnotherServerForEveryProgram = {
        expr = {
          server = [
            (env "ml-pipeline" own).OBJECTSTORECONFIG_HOST
            (env "ml-pipeline" own).OBJECTSTORECONFIG_PORT
            (env "ml-pipeline" own).OBJECTSTORECONFIG_SECURE
          ];
          ui = [
            (env "ml-pipeline-ui" own).MINIO_HOST
            (env "ml-pipeline-ui" own).MINIO_NAMESPACE
            (env "ml-pipeline-ui" own).MINIO_PORT
            (env "ml-pipeline-ui" own).MINIO_SSL
          ];
          steps = contains "endpoint: s3.example.com:9443" (data "kfp-launcher" own).providers;
          logs = contains "endpoint: s3.example.com:9443" (data "workflow-controller-configmap" own)
          .artifactRepository;
        };
        expected = {
          server = [
            "s3.example.com"
            "9443"
            "true"
          ];
          ui = [
            "s3.example.com"
            ""
            "9443"
            "true"
          ];
          steps = true;
          logs = true;
        };
      };
      testS3WithTheIdentityOfThePods = {
        expr = {
          keys = [
            (env "ml-pipeline" { storage = s3; }).OBJECTSTORECONFIG_ACCESSKEY
            (env "ml-pipeline" { storage = s3; }).OBJECTSTORECONFIG_SECRETACCESSKEY
          ];
          host = (env "ml-pipeline" { storage = s3; }).OBJECTSTORECONFIG_HOST;
          ui = (env "ml-pipeline-ui" { storage = s3; }) ? AWS_ACCESS_KEY_ID;
          sdk =
            contains "useSDKCreds: true"
              (data "workflow-controller-configmap" { storage = s3; }).artifactRepository;
          launcher = contains "fromEnv: true" (data "kfp-launcher" { storage = s3; }).providers;
          secrets =
            filter (found: found.name == "mlpipeline-minio-artifact")
              (make { storage = s3; }).secrets;
        };
        expected = {
          keys = [
            ""
            ""
          ];
          host = "s3.eu-central-1.amazonaws.com";
          ui = false;
          sdk = true;
          launcher = true;
          secrets = [ ];
        };
      };
      testCloudIdentityIsOnTheAccountsThatReachTheStore = {
        expr =
          map
            (
              name:
              (find "ServiceAccount" name {
                storage = s3;
                serviceAccount.annotations.role = "arn";
              }).metadata.annotations.role
            )
            [
              "ml-pipeline"
              "ml-pipeline-ui"
              "pipeline-runner"
            ];
        expected = [
          "arn"
          "arn"
          "arn"
        ];
      };
      testGoogleForStepsAndItsS3InterfaceForTheServer = {
        expr = [
          (data "kfp-launcher" { storage = gcs; }).defaultPipelineRoot
          (env "ml-pipeline" { storage = gcs; }).OBJECTSTORECONFIG_HOST
          (env "ml-pipeline-ui" { storage = gcs; }).ARGO_ARCHIVE_ARTIFACTORY
          (contains "gcs:" (data "workflow-controller-configmap" { storage = gcs; }).artifactRepository)
        ];
        expected = [
          "gs://acme-ml/v2/artifacts"
          "storage.googleapis.com"
          "s3"
          true
        ];
      };
      testWiredBucketIsACopyOfItsOwnersKeys = {
        expr =
          let
            wired = secret "store-pipelines" { storage = store.buckets.pipelines; };
          in
          [
            wired.namespace
            (key "AWS_ACCESS_KEY_ID" wired).copyOf
            (env "ml-pipeline" { storage = store.buckets.pipelines; }).OBJECTSTORECONFIG_HOST
          ];
        expected = [
          "kubeflow"
          {
            namespace = "ml-data";
            name = "store-pipelines";
            key = "AWS_ACCESS_KEY_ID";
          }
          "store.ml-data.svc"
        ];
      };
      testRetentionIsARuleOfTheBucketAndOfTheCache = {
        expr =
          let
            args = {
              storage = {
                retentionDays = 30;
                path = "kfp";
              };
              v1Components = true;
            };
            job = find "CronJob" "ml-pipeline-retention" args;
            variables = (head job.spec.jobTemplate.spec.template.spec.containers).env;
            value = name: (head (filter (entry: entry.name == name) variables)).value;
          in
          [
            (value "PREFIXES")
            (value "RETENTION_DAYS")
            (data "pipeline-install-config" args).MAXIMUM_CACHE_STALENESS
            (data "pipeline-install-config" args).ARTIFACT_RETENTION_DAYS
          ];
        expected = [
          "kfp/private-artifacts/ kfp/v2/artifacts/"
          "30"
          "P30D"
          "30"
        ];
      };
    };

  database = {
    testNoBundledServerBesideAnother = {
      expr = filter (contains "/mysql") (titles {
        metadata = mysql;
      });
      expected = [ ];
    };
    testHostAndPortForEveryProgram = {
      expr =
        let
          install = data "pipeline-install-config" {
            metadata = mysql // {
              port = 3307;
            };
          };
        in
        [
          install.mysqlHost
          install.mysqlPort
        ];
      expected = [
        "db.example.com"
        "3307"
      ];
    };
    testUserOfAnOwnSecretIsWrittenOut = {
      expr = {
        inherit
          (env "ml-pipeline" {
            metadata = mysql // {
              secretRef = {
                name = "db";
                key = "pw";
              };
            };
          })
          DBCONFIG_USER
          DBCONFIG_PASSWORD
          ;
      };
      expected = {
        DBCONFIG_USER = "kfp";
        DBCONFIG_PASSWORD.secretKeyRef = {
          name = "db";
          key = "pw";
        };
      };
    };
    testWiredMysql = {
      expr =
        let
          args.metadata = mysqlEndpoint;
          password = key "password" (secret "mysql-kfp" args);
        in
        {
          inherit (password) copyOf;
          inherit (data "pipeline-install-config" args) mysqlHost mysqlPort pipelineDb;
          user = (env "ml-pipeline" args).DBCONFIG_USER;
          password = (env "metadata-grpc-deployment" args).DBCONFIG_PASSWORD.secretKeyRef;
          own = filter (contains "/mysql") (titles args);
        };
      expected = {
        copyOf = {
          namespace = "ml-data";
          name = "mysql-kfp";
          key = "password";
        };
        mysqlHost = "mysql.ml-data.svc";
        mysqlPort = "3306";
        pipelineDb = "mlpipeline";
        user = "kfp";
        password = {
          name = "mysql-kfp";
          key = "password";
        };
        own = [ ];
      };
    };
    testServerLinksDoNotReachTheDatabase = {
      expr = (pod "mysql" { }).enableServiceLinks;
      expected = false;
    };
  };

  logging = {
    testOffEverywhereTogether = {
      expr = [
        (env "ml-pipeline" { logging.enabled = false; }).PUBLISH_LOGS
        (env "ml-pipeline-ui" { logging.enabled = false; }).ARGO_ARCHIVE_LOGS
        (contains "archiveLogs: false"
          (data "workflow-controller-configmap" { logging.enabled = false; }).artifactRepository
        )
      ];
      expected = [
        "false"
        "false"
        true
      ];
    };
    testLevelOfEveryProgram = {
      expr =
        let
          args.logging.level = "debug";
        in
        [
          (env "ml-pipeline" args).LOG_LEVEL
          (env "ml-pipeline-persistenceagent" args).LOG_LEVEL
          (env "ml-pipeline-scheduledworkflow" args).LOG_LEVEL
          (elem "debug" (container "workflow-controller" args).args)
          (env "ml-pipeline" args).PIPELINE_LOG_LEVEL
        ];
      expected = [
        "debug"
        "debug"
        "debug"
        true
        "4"
      ];
    };
  };

  interface = {
    testOffLeavesNothingOfIt = {
      expr = filter (contains "pipeline-ui|envoy") (titles {
        ui.enabled = false;
      });
      expected = [ ];
    };
    testSeveralReplicasHaveABudget = {
      expr = names "PodDisruptionBudget" { ui.replicas = 2; };
      expected = [ "ml-pipeline-ui" ];
    };
    testReplicasSignAlike = {
      expr = (env "ml-pipeline-ui" { }).TENSORBOARD_PROXY_SIGNING_SECRET.secretKeyRef.name;
      expected = "ml-pipeline-ui";
    };
  };

  v1 = {
    testCertManagerInPlaceOfTheDeployer = {
      expr = filter (contains "deployer|cache-cert|cache-webhook") (titles {
        v1Components = true;
      });
      expected = [
        "Certificate/kfp-cache-cert"
        "MutatingWebhookConfiguration/cache-webhook-kubeflow"
      ];
    };
    testNoCacheWithoutCaching = {
      expr = filter (contains "/cache") (titles {
        v1Components = true;
        cacheEnabled = false;
      });
      expected = [ ];
    };
    testCachingOffInTheServer = {
      expr = (env "ml-pipeline" { cacheEnabled = false; }).CACHEENABLED;
      expected = "false";
    };
  };

  controller = {
    testAChosenPriorityIsTheControllersToo = {
      expr = [
        (names "PriorityClass" { priorityClassName = "ml"; })
        (pod "workflow-controller" { priorityClassName = "ml"; }).priorityClassName
        (pod "workflow-controller" { }).priorityClassName
      ];
      expected = [
        [ ]
        "ml"
        "workflow-controller"
      ];
    };
    testTheClustersControllerFindsTheArchiveByNamespace = {
      expr = {
        own = filter (contains "argo|workflow-controller") (titles {
          workflowController = "cluster";
        });
        repository =
          (find "ConfigMap" "artifact-repositories" { workflowController = "cluster"; }).metadata.annotations;
        requires = (make { workflowController = "cluster"; }).requires;
        crds = filter (crd: builtins.isAttrs crd) (make { workflowController = "cluster"; }).crds;
      };
      expected = {
        own = [ ];
        repository."workflows.argoproj.io/default-artifact-repository" = "default";
        requires = [ "argo-workflows" ];
        crds = [ ];
      };
    };
  };

  tls = {
    testServerAndClientsSpeakIt = {
      expr =
        let
          args.tls.enabled = true;
        in
        [
          (container "ml-pipeline" args).readinessProbe.httpGet.scheme
          (env "ml-pipeline-ui" args).ML_PIPELINE_SERVICE_SCHEME
          (env "metadata-writer" args).METADATA_TLS_ENABLED
          (env "ml-pipeline" args).CABUNDLE_SECRET_NAME
          (make args).endpoints.http.url
          (make args).requires
        ];
      expected = [
        "HTTPS"
        "https"
        "true"
        "kfp-api-tls-cert"
        "https://ml-pipeline.kubeflow.svc:8888"
        [ "cert-manager" ]
      ];
    };
  };

  own-pipelines = {
    testUploadedByAJobUnderAVersionOfTheirContent = {
      expr =
        let
          files = filter (contains "hello") (
            attrNames (data "ml-pipeline-pipelines" { pipelines = { inherit hello; }; })
          );
        in
        [
          (length files)
          (match "hello[.][0-9a-f]{8}[.]yaml" (head files) != null)
        ];
      expected = [
        1
        true
      ];
    };
    testYamlIsUploadedAsItIs = {
      expr =
        let
          args.pipelines.hello = ../../parity/kubeflow-pipelines.yaml;
          uploaded = data "ml-pipeline-pipelines" args;
        in
        uploaded.${head (filter (contains "hello") (attrNames uploaded))}
        == builtins.readFile ../../parity/kubeflow-pipelines.yaml;
      expected = true;
    };
    testAnotherContentIsAnotherVersion = {
      expr =
        let
          version =
            pipeline:
            names "PipelineVersion" {
              pipelineStore = "kubernetes";
              pipelines.hello = pipeline;
            };
        in
        version hello == version (hello // { schemaVersion = "2.0.0"; });
      expected = false;
    };
    testResourcesComeAfterTheWebhookRuns = {
      expr = map (wave: wave.name) (
        filter (wave: builtins.any (object: object.kind == "PipelineVersion") wave.objects)
          (platform {
            pipelineStore = "kubernetes";
            pipelines = { inherit hello; };
          } [ "cert-manager" ] { }).waves
      );
      expected = [ "stage-1-finish" ];
    };
    testWebhookIsOpenToTheApiServer = {
      expr = map (port: port.port) (make { pipelineStore = "kubernetes"; }).open;
      expected = [ 8443 ];
    };
  };

  several-users = {
    testRunsAreInProfiles = {
      expr = [
        (data "pipeline-api-server-config" { multiUser.enabled = true; }).MULTIUSER
        (env "ml-pipeline-persistenceagent" { multiUser.enabled = true; }).NAMESPACE
        (elem "--namespaced" (container "workflow-controller" { multiUser.enabled = true; }).args)
        (make { multiUser.enabled = true; }).requires
      ];
      expected = [
        "true"
        ""
        false
        [
          "istio"
          "kubeflow-profiles"
        ]
      ];
    };
    testProfilesGetTheBucketAndPathOfTheInstallation = {
      expr = {
        inherit
          (env "kubeflow-pipelines-profile-controller" {
            multiUser.enabled = true;
            storage = {
              bucket = "acme-ml";
              path = "kfp";
            };
          })
          BUCKET
          PREFIX
          FRONTEND_IMAGE
          ;
      };
      expected = {
        BUCKET = "acme-ml";
        PREFIX = "kfp/";
        FRONTEND_IMAGE = "ghcr.io/kubeflow/kfp-frontend:2.17.0";
      };
    };
  };

  versions = {
    testTheSpecificationsVersionIsALine = {
      expr = [
        (make { version = "1.8.0"; }).version
        (length (filter (contains "version 1.8.0") (make { version = "1.8.0"; }).warnings))
        (rendering { version = "1.8.0"; } == rendering { })
      ];
      expected = [
        "2.17.0"
        1
        true
      ];
    };
    testPlatformsVersionsAreLines = {
      expr = map (version: (make { inherit version; }).version) [
        "1.11.0"
        "26.03"
      ];
      expected = [
        "2.17.0"
        "2.17.0"
      ];
    };
    testWithdrawn = says {
      version = "2.0.5";
    } "version: 2.0.5 cannot be deployed any more";
    testUnknown = says {
      version = "9.9";
    } "version: unknown version 9.9; known: 2.17.0";
  };

  images = {
    testMirrorReachesImagesInVariablesArgumentsAndConfigMaps = {
      expr =
        let
          mirrored = mkPlatform {
            name = "acme";
            external = [ "cert-manager" ];
            images = {
              strict = true;
              mirror = {
                "ghcr.io" = "mirror.example.com/ghcr";
                "gcr.io" = "mirror.example.com/gcr";
                "quay.io" = "mirror.example.com/quay";
                "docker.io" = "mirror.example.com/docker";
              };
            };
            components.pipelines = make {
              v1Components = true;
              storage.retentionDays = 7;
              pipelines = { inherit hello; };
            };
          };
          text = toJSON mirrored.objects;
        in
        [
          (contains "[^.]ghcr.io/kubeflow|[^/]quay.io/argoproj|[^/]gcr.io/tfx" text)
          (contains "mirror.example.com/ghcr/kubeflow/kfp-driver:2.17.0" text)
          (contains "mirror.example.com/quay/argoproj/argoexec:v4.0.5" text)
          (contains "mirror.example.com/ghcr/containerd/busybox" text)
        ];
      expected = [
        false
        true
        true
        true
      ];
    };
  };

  platforms = {
    testWiredStoreComesFirst = {
      expr =
        map (wave: wave.name)
          (platform { storage = store.buckets.pipelines; } [ ] { inherit store; }).waves;
      expected = [
        "namespaces"
        "crds"
        "config"
        "stage-1"
        "stage-2"
      ];
    };
    testStoreByItsUrlAloneIsTheSame = {
      expr =
        let
          scenario = platform {
            storage = {
              backend = "minio";
              bucket = "pipelines";
              endpoint = store.endpoints.s3.url;
            };
          } [ ] { inherit store; };
          found = head (filter (one: one.name == "mlpipeline-minio-artifact") scenario.secrets);
        in
        (key "accesskey" found).copyOf;
      expected = {
        namespace = "ml-data";
        name = "store-pipelines";
        key = "AWS_ACCESS_KEY_ID";
      };
    };
    testPoolOfThePlatform = {
      expr =
        let
          pooled = mkPlatform {
            name = "acme";
            nodePools.cpu.selector.pool = "cpu";
            components.pipelines = make { nodePool = "cpu"; };
          };
        in
        map (object: object.spec.template.spec.nodeSelector.pool) (
          filter (object: object.kind == "Deployment") pooled.objects
        ) == map (_: "cpu") (names "Deployment" { });
      expected = true;
    };
    testIngressReachesTheInterfaceOnly = {
      expr =
        let
          args.ingress = {
            host = "pipelines.example.com";
            controllerNamespace = "ingress-nginx";
          };
          peer = {
            namespaceSelector.matchLabels."kubernetes.io/metadata.name" = "ingress-nginx";
          };
          lets = policy: builtins.any (rule: elem peer (rule.from or [ ])) policy.spec.ingress;
          open = filter lets (filter (object: object.kind == "NetworkPolicy") (objects args));
        in
        map (policy: {
          inherit (policy.spec) podSelector ingress;
        }) open;
      expected = [
        {
          podSelector.matchLabels = {
            app = "ml-pipeline-ui";
            application-crd-id = "kubeflow-pipelines";
          };
          ingress = [
            {
              from = [ { namespaceSelector.matchLabels."kubernetes.io/metadata.name" = "ingress-nginx"; } ];
              ports = [
                {
                  port = 3000;
                  protocol = "TCP";
                }
              ];
            }
          ];
        }
      ];
    };
    testStoreAndDatabaseAreClosedToSteps = {
      expr = map (name: (find "NetworkPolicy" name { }).spec.ingress) [
        "mysql"
        "seaweedfs"
      ];
      expected = [
        [
          {
            from = [
              {
                podSelector.matchLabels = {
                  "app.kubernetes.io/name" = "kubeflow-pipelines";
                  "app.kubernetes.io/instance" = "pipelines";
                  "app.kubernetes.io/component" = "ml-pipeline";
                };
              }
            ];
            ports = [
              {
                port = 3306;
                protocol = "TCP";
              }
            ];
          }
        ]
        [
          {
            from = [ { podSelector = { }; } ];
            ports = [
              {
                port = 8333;
                protocol = "TCP";
              }
            ];
          }
        ]
      ];
    };
  };

  # Every way to combine the choices that change many objects: what a platform checks holds for all of them.
  combinations =
    let
      stores = {
        bundled = { };
        wired = {
          storage = store.buckets.pipelines;
        };
        s3.storage = s3;
        gcs.storage = gcs;
      };
      databases = {
        bundled = { };
        external.metadata = mysql;
      };
      modes = {
        plain = { };
        v1.v1Components = true;
        deployer = {
          v1Components = true;
          cacheCertificate = "cache-deployer";
        };
        resources = {
          pipelineStore = "kubernetes";
          pipelines = { inherit hello; };
        };
        tls = {
          tls.enabled = true;
          pipelines = { inherit hello; };
        };
        cluster.workflowController = "cluster";
        users = {
          multiUser.enabled = true;
          v1Components = true;
          pipelineStore = "kubernetes";
        };
        headless.ui.enabled = false;
      };
      outside = [
        "argo-workflows"
        "cert-manager"
        "istio"
        "kubeflow-profiles"
        "db.example.com"
        "s3.eu-central-1.amazonaws.com"
        "storage.googleapis.com"
      ];
      cases = concatMap (
        storeName:
        concatMap (
          databaseName:
          map (mode: {
            name = "${storeName}-${databaseName}-${mode}";
            args = stores.${storeName} // databases.${databaseName} // modes.${mode};
          }) (filter (mode: !(mode == "users" && storeName == "gcs")) (attrNames modes))
        ) (attrNames databases)
      ) (attrNames stores);

      labelsOf =
        object:
        if object ? spec.template.metadata.labels then [ object.spec.template.metadata.labels ] else [ ];
      idleServices =
        args:
        let
          all = objects args;
          pods = concatMap labelsOf all;
          selects =
            service:
            builtins.any (
              labels: builtins.intersectAttrs service.spec.selector labels == service.spec.selector
            ) pods;
        in
        map (service: service.metadata.name) (
          filter (object: object.kind == "Service" && !(selects object)) all
        );
    in
    {
      testEachIsAPlatform = {
        expr = filter (one: (platform one.args outside { inherit store; }).objects == [ ]) cases;
        expected = [ ];
      };
      testNoServiceWithoutPods = {
        expr = concatMap (one: map (name: "${one.name}: ${name}") (idleServices one.args)) cases;
        expected = [ ];
      };
    };

  errors = {
    testNameIsRequired = {
      expr = (mkKubeflowPipelines { }).objects;
      expectedError.msg = "name: required option is missing";
    };
    testPostgresql = says {
      metadata.database = "postgresql";
    } "metadata.database: Kubeflow Pipelines works with mysql only";
    testPostgresIsTheSameWord = says {
      metadata.database = "postgres";
    } "metadata.database: Kubeflow Pipelines works with mysql only";
    testWiredPostgresql = says {
      metadata =
        (mlops.mkPostgreSQL {
          namespace = "ml-data";
          databases = [ "kfp" ];
        }).endpoints.sql;
    } "metadata.database: Kubeflow Pipelines works with mysql only";
    testUserOfAnExternalServer = says {
      metadata.host = "db";
    } "metadata.username: required with metadata.host";
    testUserOfTheBundledServer = says {
      metadata.username = "me";
    } "metadata.username: the bundled server has the user root";
    testPortOfTheBundledServer = says {
      metadata.port = 1234;
    } "metadata.port: the bundled server listens on 3306";
    testSizeOfNoServer = says {
      metadata = mysql // {
        size = "1Gi";
      };
    } "metadata.size: there is no bundled server";
    testClassOfNoServer = says {
      metadata = mysql // {
        storageClass = "fast";
      };
    } "metadata.storageClass: there is no bundled server";
    testRegionOfS3 = says { storage.backend = "s3"; } "storage.region: required with backend s3";
    testRegionOfTheBundledStore = says {
      storage.region = "eu";
    } "storage.region: the bundled store has no regions";
    testRegionOfGoogle = says {
      storage = gcs // {
        region = "eu";
      };
    } "storage.region: a bucket's name is enough";
    testEndpointOfGoogle = says {
      storage = gcs // minio;
    } "storage.endpoint: backend gcs is storage.googleapis.com";
    testEndpointWithAPath = says {
      storage.endpoint = "https://example.com/s3";
    } "storage.endpoint: https://example.com/s3 has a path";
    testGoogleKeyElsewhere = says {
      storage.keyRef.name = "k";
    } "storage.keyRef: a Google service account works with backend gcs only";
    testRetentionOfGoogle = says {
      storage = gcs // {
        retentionDays = 3;
      };
    } "storage.retentionDays: Google's S3 interface";
    testRetentionOfNothing = says {
      storage.retentionDays = 0;
    } "storage.retentionDays: expected an integer";
    testSizeOfNoStore = says {
      storage = minio // {
        size = "1Gi";
      };
    } "storage.size: there is no bundled store";
    testClassOfNoStore = says {
      storage = minio // {
        storageClass = "fast";
      };
    } "storage.storageClass: there is no bundled store";
    testRootOfAnotherBackend = says {
      pipelineRoot = "gs://bucket/p";
    } "pipelineRoot: backend minio is reached by minio://, found gs://";
    testRouteToNoInterface = says (
      routed // { ui.enabled = false; }
    ) "ingress.enabled: the ingress leads to the web interface";
    testRouteWithoutHost = says { ingress.enabled = true; } "ingress.host: an ingress needs a host";
    testRouteAroundTheGateway = says (
      routed // { multiUser.enabled = true; }
    ) "ingress.enabled: with multiUser.enabled users come through Istio";
    testTlsTwice = says {
      multiUser.enabled = true;
      tls.enabled = true;
    } "tls.enabled: with multiUser.enabled Istio encrypts";
    testProfilesOnGoogle = says {
      multiUser.enabled = true;
      storage = gcs;
    } "storage.backend: profiles reach their store by keys of the S3 protocol";
    testUploadWithoutAUser = says {
      multiUser.enabled = true;
      pipelines = { inherit hello; };
    } "pipelines: the API server asks who uploads";
    testCertificateOfNoCache = says {
      cacheCertificate = "cert-manager";
    } "cacheCertificate: the step cache of v1 pipelines is not rendered";
    testDeployerOfSeveralNamespaces = says {
      v1Components = true;
      multiUser.enabled = true;
      cacheCertificate = "cache-deployer";
    } "cacheCertificate: the cache deployer knows one namespace only";
    testLogLevel = says {
      logging.level = "warning";
    } "logging.level: expected one of debug, info, warn, error.*did you mean warn";
    testPipelineThatIsNone = says {
      pipelines.hello = { };
    } "pipelines.hello: expected a compiled pipeline";
    testPipelineThatIsNotThere = says {
      pipelines.hello = ./nowhere.json;
    } "pipelines.hello: there is no file .*nowhere.json";
    testYamlAsAResource = says {
      pipelineStore = "kubernetes";
      pipelines.hello = ../../parity/kubeflow-pipelines.yaml;
    } "pipelines.hello: Nix cannot read YAML";
    testAllProblemsTogether =
      says
        {
          storage.backend = "s3";
          metadata.username = "me";
        }
        "storage.region: required.*metadata.username: the bundled|metadata.username: the bundled.*storage.region: required";
  };
}
