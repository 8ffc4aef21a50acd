# Options that modules share, and what a wire becomes.
{ mlops, root }:
let
  inherit (mlops)
    common
    fromJSONFile
    mkModule
    option
    types
    wiring
    ;
  echo = import (root + "/tests/echo.nix") { inherit mlops; };
  made =
    options: args:
    (mkModule {
      name = "thing";
      summary = "A thing";
      options = {
        name = option {
          type = types.dnsLabel;
          default = "thing";
          description = "Name.";
        };
        namespace = option {
          type = types.dnsLabel;
          default = "apps";
          description = "Namespace.";
        };
      }
      // options;
      checks = { config, ... }: if options ? service then common.serviceChecks config else [ ];
      render = _: [ ];
    })
      args;
  configOf = options: args: (made options args).config;
  keys = {
    name = "s3";
    accessKey = "ID";
    secretKey = "KEY";
    copyOf = {
      namespace = "data";
      name = "store";
      accessKey = "a";
      secretKey = "b";
    };
  };
in
{
  resources = {
    testInTheFormOfTheApi = {
      expr =
        map
          (
            resources:
            (configOf {
              resources = common.resources {
                cpu = "100m";
                memory = "1Gi";
                limits.memory = "2Gi";
              };
            } { inherit resources; }).resources
          )
          [
            { }
            # A default limit gives way to a larger request.
            { memory = "4Gi"; }
            {
              limits = {
                cpu = 2;
                "nvidia.com/gpu" = 1;
              };
            }
            { requests.cpu = "1"; }
          ];
      expected = [
        {
          requests = {
            cpu = "100m";
            memory = "1Gi";
          };
          limits.memory = "2Gi";
        }
        {
          requests = {
            cpu = "100m";
            memory = "4Gi";
          };
          limits.memory = "4Gi";
        }
        {
          requests = {
            cpu = "100m";
            memory = "1Gi";
            "nvidia.com/gpu" = "1";
          };
          limits = {
            cpu = "2";
            memory = "2Gi";
            "nvidia.com/gpu" = "1";
          };
        }
        {
          requests = {
            cpu = "1";
            memory = "1Gi";
          };
          limits.memory = "2Gi";
        }
      ];
    };
    testLimitBelowTheRequest = {
      expr =
        (echo.mkEcho {
          resources = {
            cpu = "2";
            limits.cpu = "500m";
          };
        }).objects;
      expectedError.msg = "mkEcho: resources.limits.cpu: 500m is below the request 2; raise the limit or lower the request";
    };
  };

  sections = {
    testFixedNodePortNeedsItsType = {
      expr =
        map
          (
            service:
            map (problem: problem.path) (made { inherit (common) service; } { inherit service; }).problems
          )
          [
            { }
            { nodePort = 30080; }
            {
              type = "NodePort";
              nodePort = 30080;
            }
          ];
      expected = [
        [ ]
        [ "service.nodePort" ]
        [ ]
      ];
    };
    testStorageTakesThePlatformsClass = {
      expr =
        ((made { storage = common.storage "10Gi"; } { }).bind { storageClass = "fast"; }).config.storage;
      expected = {
        size = "10Gi";
        storageClass = "fast";
        accessMode = "ReadWriteOnce";
      };
    };
    testAlertsAndDashboardsComeWithMonitoring = {
      expr =
        builtins.attrNames
          (configOf { monitoring = common.monitoring // common.alerts // common.dashboards; } { }).monitoring;
      expected = [
        "dashboards"
        "enabled"
        "interval"
        "labels"
        "rules"
      ];
    };
  };

  wires = {
    testAccessKeysAreACopy = {
      expr = wiring.accessKeys {
        namespace = "apps";
        reference = keys;
        purpose = "reads the bucket";
      };
      expected = [
        {
          name = "s3";
          purpose = "reads the bucket";
          keys = [
            {
              key = "ID";
              purpose = "access key id";
              copyOf = {
                namespace = "data";
                name = "store";
                key = "a";
              };
              follow = {
                host = null;
                item = null;
                field = "accessKey";
              };
            }
            {
              key = "KEY";
              purpose = "secret access key";
              copyOf = {
                namespace = "data";
                name = "store";
                key = "b";
              };
              follow = {
                host = null;
                item = null;
                field = "secretKey";
              };
            }
          ];
        }
      ];
    };
    testNoCopyOfItself = {
      expr = wiring.accessKeys {
        namespace = "data";
        reference = keys // {
          name = "store";
        };
        purpose = "x";
      };
      expected = [ ];
    };
    testBucketBecomesOptions = {
      expr =
        (wiring.bucket {
          bucket = "models";
          url = "http://store.data.svc:9000";
          region = "us-east-1";
          credentials = {
            namespace = "data";
            name = "store";
            accessKey = "a";
            secretKey = "b";
          };
        }).secretRef.copyOf;
      expected = keys.copyOf;
    };
  };

  files.testJsonOfOneObject = {
    expr = map builtins.isAttrs (fromJSONFile ./values.json);
    expected = [ true ];
  };
}
