# Combinations of options that cannot work.
scope:
let
  inherit (scope) config;
  inherit (config) storage metadata;
  plan = scope.view;
  inherit (plan) store database;

  scheme = builtins.head (builtins.match "([a-z0-9]+)://.*" config.pipelineRoot);
  yaml = builtins.filter (name: config.pipelines.${name} ? yaml) (
    builtins.attrNames config.pipelines
  );
  given =
    section: name: builtins.isAttrs (scope.args.${section} or null) && scope.args.${section} ? ${name};
in
[
  {
    when = metadata.database == "postgresql";
    path = "metadata.database";
    message = "Kubeflow Pipelines works with mysql only: its API server speaks MySQL's dialect of SQL whatever the driver, in every release so far (kubeflow/pipelines#7512, #9813); give a MySQL server, or leave metadata out for the bundled one";
  }
  {
    when = metadata.database == "mysql" && !database.bundled && metadata.username == null;
    path = "metadata.username";
    message = "required with metadata.host; expected the user of the databases";
  }
  {
    when = database.bundled && metadata.username != null;
    path = "metadata.username";
    message = "the bundled server has the user root; give metadata.host too, or leave the user out";
  }
  {
    when = database.bundled && metadata.port != 3306;
    path = "metadata.port";
    message = "the bundled server listens on 3306; give metadata.host too, or leave the port out";
  }
  {
    when = !database.bundled && metadata.size != null;
    path = "metadata.size";
    message = "there is no bundled server with metadata.host; leave the size out";
  }
  {
    when = !database.bundled && given "metadata" "storageClass";
    path = "metadata.storageClass";
    message = "there is no bundled server with metadata.host; leave the class out";
  }
  {
    when = storage.backend == "s3" && storage.region == null && storage.endpoint == null;
    path = "storage.region";
    message = "required with backend s3; expected the region of the bucket, such as eu-central-1";
  }
  {
    when = storage.endpoint != null && builtins.match "https?://[^/]+/?" storage.endpoint == null;
    path = "storage.endpoint";
    message = "${toString storage.endpoint} has a path, and clients of the store take host and port only; leave it out (storage.path is the prefix in the bucket)";
  }
  {
    when = storage.backend == "gcs" && storage.endpoint != null;
    path = "storage.endpoint";
    message = "backend gcs is storage.googleapis.com; leave the endpoint out, or use backend minio";
  }
  {
    when = storage.backend == "gcs" && storage.region != null;
    path = "storage.region";
    message = "a bucket's name is enough with backend gcs; leave the region out";
  }
  {
    when = storage.keyRef != null && storage.backend != "gcs";
    path = "storage.keyRef";
    message = "a Google service account works with backend gcs only; use storage.secretRef with ${storage.backend}";
  }
  {
    when = storage.backend == "gcs" && storage.retentionDays != null;
    path = "storage.retentionDays";
    message = "Google's S3 interface takes no lifecycle rules of this form; set the rule on the bucket (gcloud storage buckets update --lifecycle-file)";
  }
  {
    when = !store.bundled && storage.size != null;
    path = "storage.size";
    message = "there is no bundled store here; leave the size out";
  }
  {
    when = !store.bundled && given "storage" "storageClass";
    path = "storage.storageClass";
    message = "there is no bundled store here; leave the class out";
  }
  {
    when = store.bundled && storage.region != null;
    path = "storage.region";
    message = "the bundled store has no regions; give storage.endpoint too, or leave the region out";
  }
  {
    when = config.pipelineRoot != null && scheme != store.scheme;
    path = "pipelineRoot";
    message = "backend ${storage.backend} is reached by ${store.scheme}://, found ${scheme}://";
  }
  {
    when = !config.ui.enabled && config.ingress.enabled;
    path = "ingress.enabled";
    message = "the ingress leads to the web interface, but ui.enabled is false; leave one of them out";
  }
  {
    when = config.ingress.enabled && config.ingress.host == null;
    path = "ingress.host";
    message = "an ingress needs a host; give one, or a domain to the platform";
  }
  {
    when = config.multiUser.enabled && config.ingress.enabled;
    path = "ingress.enabled";
    message = "with multiUser.enabled users come through Istio's gateway, which says who they are; leave the ingress out";
  }
  {
    when = config.multiUser.enabled && config.tls.enabled;
    path = "tls.enabled";
    message = "with multiUser.enabled Istio encrypts between programs; leave one of them out";
  }
  {
    when = config.multiUser.enabled && storage.backend == "gcs";
    path = "storage.backend";
    message = "profiles reach their store by keys of the S3 protocol (multiUser.enabled); use minio or s3";
  }
  {
    when = config.multiUser.enabled && config.pipelines != { } && !plan.customResources;
    path = "pipelines";
    message = "the API server asks who uploads (multiUser.enabled), and a Job is no user; use pipelineStore = \"kubernetes\"";
  }
  {
    when = !config.v1Components && config.cacheCertificate != null;
    path = "cacheCertificate";
    message = "the step cache of v1 pipelines is not rendered; set v1Components = true, or leave the certificate out";
  }
  {
    when = config.multiUser.enabled && config.cacheCertificate == "cache-deployer";
    path = "cacheCertificate";
    message = "the cache deployer knows one namespace only; with multiUser.enabled use cert-manager";
  }
  {
    when = plan.customResources && yaml != [ ];
    path = "pipelines.${builtins.head (yaml ++ [ "" ])}";
    message = "Nix cannot read YAML, and a resource holds what is in it (pipelineStore = \"kubernetes\"); let kfp.compiler write a .json file";
  }
]
