# Expiry of artifacts: nothing in Kubeflow Pipelines deletes them, so that a rule of the bucket has to.
{
  scope,
  plan,
  shape,
}:
let
  inherit (builtins) concatStringsSep readFile toString;
  inherit (scope) config k8s images;
  inherit (plan) store;

  work = {
    name = "ml-pipeline-retention";
    role = "ml-pipeline";
    serviceAccount = "ml-pipeline";
    containers = [
      (shape.unprivileged shape.user {
        name = "retention";
        image = images.tools;
        command = [
          "python3"
          "/programs/retention.py"
        ];
        env = {
          BUCKET = store.bucket;
          PREFIXES = concatStringsSep " " store.expiring;
          RETENTION_DAYS = toString config.storage.retentionDays;
          AWS_REGION = store.region;
          AWS_EC2_METADATA_DISABLED = if store.keys == null then null else "true";
          AWS_ACCESS_KEY_ID = if store.keys == null then null else shape.store.accessKey;
          AWS_SECRET_ACCESS_KEY = if store.keys == null then null else shape.store.secretKey;
          S3_ENDPOINT =
            if store.backend == "s3" && config.storage.endpoint == null then
              null
            else
              "${if store.secure then "https" else "http"}://${store.host}:${toString store.port}";
          HOME = "/tmp";
        };
        resources = shape.upTo "256Mi";
        mounts = {
          programs = {
            mountPath = "/programs";
            readOnly = true;
          };
          tmp = "/tmp";
        };
      })
    ];
    volumes = {
      tmp = { };
      programs.configMap.name = "ml-pipeline-retention";
    };
  };
in
if config.storage.retentionDays == null then
  [ ]
else
  [
    (k8s.configMap {
      name = "ml-pipeline-retention";
      data."retention.py" = readFile ./programs/retention.py;
    })
    # At once, and every night, because somebody may change the bucket.
    (k8s.job (work // { phase = "finish"; }))
    (k8s.cronJob (work // { schedule = "23 3 * * *"; }))
  ]
