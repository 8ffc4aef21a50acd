# Builders as modules of nixpkgs' module system: `equal` are pairs that must agree, `failing` expressions that must not evaluate.
{ lib, root }:
let
  inherit (builtins) attrNames filter map;
  mlops = import (root + "/lib") { };
  echo = import (root + "/tests/echo.nix") { inherit mlops; };

  evaluate =
    modules:
    lib.evalModules {
      modules = [
        mlops.adapters.module
        { mlops.platform.name = "acme"; }
      ]
      ++ modules;
    };
  config = modules: (evaluate modules).config.mlops;
  database.mlops.PostgreSQL.postgres = {
    namespace = "ml-data";
    databases = [ "mlflow" ];
  };
  of = module: { mlops.PostgreSQL.postgres = module; };
  postgres = modules: (config ([ database ] ++ modules)).built.postgres.config;

  # Every leaf of a set of options of the module system, by its path.
  leaves =
    prefix: options:
    builtins.concatMap (
      name:
      let
        value = options.${name};
      in
      if lib.isOption value then [ (prefix + name) ] else leaves "${prefix}${name}." value
    ) (filter (name: name != "_module") (attrNames options));
  instanceOptions =
    builder:
    leaves ""
      (lib.evalModules {
        modules = (evaluate [ ]).options.mlops.${builder}.type.nestedTypes.elemType.getSubModules;
        specialArgs.name = "x";
      }).options;
in
{
  equal = {
    everyBuilderIsThere = {
      expr = filter (name: !((evaluate [ ]).options.mlops ? ${lib.removePrefix "mk" name})) (
        filter (name: name != "mkPlatform") (attrNames mlops.reference)
      );
      expected = [ ];
    };
    # A wired section is one option here, so its own options are not listed.
    namesAreTheBuildersOwn = {
      expr = filter (
        path:
        path != "enable"
        && !(lib.any (option: option == path || lib.hasPrefix "${path}." option) (
          map (option: option.path) mlops.reference.mkPostgreSQL.options
        ))
      ) (instanceOptions "PostgreSQL");
      expected = [ ];
    };
    noOptionIsMissing = {
      expr = filter (
        option:
        !(lib.any (path: option == path || lib.hasPrefix "${path}." option) (instanceOptions "PostgreSQL"))
      ) (map (option: option.path) mlops.reference.mkPostgreSQL.options);
      expected = [ ];
    };
    sameBytesAsTheBuilder = {
      expr = (config [ database ]).result.yaml;
      expected =
        (mlops.mkPlatform {
          name = "acme";
          components.postgres = mlops.mkPostgreSQL {
            name = "postgres";
            namespace = "ml-data";
            databases = [ "mlflow" ];
          };
        }).yaml;
    };
    nameOfTheAttributeIsTheDefaultName = {
      expr = (config [ { mlops.PostgreSQL.db.namespace = "a"; } ]).built.db.name;
      expected = "db";
    };
    force = {
      expr = (postgres [ (of { namespace = lib.mkForce "other"; }) ]).namespace;
      expected = "other";
    };
    default = {
      expr = map (modules: (postgres modules).resources.requests.cpu) [
        [ (of { resources.cpu = lib.mkDefault "3"; }) ]
        [
          (of { resources.cpu = lib.mkDefault "3"; })
          (of { resources.cpu = "4"; })
        ]
      ];
      expected = [
        "3"
        "4"
      ];
    };
    setsOfTwoModulesAreMerged = {
      expr =
        (postgres [
          (of { labels.a = "1"; })
          (of { labels.b = "2"; })
        ]).labels;
      expected = {
        a = "1";
        b = "2";
      };
    };
    listsOfTwoModulesFollowOneAnother = {
      expr = lib.sort lib.lessThan (
        map (database: database.name) (postgres [ (of { databases = [ "registry" ]; }) ]).databases
      );
      expected = [
        "mlflow"
        "registry"
      ];
    };
    notEnabled = {
      expr =
        attrNames
          (config [
            database
            (of { enable = false; })
          ]).built;
      expected = [ ];
    };
    wiredEndpoint = {
      expr =
        let
          inherit
            (config [
              database
              (
                { config, ... }:
                {
                  mlops.MLflowTracking.mlflow = {
                    namespace = "ml-platform";
                    trackingUri = "http://mlflow.ml-platform.svc:5000";
                    backend = config.mlops.built.postgres.endpoints.mlflow;
                  };
                }
              )
            ])
            built
            result
            ;
        in
        {
          inherit (built.mlflow.config.backend) host database;
          edges = map (edge: "${edge.from} ${edge.to}") result.graph.edges;
        };
      expected = {
        host = "postgres.ml-data.svc";
        database = "mlflow";
        edges = [ "mlflow postgres" ];
      };
    };
    wiredSectionByItsOptions = {
      expr =
        (config [
          {
            mlops.MLflowTracking.mlflow = {
              namespace = "ml-platform";
              trackingUri = "http://mlflow.ml-platform.svc:5000";
              backend = {
                type = "postgresql";
                host = "db.example.com";
              };
            };
          }
          { mlops.MLflowTracking.mlflow.backend.database = "other"; }
        ]).built.mlflow.config.backend.database;
      expected = "other";
    };
    ownComponents = {
      expr =
        attrNames
          (config [
            database
            { mlops.components.echo = echo.mkEcho { }; }
          ]).result.components;
      expected = [
        "echo"
        "postgres"
      ];
    };
    platformOptions = {
      expr =
        (config [
          database
          {
            mlops.platform = {
              labels.cost = "ml";
              monitoring.interval = "30s";
            };
          }
        ]).result.config.monitoring.interval;
      expected = "30s";
    };
    descriptionsAreThere = {
      expr = (evaluate [ ]).options.mlops.platform.domain.description;
      expected = "Domain under which components with an ingress get their hosts.";
    };
  };

  failing = {
    "A definition for option `mlops.PostgreSQL.postgres.namespace' is not of type `DNS label'" =
      postgres
        [ (of { namespace = lib.mkForce "A_b"; }) ];
    "The option `mlops.PostgreSQL.postgres.databasess' does not exist" = postgres [
      (of { databasess = [ ]; })
    ];
    "mkPostgreSQL: namespace: required option is missing" =
      (config [ { mlops.PostgreSQL.db = { }; } ]).result.yaml;
    "The option `mlops.PostgreSQL.postgres.namespace' has conflicting definition values" = postgres [
      (of { namespace = "other"; })
    ];
    "The option `mlops.PostgreSQL.postgres.labels.a' has conflicting definition values" =
      (postgres [
        (of { labels.a = "1"; })
        (of { labels.a = "2"; })
      ]).labels;
    "two components have the name postgres: mlops.ObjectStore.postgres and mlops.PostgreSQL.postgres; give one of them another name" =
      (config [
        database
        { mlops.ObjectStore.postgres.namespace = "a"; }
      ]).result.yaml;
    "two components have the name postgres: mlops.PostgreSQL.postgres and mlops.components.postgres" =
      (config [
        database
        { mlops.components.postgres = echo.mkEcho { }; }
      ]).result.yaml;
  };
}
