# A small component for tests of the core: a server with a configuration, wires to others, and whatever a test needs besides.
{ mlops }:
let
  inherit (mlops)
    common
    mkModule
    option
    section
    types
    wiring
    ;

  options = common.workload // {
    name = option {
      type = types.dnsLabel;
      default = "echo";
      description = "Name of the server.";
    };
    namespace = option {
      type = types.dnsLabel;
      default = "apps";
      description = "Namespace of the server.";
    };
    replicas = option {
      type = types.positiveInt;
      default = 1;
      description = "Replicas.";
    };
    greeting = option {
      type = types.string;
      default = "hello";
      description = "Text of the answer.";
    };
    peers = option {
      type = types.listOf types.host;
      default = [ ];
      description = "Servers that it asks.";
    };
    database = section {
      wire.sql = wiring.sql;
      options = {
        type = option {
          type = types.enum [ "postgresql" ];
          default = "postgresql";
          description = "Kind.";
        };
        host = option {
          type = types.host;
          default = null;
          description = "Host.";
        };
        port = option {
          type = types.port;
          default = 5432;
          description = "Port.";
        };
        database = option {
          type = types.string;
          default = "echo";
          description = "Database.";
        };
        username = option {
          type = types.string;
          default = "echo";
          description = "User.";
        };
        secretRef = option {
          type = types.secretRef "password";
          default = {
            name = "echo-db";
          };
          description = "Password.";
        };
      };
    };
    resources = common.resources {
      cpu = "100m";
      memory = "64Mi";
    };
    ingress = common.ingress { };
    inherit (common)
      autoscaling
      monitoring
      networkPolicy
      podDisruptionBudget
      ;
  };

  declaration = {
    name = "echo";
    summary = "Says what it hears";
    inherit options;
    versions = {
      "1.0".images.app = "registry.k8s.io/echo:1.0";
      "1.1".images.app = "registry.k8s.io/echo:1.1";
    };
    endpoints =
      { name, ... }:
      {
        http = {
          protocol = "http";
          service = name;
          port = 80;
          targetPort = 8080;
        };
      };
    connections =
      { config, ... }:
      map (host: {
        option = "peers";
        inherit host;
        port = 80;
      }) config.peers
      ++ [
        {
          option = "database.host";
          inherit (config.database) host port;
        }
      ];
    secrets =
      { config, namespace, ... }:
      if config.database.host == null then
        [ ]
      else
        wiring.password {
          inherit namespace;
          reference = config.database.secretRef;
          purpose = "password of the database";
          inherit (config.database) host;
          item = config.database.database;
        };
    inherit render;
  };

  render =
    {
      name,
      config,
      k8s,
      images,
      ...
    }:
    [
      (k8s.configMap {
        name = "${name}-config";
        data.greeting = config.greeting;
      })
      (k8s.deployment {
        inherit name;
        replicas = if config.autoscaling.enabled then null else config.replicas;
        user = 1000;
        containers = [
          {
            name = "echo";
            image = images.app;
            env = {
              GREETING = k8s.configMapKey {
                name = "${name}-config";
                key = "greeting";
              };
            }
            // (
              if config.database.host == null then
                { }
              else
                { PASSWORD = k8s.secretKey config.database.secretRef; }
            );
            ports.http = 8080;
            mounts.tmp = "/tmp";
            inherit (config) resources;
          }
        ];
        volumes.tmp = { };
      })
      (k8s.service {
        inherit name;
        ports.http = 80;
      })
    ]
    ++ k8s.podDisruptionBudget {
      inherit name;
      inherit (config) replicas;
    }
    ++ k8s.autoscaler { inherit name; }
    ++ k8s.serviceMonitor {
      inherit name;
      port = "http";
    }
    ++ k8s.route {
      inherit name;
      port = 80;
    };

  # A module like this one, but for some fields.
  mkLike = fields: mkModule (declaration // fields);

  # A database, which others are wired to.
  mkStore = mkModule {
    name = "store";
    kind = "store";
    summary = "Keeps what it hears";
    options = {
      name = option {
        type = types.dnsLabel;
        default = "store";
        description = "Name of the server.";
      };
      namespace = option {
        type = types.dnsLabel;
        default = "data";
        description = "Namespace of the server.";
      };
    };
    versions."16".images.app = "docker.io/library/postgres:16";
    endpoints =
      { name, namespace, ... }:
      let
        endpoint = database: {
          protocol = "sql";
          scheme = "postgresql";
          service = name;
          port = 5432;
          dialect = "postgresql";
          inherit database;
          username = database;
          secretRef = {
            inherit namespace;
            name = "${name}-${database}";
            key = "password";
          };
        };
      in
      {
        sql = endpoint "main";
        echo = endpoint "echo";
      };
    secrets =
      { name, ... }:
      map
        (database: {
          name = "${name}-${database}";
          purpose = "password of ${database}";
          keys = [
            {
              key = "password";
              generate.length = 32;
            }
          ];
        })
        [
          "main"
          "echo"
        ];
    render =
      {
        name,
        k8s,
        images,
        ...
      }:
      [
        (k8s.statefulSet {
          inherit name;
          user = 999;
          containers = [
            {
              name = "store";
              image = images.app;
              ports.sql = 5432;
              mounts.data = "/data";
            }
          ];
          claims.data = k8s.claimSpec { size = "1Gi"; };
        })
        (k8s.service {
          inherit name;
          ports.sql = 5432;
        })
      ];
  };

  ofKind = kind: builtins.filter (object: object.kind == kind);
in
{
  inherit
    declaration
    mkLike
    mkStore
    ofKind
    options
    ;
  mkEcho = mkModule declaration;

  # The only object of a kind, or of a kind and a name.
  the =
    kind: objects:
    let
      found = ofKind kind objects;
    in
    if builtins.length found == 1 then
      builtins.head found
    else
      throw "expected one ${kind}, found ${toString (builtins.length found)}: ${
        builtins.concatStringsSep ", " (map (object: object.metadata.name) found)
      }";
  named =
    kind: name: objects:
    builtins.head (builtins.filter (object: object.metadata.name == name) (ofKind kind objects));
  kindsOf = map (object: "${object.kind} ${object.metadata.name}");
}
