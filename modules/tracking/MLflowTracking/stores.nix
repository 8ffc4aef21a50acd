# What the server stands on: database, artifacts, volume.
let
  inherit (builtins) elemAt match toString;

  stripSlashes =
    path:
    let
      parts = match "/*(.*[^/])?/*" path;
    in
    if elemAt parts 0 == null then "" else elemAt parts 0;

  joined = base: path: if stripSlashes path == "" then base else "${base}/${stripSlashes path}";

  usesVolume = config: config.backend.type == "sqlite" || config.artifactStore.type == "local";
  writesOneVolume = config: usesVolume config && config.storage.accessMode != "ReadWriteMany";

  artifactUri =
    config:
    let
      store = config.artifactStore;
    in
    {
      s3 = joined "s3://${toString store.bucket}" store.path;
      gcs = joined "gs://${toString store.bucket}" store.path;
      azure = joined "wasbs://${toString store.bucket}@${toString store.account}.blob.core.windows.net" store.path;
      local = joined "/data/artifacts" store.path;
    }
    .${store.type};

  dialects = {
    postgresql = "postgresql+psycopg2";
    mysql = "mysql+pymysql";
  };

  # The password is not part of it: libpq reads PGPASSWORD, and for PyMySQL the launcher puts it in, encoded.
  databaseUri =
    {
      type,
      username,
      host,
      port,
    }:
    database:
    {
      sqlite = "sqlite:////data/${database}.db";
      postgresql = "${dialects.postgresql}://${username}@${toString host}:${toString port}/${database}";
      mysql = "${dialects.mysql}://${username}:{password}@${toString host}:${toString port}/${database}?charset=utf8mb4";
    }
    .${type};

  databaseSecret =
    config:
    if config.backend.secretRef != null then
      config.backend.secretRef
    else
      {
        name = "${config.name}-db";
        key = "password";
        copyOf = null;
      };
in
{
  inherit
    artifactUri
    databaseSecret
    databaseUri
    usesVolume
    writesOneVolume
    ;
}
