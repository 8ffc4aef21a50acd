# What follows from the options of an installation before anything is rendered: where the store and the database are,
# how programs find them, and which names objects have. Every part reads it here, so that all agree.
scope:
let
  inherit (builtins)
    concatStringsSep
    elemAt
    filter
    fromJSON
    isString
    match
    split
    toString
    ;
  inherit (scope) config namespace;
  inherit (config) storage metadata;

  # scheme, host and port of an endpoint's URL.
  url =
    let
      parts = match "(https?)://([^/:]+)(:([0-9]+))?(/.*)?" storage.endpoint;
      secure = elemAt parts 0 == "https";
    in
    {
      inherit secure;
      host = elemAt parts 1;
      port =
        if elemAt parts 3 != null then
          fromJSON (elemAt parts 3)
        else if secure then
          443
        else
          80;
    };

  path = concatStringsSep "/" (filter (part: isString part && part != "") (split "/" storage.path));
  prefix = if path == "" then "" else "${path}/";

  bundled = storage.backend == "minio" && storage.endpoint == null;
  region = if storage.region == null then "us-east-1" else storage.region;

  defaultKeys = {
    name = "mlpipeline-minio-artifact";
    accessKey = "accesskey";
    secretKey = "secretkey";
    copyOf = null;
  };

  place =
    if bundled then
      {
        host = "seaweedfs.${namespace}";
        port = 9000;
        secure = false;
        # Argo takes host:port; the name must be found from other namespaces as well.
        endpoint = "seaweedfs.${namespace}.svc:9000";
      }
    else
      let
        found =
          if storage.endpoint != null then
            url
          else
            {
              host = if storage.backend == "gcs" then "storage.googleapis.com" else "s3.${region}.amazonaws.com";
              port = 443;
              secure = true;
            };
        usual = if found.secure then 443 else 80;
      in
      found
      // {
        endpoint = if found.port == usual then found.host else "${found.host}:${toString found.port}";
      };

  scheme =
    {
      minio = "minio";
      s3 = "s3";
      gcs = "gs";
    }
    .${storage.backend};
in
{
  store = place // {
    inherit
      bundled
      region
      prefix
      scheme
      ;
    inherit (storage) backend bucket;
    # Null where programs use the identity of their ServiceAccount.
    keys =
      if storage.secretRef != null then
        storage.secretRef
      else if storage.backend == "s3" then
        null
      else
        defaultKeys;
    # Ours to generate, or somebody else's to give.
    ownKeys = bundled && (storage.secretRef == null || storage.secretRef.copyOf == null);
    root =
      if config.pipelineRoot != null then
        config.pipelineRoot
      else
        "${scheme}://${storage.bucket}/${prefix}v2/artifacts";
    # Argo's archive: logs of steps.
    keyFormat = "${prefix}private-artifacts/{{workflow.namespace}}/{{workflow.name}}/{{workflow.creationTimestamp.Y}}/{{workflow.creationTimestamp.m}}/{{workflow.creationTimestamp.d}}/{{pod.name}}";
    # What expires. Pipelines themselves do not.
    expiring = [
      "${prefix}private-artifacts/"
    ]
    ++ (if config.multiUser.enabled then [ ] else [ "${prefix}v2/artifacts/" ]);
  };

  database = {
    bundled = metadata.host == null;
    host = if metadata.host == null then "mysql" else metadata.host;
    inherit (metadata) port databases;
    password =
      if metadata.secretRef != null then
        metadata.secretRef
      else
        {
          name = "mysql-secret";
          key = "password";
          copyOf = null;
        };
    username = if metadata.username == null then "root" else metadata.username;
    # The Secret holds the user's name, too, as upstream's does, unless it is the user's own.
    ownSecret = metadata.secretRef == null;
  };

  # Objects without a namespace are upstream's in upstream's namespace, and have the namespace in their name elsewhere:
  # two installations in one cluster do not meet.
  clusterName = name: if namespace == "kubeflow" then name else "${name}-${namespace}";

  v1 = config.v1Components;
  cache = config.v1Components && config.cacheEnabled;
  certManagedCache =
    config.v1Components && config.cacheEnabled && config.cacheCertificate != "cache-deployer";
  customResources = config.pipelineStore == "kubernetes";
  multiUser = config.multiUser.enabled;
  ownController = config.workflowController == "bundled";
  tls = config.tls.enabled;
  apiScheme = if config.tls.enabled then "https" else "http";
}
