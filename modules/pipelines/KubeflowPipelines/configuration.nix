# ConfigMaps that several programs read.
{
  scope,
  plan,
  shape,
}:
let
  inherit (builtins) toString;
  inherit (scope)
    config
    k8s
    images
    name
    version
    ;
  inherit (plan) store database;
  yaml = import ../../../lib/render/yaml.nix;

  text = value: if value then "true" else "false";
  # v1's cache hands out no result that is older than its artifacts may be.
  staleness =
    if config.storage.retentionDays == null then "" else "P${toString config.storage.retentionDays}D";

  # How drivers and launchers of a run reach the store.
  keyPair =
    if store.keys == null then
      { fromEnv = true; }
    else
      {
        fromEnv = false;
        secretRef = {
          secretName = store.keys.name;
          accessKeyKey = store.keys.accessKey;
          secretKeyKey = store.keys.secretKey;
        };
      };
  s3 = {
    default = {
      inherit (store) endpoint region;
      disableSSL = !store.secure;
      forcePathStyle = true;
      credentials = keyPair;
    };
  };
  googleKey = config.storage.keyRef;
  providers = {
    minio.minio = s3;
    s3.s3 = s3;
    gcs.gs.default.credentials =
      if googleKey == null then
        { fromEnv = true; }
      else
        {
          fromEnv = false;
          secretRef = {
            secretName = googleKey.name;
            tokenKey = googleKey.key;
          };
        };
  };
in
[
  (k8s.configMap {
    name = "pipeline-install-config";
    data = {
      appName = name;
      appVersion = version;
      dbType = "mysql";
      mysqlHost = database.host;
      mysqlPort = toString database.port;
      pipelineDb = database.databases.pipelines;
      mlmdDb = database.databases.metadata;
      cacheDb = database.databases.cache;
      bucketName = store.bucket;
      defaultPipelineRoot = store.root;
      autoUpdatePipelineDefaultVersion = "true";
      cronScheduleTimezone = "UTC";
      ConMaxLifeTime = "120s";
      LOG_LEVEL = config.logging.level;
      ARTIFACTS_PROXY_ENABLED = text config.multiUser.artifactProxy;
      ARTIFACT_RETENTION_DAYS =
        if config.storage.retentionDays == null then "-1" else toString config.storage.retentionDays;
      defaultSecurityContextRunAsUser = "";
      defaultSecurityContextRunAsGroup = "";
      defaultSecurityContextRunAsNonRoot = "";
      defaultSecurityContextHostUsers = "";
      BLOCK_V1_PIPELINES = "false";
      V1_ALLOWED_NAMESPACES = "";
      USERID_HEADER = config.multiUser.userIdHeader;
      USERID_PREFIX = config.multiUser.userIdPrefix;
    }
    // (
      if plan.cache then
        {
          cacheImage = images.cached-step;
          cacheNodeRestrictions = "false";
          DEFAULT_CACHE_STALENESS = staleness;
          MAXIMUM_CACHE_STALENESS = staleness;
        }
      else
        { }
    );
  })
  (k8s.configMap {
    name = "kfp-launcher";
    data = {
      defaultPipelineRoot = store.root;
      providers = yaml.document providers.${store.backend};
    };
  })
  (k8s.configMap {
    name = "kubeflow-pipelines-public";
    data.kubeflow_pipelines_version = "v${version}";
  })
  # Everybody in the cluster may ask which version runs here.
  (k8s.role {
    name = "kubeflow-pipelines-public";
    rules = [
      (
        shape.rule "" [ "configmaps" ] shape.rights.read
        // {
          resourceNames = [ "kubeflow-pipelines-public" ];
        }
      )
    ];
  })
  {
    apiVersion = "rbac.authorization.k8s.io/v1";
    kind = "RoleBinding";
    metadata = k8s.metadata { name = "kubeflow-pipelines-public"; };
    roleRef = {
      apiGroup = "rbac.authorization.k8s.io";
      kind = "Role";
      name = "kubeflow-pipelines-public";
    };
    subjects = [
      {
        apiGroup = "rbac.authorization.k8s.io";
        kind = "Group";
        name = "system:authenticated";
      }
    ];
  }
]
