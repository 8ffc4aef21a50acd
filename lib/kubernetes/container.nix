# One container, hardened unless the caller says why not.
let
  inherit (builtins)
    attrNames
    attrValues
    concatMap
    concatLists
    isAttrs
    isInt
    isList
    isString
    mapAttrs
    toString
    ;

  entry =
    name: value:
    if isString value then
      { inherit name value; }
    else if isInt value then
      {
        inherit name;
        value = toString value;
      }
    else
      {
        inherit name;
        valueFrom = value;
      };

  entries = set: map (name: entry name set.${name}) (attrNames set);

  /**
    Environment variables as the API wants them. An attribute set is written in the order of its names; a list of
    attribute sets keeps its order, for variables that expand others (`$(DB_PASSWORD)`). A value is text, a number,
    or a source (`secretKey`, `configMapKey`, `field`). Null values are left out.

    # Type

    ```
    env :: AttrSet | [AttrSet] -> [EnvVar]
    ```

    # Examples

    ```nix
    env [ { DB_PASSWORD = secretKey { name = "db"; key = "password"; }; } { DB_URI = "postgresql://app:$(DB_PASSWORD)@db/app"; } ]
    ```
  */
  env =
    variables:
    if isAttrs variables then
      entries (withoutNulls variables)
    else
      concatLists (map (set: if set ? name then [ set ] else entries (withoutNulls set)) variables);

  withoutNulls = set: removeAttrs set (builtins.filter (name: set.${name} == null) (attrNames set));

  /**
    A variable's value from a key of a Secret. Takes a secret reference as it is in a configuration.

    # Type

    ```
    secretKey :: { name, key, ... } -> EnvVarSource
    ```
  */
  secretKey =
    { name, key, ... }:
    {
      secretKeyRef = {
        inherit name key;
      };
    };

  /**
    A variable's value from a key of a ConfigMap.

    # Type

    ```
    configMapKey :: { name, key, ... } -> EnvVarSource
    ```
  */
  configMapKey =
    { name, key, ... }:
    {
      configMapKeyRef = {
        inherit name key;
      };
    };

  /**
    A variable's value from a field of its own pod.

    # Type

    ```
    field :: String -> EnvVarSource
    ```

    # Examples

    ```nix
    field "metadata.name"
    => { fieldRef.fieldPath = "metadata.name"; }
    ```
  */
  field = fieldPath: { fieldRef.fieldPath = fieldPath; };

  port =
    name: value:
    if isInt value then
      {
        inherit name;
        containerPort = value;
        protocol = "TCP";
      }
    else
      {
        inherit name;
        protocol = "TCP";
      }
      // value;

  ports = value: if isList value then value else attrValues (mapAttrs port value);

  /**
    A probe by HTTP.

    # Type

    ```
    httpProbe :: { path, port, ... } -> Probe
    ```

    # Examples

    ```nix
    httpProbe { path = "/health"; port = "http"; periodSeconds = 10; }
    ```
  */
  httpProbe =
    {
      path,
      port,
      scheme ? null,
      ...
    }@args:
    {
      httpGet = {
        inherit path port;
      }
      // (if scheme == null then { } else { inherit scheme; });
    }
    // removeAttrs args [
      "path"
      "port"
      "scheme"
    ];

  /**
    A probe by opening a connection.

    # Type

    ```
    tcpProbe :: { port, ... } -> Probe
    ```
  */
  tcpProbe = { port, ... }@args: { tcpSocket.port = port; } // removeAttrs args [ "port" ];

  /**
    A probe by a command in the container.

    # Type

    ```
    execProbe :: { command, ... } -> Probe
    ```
  */
  execProbe = { command, ... }@args: { exec.command = command; } // removeAttrs args [ "command" ];

  # Volume mounts: path by volume name, or entries as the API has them.
  mount =
    name: value:
    if isString value then
      {
        inherit name;
        mountPath = value;
      }
    else if isList value then
      map (entry: { inherit name; } // entry) value
    else
      { inherit name; } // value;

  /**
    Volume mounts: a path by the name of its volume, a set with more, a list of sets where a volume is mounted several
    times; or a list as in the API.

    # Type

    ```
    mounts :: AttrSet | [VolumeMount] -> [VolumeMount]
    ```

    # Examples

    ```nix
    mounts { tmp = "/tmp"; }
    => [ { name = "tmp"; mountPath = "/tmp"; } ]
    ```
  */
  mounts =
    value:
    if isList value then
      value
    else
      concatMap (
        name:
        let
          mounted = mount name value.${name};
        in
        if isList mounted then mounted else [ mounted ]
      ) (attrNames value);

  optional = import ../optional.nix;

  securityContext = {
    allowPrivilegeEscalation = false;
    capabilities.drop = [ "ALL" ];
    readOnlyRootFilesystem = true;
  };

  /**
    A container: hardened (no privilege escalation, no capabilities, read-only root) unless `security` says otherwise.

    # Inputs

    `name`, `image`, `command`, `args`, `workingDir`: as in the API
    `env`: see `env`
    `envFrom`: as in the API
    `ports`: `{ http = 8080; }` or a list as in the API
    `mounts`: `{ tmp = "/tmp"; data = { mountPath = "/data"; readOnly = true; }; }` or a list
    `resources`: as in the API
    `readiness`, `liveness`, `startup`: probes
    `security`: merged over the hardened security context
    `pullPolicy`: imagePullPolicy
    `extra`: merged over the result

    # Type

    ```
    container :: AttrSet -> Container
    ```
  */
  container =
    {
      name,
      image,
      command ? null,
      args ? null,
      workingDir ? null,
      env ? { },
      envFrom ? [ ],
      ports ? { },
      mounts ? { },
      resources ? { },
      readiness ? null,
      liveness ? null,
      startup ? null,
      security ? { },
      pullPolicy ? null,
      extra ? { },
    }:
    {
      inherit name image;
      securityContext = securityContext // security;
    }
    // optional "command" command null
    // optional "args" args null
    // optional "workingDir" workingDir null
    // optional "imagePullPolicy" pullPolicy null
    // optional "env" (toEnv env) [ ]
    // optional "envFrom" envFrom [ ]
    // optional "ports" (toPorts ports) [ ]
    // optional "volumeMounts" (toMounts mounts) [ ]
    // optional "resources" resources { }
    // optional "readinessProbe" readiness null
    // optional "livenessProbe" liveness null
    // optional "startupProbe" startup null
    // extra;

  toEnv = env;
  toPorts = ports;
  toMounts = mounts;
in
{
  inherit
    configMapKey
    container
    env
    execProbe
    field
    httpProbe
    mounts
    secretKey
    tcpProbe
    ;
}
