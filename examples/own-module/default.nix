# A module of your own, beside the library's: declared in thirty lines, it gets argument checks, defaults, JSON Schema, a
# reference page, versions, `override`, hardening and everything that a platform does.
{
  mlops ? import ../../lib { },
}:
let
  inherit (mlops)
    common
    option
    section
    types
    wiring
    ;

  mkLabelStudio = mlops.mkModule {
    name = "label-studio";
    summary = "Data labelling";
    options = common.workload // {
      name = option {
        type = types.dnsLabel;
        default = "label-studio";
        description = "Name of the server.";
      };
      namespace = option {
        type = types.dnsLabel;
        default = "labelling";
        description = "Namespace of the server.";
      };
      replicas = option {
        type = types.positiveInt;
        default = 1;
        description = "Web server replicas.";
      };
      resources = common.resources {
        cpu = "250m";
        memory = "512Mi";
        limits.memory = "2Gi";
      };
      database = section {
        wire.sql = wiring.sql;
        options = {
          type = option {
            type = types.enum [ "postgresql" ];
            default = "postgresql";
            description = "Kind of the database.";
          };
          host = option {
            type = types.host;
            description = "Host of the database server.";
          };
          port = option {
            type = types.port;
            default = 5432;
            description = "Port of the database server.";
          };
          database = option {
            type = types.string;
            default = "labels";
            description = "Name of the database.";
          };
          username = option {
            type = types.string;
            default = "labels";
            description = "User of the database.";
          };
          secretRef = option {
            type = types.secretRef "password";
            default = {
              name = "label-studio-db";
            };
            description = "Password of the user.";
          };
        };
      };
      inherit (common) networkPolicy;
    };

    versions."1.20.0".images.app = "docker.io/heartexlabs/label-studio:1.20.0";

    endpoints =
      { name, ... }:
      {
        http = {
          protocol = "http";
          service = name;
          port = 8080;
        };
      };

    connections =
      { config, ... }:
      [
        {
          option = "database.host";
          inherit (config.database) host port;
        }
      ];

    secrets =
      { config, namespace, ... }:
      wiring.password {
        inherit namespace;
        reference = config.database.secretRef;
        purpose = "password of database ${config.database.database}";
        inherit (config.database) host;
        item = config.database.database;
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
        (k8s.deployment {
          inherit name;
          inherit (config) replicas;
          user = 1001;
          containers = [
            {
              name = "label-studio";
              image = images.app;
              env = {
                DJANGO_DB = "default";
                POSTGRE_HOST = config.database.host;
                POSTGRE_PORT = config.database.port;
                POSTGRE_NAME = config.database.database;
                POSTGRE_USER = config.database.username;
                POSTGRE_PASSWORD = k8s.secretKey config.database.secretRef;
              };
              ports.http = 8080;
              mounts = {
                data = "/label-studio/data";
                tmp = "/tmp";
              };
              inherit (config) resources;
              readiness = k8s.httpProbe {
                path = "/health";
                port = "http";
              };
            }
          ];
          volumes = {
            data = { };
            tmp = { };
          };
        })
        (k8s.service {
          inherit name;
          ports.http = 8080;
        })
      ];
  };

  postgres = mlops.mkPostgreSQL {
    namespace = "labelling";
    databases = [ "labels" ];
  };

  labelling = mkLabelStudio { database = postgres.endpoints.labels; };
in
mlops.mkPlatform {
  name = "own-module";
  components = { inherit postgres labelling; };
}
