# What people write by mistake, and the line that they get. One test a mistake; each names the path, what was found
# or expected, and the way out.
{ mlops }:
let
  inherit (mlops)
    mkKServeInference
    mkKubeflowPipelines
    mkMLflowTracking
    mkObjectStore
    mkPlatform
    mkPostgreSQL
    ;

  mlflow = {
    namespace = "ml-platform";
    trackingUri = "http://mlflow.ml-platform.svc:5000";
  };
  churn = {
    name = "churn";
    namespace = "ml-prod";
    deploymentMode = "Standard";
    predictor.model = {
      format = "sklearn";
      storageUri = "s3://models/churn";
    };
  };
  says = component: msg: {
    expr = component.objects;
    expectedError.msg = msg;
  };
  platform = args: mkPlatform ({ name = "acme"; } // args);
  deployment = name: {
    apiVersion = "apps/v1";
    kind = "Deployment";
    metadata = {
      inherit name;
      namespace = "ml";
    };
    spec = {
      selector.matchLabels.app = name;
      template = {
        metadata.labels.app = name;
        spec.containers = [
          {
            name = "app";
            image = "registry.example.com/app:1";
            envFrom = [ { configMapRef.name = "x"; } ];
          }
        ];
      };
    };
  };
in
{
  missing = {
    testBothRequiredOptionsAreNamed =
      says (mkMLflowTracking { })
        "mkMLflowTracking: namespace: required option is missing.*\n *mkMLflowTracking: trackingUri: required option is missing";
    testRequiredSectionIsNamed = says (mkKServeInference {
      name = "churn";
    }) "mkKServeInference: predictor";
  };

  names = {
    testUnknownOptionNamesNearest = says (mkKServeInference (
      churn // { minReplcas = 1; }
    )) "mkKServeInference: minReplcas: unknown option; did you mean minReplicas\\?";
    testNestedUnknownOptionNamesNearest = says (mkMLflowTracking (
      mlflow // { ui.replica = 2; }
    )) "ui.replica: unknown option; did you mean ui.replicas\\?";
    testPositionOfTheUsersOwnFile = says (mkMLflowTracking (
      mlflow // { ui.replica = 2; }
    )) "at .*tests/nix/mistakes.nix:[0-9]+:[0-9]+";
    testInvalidNamespaceSuggestsOne = says (mkMLflowTracking (
      mlflow // { namespace = "ML_Platform"; }
    )) "namespace: the string \"ML_Platform\" is not a valid name; .*did you mean ml-platform\\?";
    testLongNameSaysHowLong = says (mkPostgreSQL {
      namespace = "data";
      name = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";
    }) "name: 70 characters; at most 45 \\(with the suffix";
  };

  values = {
    testNumberAsText = says (mkMLflowTracking (
      mlflow // { ui.replicas = "2"; }
    )) "ui.replicas: expected an integer ≥ 1, found the string \"2\"";
    testNegativeNumber = says (mkMLflowTracking (
      mlflow // { ui.replicas = -1; }
    )) "ui.replicas: expected an integer ≥ 1, found -1";
    testPortOutOfRange = says (mkMLflowTracking (
      mlflow // { backend.port = 70000; }
    )) "backend.port: expected a port \\(1-65535\\), found 70000";
    testQuantityWithBytes = says (mkMLflowTracking (
      mlflow // { storage.size = "10GB"; }
    )) "storage.size: .*not a quantity; did you mean 10G or 10Gi\\?";
    testLimitBelowRequest = says (mkMLflowTracking (
      mlflow
      // {
        ui.resources = {
          memory = "4Gi";
          limits.memory = "2Gi";
        };
      }
    )) "ui.resources.limits.memory: 2Gi is below the request 4Gi";
    testEnumInCapitals = says (mkMLflowTracking (
      mlflow // { artifactStore.type = "S3"; }
    )) "artifactStore.type: expected one of s3, gcs, azure, local.*did you mean s3\\?";
    testEnumWithTypo = says (mkMLflowTracking (
      mlflow // { backend.type = "postgre"; }
    )) "backend.type: expected one of postgresql, mysql, sqlite.*did you mean postgresql\\?";
    testUrlWithoutScheme = says (mkMLflowTracking (
      mlflow // { trackingUri = "mlflow:5000"; }
    )) "trackingUri: .*not a URL; expected http\\(s\\)://host\\[:port\\]";
    testPercentTooLarge = says (mkKServeInference (
      churn // { canaryTraffic = 120; }
    )) "canaryTraffic: expected an integer from 0 to 100, found 120";
    testModelLocationAsImage =
      says
        (mkKServeInference (
          churn
          // {
            predictor.containers = [ { image = "s3://models/bert:v1"; } ];
          }
        ))
        "predictor.containers\\[0\\].image: .*not an image reference; a model location belongs in storageUri";
    testSecretInNix = says (mkMLflowTracking (
      mlflow // { backend.password = "x"; }
    )) "backend.password: secrets do not belong in Nix; use backend.secretRef = \\{ name = .*; key = ";
    testFunctionWhereTextIsExpected = says (mkMLflowTracking (
      mlflow // { namespace = x: x; }
    )) "namespace: .*found a function";
    testNullWhereTextIsExpected = says (mkMLflowTracking (
      mlflow // { namespace = null; }
    )) "namespace: .*found null";
    testPathWhereTextIsExpected = says (mkMLflowTracking (
      mlflow // { namespace = ./mistakes.nix; }
    )) "namespace: .*found a path";
    testListDeepInside = says (mkKServeInference (
      churn
      // {
        predictor.spec.containers = [
          {
            image = "registry.example.com/model:1";
            env = { };
          }
        ];
      }
    )) "predictor.spec.containers\\[0\\].env: expected (a |an )?(list|array)";
  };

  combinations = {
    testTrackingUriOfAnotherNamespace =
      says (mkMLflowTracking (mlflow // { trackingUri = "http://mlflow.other.svc:5000"; }))
        "trackingUri: names namespace other, but namespace is ml-platform; expected http://mlflow.ml-platform.svc:5000";
    testSqliteAllowsOneServer = says (mkMLflowTracking (
      mlflow // { ui.replicas = 3; }
    )) "ui.replicas: SQLite allows one server.*postgresql or mysql, or 1 replica";
    testPipelinesWorkWithMySQLOnly = says (mkKubeflowPipelines {
      name = "kfp";
      metadata.database = "postgresql";
    }) "metadata.database: .*mysql";
    testWithdrawnVersion = says (mkKubeflowPipelines {
      name = "kfp";
      version = "2.0.5";
    }) "version: 2.0.5 cannot be deployed any more.*known: ";
    testUnknownVersion = says (mkMLflowTracking (
      mlflow // { version = "9.9"; }
    )) "version: unknown version 9.9; known: .*; nearest: ";
    testMinimumAboveMaximum = says (mkKServeInference (
      churn
      // {
        minReplicas = 5;
        maxReplicas = 2;
      }
    )) "minReplicas \\(5\\) exceeds maxReplicas \\(2\\)";
  };

  platforms = {
    testTwoComponentsMakeTheSameObject = {
      expr =
        (platform {
          components = {
            mlflow = mkMLflowTracking mlflow;
            mlflow2 = mkMLflowTracking mlflow;
          };
        }).objects;
      expectedError.msg = "mkPlatform acme: Service ml-platform/mlflow is made by components mlflow and mlflow2";
    };
    testPatchThatMatchesNothing = {
      expr =
        (platform {
          components.mlflow = mkMLflowTracking mlflow;
          patches = [
            {
              target = {
                kind = "Deployment";
                name = "mlfow";
              };
              patch.spec.replicas = 2;
            }
          ];
        }).objects;
      expectedError.msg = "patches\\[0\\]: no object matches Deployment mlfow; did you mean mlflow\\?";
    };
    testReferenceToAMissingConfigMap = {
      expr =
        (platform {
          components = { };
          extraObjects = [ (deployment "app") ];
        }).objects;
      expectedError.msg = "Deployment ml/app: .*ConfigMap ml/x is named but not part of the platform; add it or list it under external";
    };
    testUnmetOperator = {
      expr =
        (platform {
          components.churn = mkKServeInference churn;
          operators.install = false;
        }).objects;
      expectedError.msg = "churn: needs kserve.*add mkKServe to components, or external = \\[ \"kserve\" \\]";
    };
    testTwoEqualNodePorts = {
      expr =
        (platform {
          components = {
            minio = mkObjectStore {
              namespace = "data";
              service = {
                type = "NodePort";
                nodePort = 30063;
              };
            };
            agents = mkPostgreSQL {
              namespace = "agents";
              service = {
                type = "NodePort";
                nodePort = 30063;
              };
            };
          };
        }).objects;
      expectedError.msg = "nodePort 30063 is used by (minio and agents|agents and minio)";
    };
    testObjectsInPlaceOfAComponent = {
      expr = (platform { components.mlflow = (mkMLflowTracking mlflow).objects; }).objects;
      expectedError.msg = "components.mlflow: expected a component \\(from a mk. builder\\), found a list; raw objects go under extraObjects";
    };
    testHostThatLeftThePlatform = {
      expr =
        let
          db = mkPostgreSQL {
            namespace = "ml-data";
            databases = [ "mlflow" ];
          };
        in
        (platform {
          components.mlflow = mkMLflowTracking (mlflow // { backend = db.endpoints.mlflow; });
        }).objects;
      expectedError.msg = "mlflow.backend.host: postgres.ml-data.svc is not part of this platform; add the component";
    };
    testYamlCannotBeRead = {
      expr = mlops.fromYAMLFile ./mistakes.yaml;
      expectedError.msg = "Nix cannot read YAML; convert it";
    };
  };
}
