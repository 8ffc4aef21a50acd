# What a configuration or a version asks of the rest.
let
  inherit (builtins) compareVersions;
in
{
  withDrivers =
    config:
    config.backend.type != "sqlite"
    || config.artifactStore.type != "local"
    || config.monitoring.enabled
    || config.auth.enabled;

  isModern = version: compareVersions version "3.5.0" >= 0;

  # Behind oauth2-proxy, in place of MLflow's own users.
  proxied = config: config.auth.enabled && config.auth.type != "local";
}
