{ mlops, root }:
let
  inherit (builtins)
    elem
    filter
    head
    map
    ;
  base = {
    namespace = "data";
    buckets = [ "models" ];
  };
  objects = args: (mlops.mkObjectStore args).rendered;
  ofKind = kind: args: filter (object: object.kind == kind) (objects args);
  one = kind: args: head (ofKind kind args);
  container = args: head (one "Deployment" args).spec.template.spec.containers;
  environment = args: (head (one "Job" args).spec.template.spec.containers).env;
  valueOf = name: args: (head (filter (variable: variable.name == name) (environment args))).value;
  says = args: msg: {
    expr = objects args;
    expectedError.msg = msg;
  };
  shared = import (root + "/tests/shared-effects.nix");
in
{
  server = {
    testSaysNothingToItsVendor = {
      expr = elem "-master.telemetry=false" (container base).args;
      expected = true;
    };
    testManySmallVolumes = {
      expr = map (flag: elem flag (container base).args) [
        "-master.volumeSizeLimitMB=1024"
        "-volume.max=0"
      ];
      expected = [
        true
        true
      ];
    };
    testServicePortLeadsToTheServers = {
      expr = map (port: {
        inherit (port) port targetPort;
      }) (head (filter (service: service.metadata.name == "store") (ofKind "Service" base))).spec.ports;
      expected = [
        {
          port = 9000;
          targetPort = "s3";
        }
      ];
    };
    testPortsWithoutLoginAreNotOnTheService = {
      expr =
        map (port: port.name)
          (head (filter (service: service.metadata.name == "store") (ofKind "Service" base))).spec.ports;
      expected = [ "s3" ];
    };
  };

  buckets = {
    testEachHasAUserOfItsOwn = {
      expr = map (secret: secret.name) (mlops.mkObjectStore base).secrets;
      expected = [
        "store-admin"
        "store-models"
      ];
    };
    testEndpointCarriesTheUsersKeys = {
      expr = (mlops.mkObjectStore base).buckets.models.credentials;
      expected = {
        name = "store-models";
        accessKey = "AWS_ACCESS_KEY_ID";
        secretKey = "AWS_SECRET_ACCESS_KEY";
        namespace = "data";
      };
    };
    testExpiryReachesTheJob = {
      expr = valueOf "EXPIRE_DAYS_0" (
        base
        // {
          buckets = [
            {
              name = "models";
              expireDays = 7;
            }
          ];
        }
      );
      expected = "7";
    };
    testVersioningReachesTheJob = {
      expr = valueOf "VERSIONING_0" (
        base
        // {
          buckets = [
            {
              name = "models";
              versioning = true;
            }
          ];
        }
      );
      expected = "true";
    };
    testQuotaReachesTheJob = {
      expr = valueOf "QUOTA_MIB_0" (
        base
        // {
          buckets = [
            {
              name = "models";
              quotaMiB = 100;
            }
          ];
        }
      );
      expected = "100";
    };
    testWithoutBucketsThereIsNoJob = {
      expr = ofKind "Job" { namespace = "data"; };
      expected = [ ];
    };
  };

  minio = {
    testIsSaidToBeUnmaintained = {
      expr = builtins.length (mlops.mkObjectStore (base // { engine = "minio"; })).warnings;
      expected = 1;
    };
    testSpeaksOnItsOwnPort = {
      expr = (mlops.mkObjectStore (base // { engine = "minio"; })).endpoints.s3.targetPort;
      expected = 9000;
    };
  };

  mistakes = {
    testBucketTwice = says (
      base
      // {
        buckets = [
          "a-b"
          "a-b"
        ];
      }
    ) "buckets: bucket a-b is named twice";
    testBucketsThatShareASecret = says (
      base
      // {
        buckets = [
          "a-b"
          "a.b"
        ];
      }
    ) "buckets: two buckets would share the Secret of a-b";
    testBucketNameInCapitals = says (base // { buckets = [ "Models" ]; }) "buckets\\[0\\]: ";
    testQuotaWithMinio = says (
      base
      // {
        engine = "minio";
        buckets = [
          {
            name = "models";
            quotaMiB = 1;
          }
        ];
      }
    ) "buckets: quotaMiB works with engine seaweedfs only";
    testNodePortNeedsItsType = says (
      base // { service.nodePort = 30063; }
    ) "service.nodePort: a fixed node port needs service.type = \"NodePort\", found ClusterIP";
    testNodePortOutOfRange = says (
      base
      // {
        service = {
          type = "NodePort";
          nodePort = 80;
        };
      }
    ) "service.nodePort: expected a node port \\(30000-32767\\), found 80";
    testIngressNeedsAHost = says (
      base // { ingress.enabled = true; }
    ) "ingress.host: an ingress needs a host";
  };

  effects = import (root + "/tests/effects.nix") mlops.mkObjectStore {
    inherit base;
    changes =
      let
        monitored.monitoring.enabled = true;
      in
      shared.workload "Deployment"
      // shared.resources "resources"
      // shared.networkPolicy
      // shared.monitoring { }
      // shared.ingress "s3.example.com"
      // {
        name = "other";
        namespace = "elsewhere";
        engine = "minio";
        image.to = {
          server = "registry.example.com/seaweedfs:4";
        };
        buckets.to = [ "other" ];
        size = "1Ti";
        storageClass = "fast";
        port = 8333;
        region = {
          given.engine = "minio";
          to = "eu-central-1";
        };
        credentials.to = {
          name = "mine";
        };
        "service.type" = "LoadBalancer";
        "service.nodePort" = {
          given.service.type = "NodePort";
          to = 30063;
        };
      };
  };
}
