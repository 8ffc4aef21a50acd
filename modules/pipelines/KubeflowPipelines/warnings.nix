# What is accepted and deserves attention.
scope:
let
  inherit (scope) config;
  plan = scope.view;
  given =
    section: name: builtins.isAttrs (scope.args.${section} or null) && scope.args.${section} ? ${name};
in
[
  {
    when = plan.cache && !plan.certManagedCache;
    text = "the cache deployer downloads kubectl when it starts and may approve certificates of the cluster; cacheCertificate = \"cert-manager\" needs neither";
  }
  {
    when = plan.cache;
    text = "steps that the v1 cache skips run an image without a tag (${scope.images.cached-step}), as upstream has it; pin it with image.cached-step";
  }
  {
    when = !plan.database.bundled;
    text = "ML Metadata logs in with mysql_native_password only, which MySQL 8.4 has switched off by default; the user must own ${plan.database.databases.pipelines}, ${plan.database.databases.metadata} and ${plan.database.databases.cache}, or be allowed to create them";
  }
  {
    when = config.storage.retentionDays != null && config.cacheEnabled;
    text = "the cache of v2 pipelines knows no age: a step may be skipped although its artifacts have expired (kubeflow/pipelines#5509); switch caching off for such steps, or cacheEnabled here";
  }
  {
    when = config.multiUser.enabled && !plan.store.bundled;
    text = "only the bundled store makes keys for profiles: put the Secret mlpipeline-minio-artifact (accesskey, secretkey) into each profile's namespace";
  }
  {
    when = !plan.ownController;
    text = "the cluster's workflow controller must watch namespace ${scope.namespace}, and be of Argo Workflows 3.7 or 4.0";
  }
  {
    when = !config.ui.enabled && (given "ui" "replicas" || given "ui" "resources");
    text = "ui.replicas and ui.resources have no effect while ui.enabled is false";
  }
  {
    when =
      plan.store.backend == "s3" && plan.store.keys == null && config.serviceAccount.annotations == { };
    text = "no keys for S3 and no cloud identity (serviceAccount.annotations): programs and steps use the identity of their nodes";
  }
]
