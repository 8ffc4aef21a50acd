# Combinations of options that cannot work.
let
  inherit (builtins) concatStringsSep filter toString;
  inherit (import ./address.nix) addressOf inCluster outside;

  inherit (import ./features.nix) isModern proxied withDrivers;
in
{
  config,
  args,
  name,
  namespace,
  version,
  ...
}:
let
  address = addressOf args;
  cluster = inCluster args;
  right = "http://${name}.${namespace}.svc:${toString config.ui.port}";
  explicitReplicas = args.ui.replicas or 1 > 1;
  several = config.ui.replicas > 1 || config.autoscaling.enabled;
  store = config.artifactStore;
  given = set: names: filter (option: (set.${option} or null) != null) names;
  sqliteExtras = given (if builtins.isAttrs (args.backend or null) then args.backend else { }) [
    "host"
    "port"
    "username"
    "secretRef"
  ];
  azureName = store.type == "azure" && store.account == null;
  ownImage = args ? image;
in
[
  {
    when = cluster != null && cluster.namespace != null && cluster.namespace != namespace;
    path = "trackingUri";
    message = "names namespace ${toString cluster.namespace}, but namespace is ${namespace}; expected ${right}";
  }
  {
    when = cluster != null && cluster.service != name;
    path = "trackingUri";
    message = "names the Service ${cluster.service}, but name is ${name}; expected ${right}";
  }
  {
    when = cluster != null && args ? ui.port && address.port != config.ui.port;
    path = "trackingUri";
    message = "names port ${toString address.port}, but ui.port is ${toString config.ui.port}; expected ${right}";
  }
  {
    when = cluster != null && address.scheme == "https";
    path = "trackingUri";
    message = "the server itself speaks http; expected ${right}, or a host outside with a route";
  }
  {
    when = outside args && args ? ingress.host && args.ingress.host != address.host;
    path = "ingress.host";
    message = "is ${toString config.ingress.host}, but trackingUri names ${address.host}; give one of them";
  }
  {
    when = outside args && !config.ingress.enabled;
    path = "ingress.enabled";
    message = "trackingUri ${args.trackingUri} is outside the cluster, but the route to it is off; expected ${right}, or leave ingress.enabled out";
  }
  {
    when = config.ingress.enabled && config.ingress.host == null;
    path = "ingress.host";
    message = "an ingress needs a host; give one, or a domain to the platform";
  }
  {
    when = config.backend.type == "sqlite" && explicitReplicas;
    path = "ui.replicas";
    message = "SQLite allows one server, found ${toString config.ui.replicas}; use backend.type postgresql or mysql, or 1 replica";
  }
  {
    when = config.backend.type == "sqlite" && config.autoscaling.enabled;
    path = "autoscaling.enabled";
    message = "SQLite allows one server; use backend.type postgresql or mysql";
  }
  {
    when = config.backend.type == "sqlite" && sqliteExtras != [ ];
    path = "backend.${concatStringsSep ", backend." sqliteExtras}";
    message = "SQLite is a file on the server's volume; leave it out, or set backend.type to postgresql or mysql";
  }
  {
    when = config.backend.type != "sqlite" && config.backend.host == null;
    path = "backend.host";
    message = "${config.backend.type} needs the host of its server; expected a host, or backend = postgres.endpoints.<database>";
  }
  {
    when =
      config.backend.type != "sqlite"
      && store.type == "local"
      && several
      && config.storage.accessMode != "ReadWriteMany";
    path = "storage.accessMode";
    message = "local artifacts with several servers need a ReadWriteMany volume, found ${config.storage.accessMode}${
      if config.storage.storageClass == null then " (and a storageClass that can do it)" else ""
    }; or use artifactStore.type s3, gcs or azure";
  }
  {
    when = store.type != "local" && store.bucket == null;
    path = "artifactStore.bucket";
    message = "${store.type} needs a bucket; expected its name, or artifactStore = store.buckets.<name>";
  }
  {
    when = store.type == "local" && store.bucket != null;
    path = "artifactStore.bucket";
    message = "local artifacts have no bucket; leave it out, or set artifactStore.type to s3, gcs or azure";
  }
  {
    when = azureName;
    path = "artifactStore.account";
    message = "azure needs the storage account";
  }
  {
    when = store.type != "azure" && store.account != null;
    path = "artifactStore.account";
    message = "a storage account belongs to azure, found type ${store.type}";
  }
  {
    when =
      store.type != "s3" && (store.endpoint != null || store.region != null || store.secretRef != null);
    path = "artifactStore.type";
    message = "endpoint, region and secretRef belong to s3, found type ${store.type}";
  }
  {
    when = (store.type == "s3" || store.type == "local") && store.credentials != null;
    path = "artifactStore.credentials";
    message = "credentials belong to gcs and azure; ${store.type} takes ${
      if store.type == "s3" then "secretRef" else "none"
    }";
  }
  {
    when = store.type == "local" && !store.proxied;
    path = "artifactStore.proxied";
    message = "clients cannot reach the server's volume; artifacts of type local are always passed on";
  }
  {
    when = !config.ui.enabled && config.ingress.enabled && !(args ? ingress.enabled) && !outside args;
    path = "ui.enabled";
    message = "false leaves only /api reachable from outside; set ingress.enabled = true to say that you want that";
  }
  {
    when = !isModern version && withDrivers config && !ownImage;
    path = "image";
    message = "MLflow ${version} has no image with drivers of databases, object stores, metrics or users; set image to one that has them";
  }
  {
    when = !isModern version && config.jobs;
    path = "jobs";
    message = "MLflow ${version} has no job workers; use version 3.17.2";
  }
  {
    when = !isModern version && config.allowedHosts != [ ];
    path = "allowedHosts";
    message = "MLflow ${version} checks no host names; leave it out";
  }
  {
    when =
      config.auth.enabled
      && config.auth.type == "local"
      && config.auth.database == config.backend.database;
    path = "auth.database";
    message = "users and runs cannot share the database ${config.backend.database}; give users one of their own";
  }
  {
    # The first migration of MLflow's users names two foreign keys alike, which MySQL refuses within a database.
    when = config.auth.enabled && config.auth.type == "local" && config.backend.type == "mysql";
    path = "auth.type";
    message = "MLflow cannot keep its own users in MySQL; use backend.type postgresql, or auth.type oidc, oauth or ldap";
  }
  {
    when = !config.auth.enabled && args ? auth && removeAttrs args.auth [ "enabled" ] != { };
    path = "auth.enabled";
    message = "is false, so that ${
      concatStringsSep ", " (
        map (name: "auth.${name}") (builtins.attrNames (removeAttrs args.auth [ "enabled" ]))
      )
    } would have no effect; set it to true";
  }
  {
    when = proxied config && config.auth.proxyImage == null;
    path = "auth.proxyImage";
    message = "${config.auth.type} goes through oauth2-proxy, whose image you choose; expected an image reference";
  }
  {
    when = proxied config && config.auth.type != "oauth" && config.auth.issuer == null;
    path = "auth.issuer";
    message = "${config.auth.type} needs an issuer URL${
      if config.auth.type == "ldap" then
        ", that of the OpenID Connect bridge before the directory"
      else
        ""
    }";
  }
  {
    when = proxied config && config.auth.type == "oauth" && config.auth.provider == null;
    path = "auth.provider";
    message = "oauth needs a provider of oauth2-proxy, such as github";
  }
  {
    when = proxied config && config.auth.clientId == null;
    path = "auth.clientId";
    message = "${config.auth.type} needs a client id";
  }
  {
    when = config.gc.enabled && config.backend.type == "sqlite";
    path = "gc.enabled";
    message = "the cleaner cannot share SQLite's volume with the server; use backend.type postgresql or mysql";
  }
  {
    when = config.gc.enabled && store.type == "local" && config.storage.accessMode != "ReadWriteMany";
    path = "gc.enabled";
    message = "the cleaner removes artifacts on the server's volume, which must be ReadWriteMany for that, found ${config.storage.accessMode}";
  }
  {
    when = config.migrate && config.backend.type == "sqlite";
    path = "migrate";
    message = "SQLite lies on the server's volume, and the server migrates it by itself; leave it out";
  }
  {
    when = config.autoscaling.minReplicas > config.autoscaling.maxReplicas;
    path = "autoscaling.minReplicas";
    message = "minReplicas (${toString config.autoscaling.minReplicas}) exceeds maxReplicas (${toString config.autoscaling.maxReplicas})";
  }
]
