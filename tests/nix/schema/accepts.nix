{ root }:
let
  schema = import (root + "/lib/schema") { };
  inherit (schema.forVersion "1.36") accepts;

  configMap = {
    apiVersion = "v1";
    kind = "ConfigMap";
    metadata.name = "settings";
    data."app.yaml" = "port: 8080\n";
  };
  service =
    ports:
    accepts {
      apiVersion = "v1";
      kind = "Service";
      metadata.name = "web";
      spec = { inherit ports; };
    };
  container =
    fields:
    accepts {
      apiVersion = "v1";
      kind = "Pod";
      metadata.name = "web";
      spec.containers = [ ({ name = "web"; } // fields) ];
    };
  inferenceService =
    predictor:
    accepts {
      apiVersion = "serving.kserve.io/v1beta1";
      kind = "InferenceService";
      metadata.name = "churn";
      spec = { inherit predictor; };
    };
  route =
    spec:
    accepts {
      apiVersion = "gateway.networking.k8s.io/v1";
      kind = "HTTPRoute";
      metadata.name = "web";
      inherit spec;
    };
in
{
  identity = {
    testOrdinaryObject = {
      expr = accepts configMap;
      expected = true;
    };
    testValuesThatAreNoObjects = {
      expr = map accepts [
        null
        1
        "v1"
        [ configMap ]
        { }
        { apiVersion = "v1"; }
        {
          apiVersion = 1;
          kind = "ConfigMap";
        }
      ];
      expected = [
        false
        false
        false
        false
        false
        false
        false
      ];
    };
    testUnknownKind = {
      expr = accepts (configMap // { kind = "ConfigMaps"; });
      expected = false;
    };
    testKindOfAnotherGroup = {
      expr = accepts (configMap // { apiVersion = "apps/v1"; });
      expected = false;
    };
    testVersionOfACustomKindThatIsNotServed = {
      expr = accepts {
        apiVersion = "external-secrets.io/v1beta1";
        kind = "ExternalSecret";
        metadata.name = "db";
      };
      expected = false;
    };
  };

  fields = {
    testUnknownField = {
      expr = accepts (configMap // { dta = { }; });
      expected = false;
    };
    testUnknownFieldDeepInside = {
      expr = container { livenessProbe.httpGet.portt = 80; };
      expected = false;
    };
    testWrongTypeOfAMapsValue = {
      expr = accepts (configMap // { data.port = 8080; });
      expected = false;
    };
    testRequiredField = {
      expr = [
        (service [ { name = "http"; } ])
        (service [ { port = 80; } ])
      ];
      expected = [
        false
        true
      ];
    };
    testNullIsNoValueOfAnyField = {
      expr = [
        (container { image = null; })
        (container { env = null; })
        (container { args = [ null ]; })
        (accepts (configMap // { data.a = null; }))
      ];
      expected = [
        false
        false
        false
        false
      ];
    };
    testNullInsideFreeFormValuesHasAMeaning = {
      expr = accepts {
        apiVersion = "helm.toolkit.fluxcd.io/v2";
        kind = "HelmRelease";
        metadata.name = "mlflow";
        spec = {
          interval = "10m";
          values.affinity = null;
        };
      };
      expected = true;
    };
    testMetadataOfACustomKindIsCheckedLikeAnyOther = {
      expr = accepts {
        apiVersion = "serving.kserve.io/v1beta1";
        kind = "InferenceService";
        metadata = {
          name = "churn";
          lables = { };
        };
        spec.predictor.model.modelFormat.name = "sklearn";
      };
      expected = false;
    };
  };

  scalars = {
    testIntOrString = {
      expr = map (targetPort: service [ { port = 80; inherit targetPort; } ]) [
        8080
        "http"
        true
        1.5
      ];
      expected = [
        true
        true
        false
        false
      ];
    };
    testQuantity = {
      expr = map (cpu: container { resources.limits.cpu = cpu; }) [
        "500m"
        "2Gi"
        "1e3"
        ".5"
        1
        0.5
        "2 Gi"
        "1KB"
        "1K"
        ""
        true
      ];
      expected = [
        true
        true
        true
        true
        true
        true
        false
        false
        false
        false
        false
      ];
    };
    testQuantityOfACustomKindIsIntegerOrText = {
      expr = map (
        cpu:
        inferenceService {
          model = {
            modelFormat.name = "sklearn";
            resources.limits = { inherit cpu; };
          };
        }
      ) [
        "500m"
        2
        0.5
        "much"
      ];
      expected = [
        true
        true
        false
        false
      ];
    };
    testEnum = {
      expr = map (
        type:
        route {
          rules = [ { filters = [ { inherit type; } ]; } ];
        }
      ) [
        "URLRewrite"
        "UrlRewrite"
      ];
      expected = [
        true
        false
      ];
    };
    testPatternAndLength = {
      expr = map (hostname: route { hostnames = [ hostname ]; }) [
        "example.com"
        "*.example.com"
        "example.com."
        "Example.com"
        ""
        (builtins.concatStringsSep "." (builtins.genList (_: "abc") 64))
      ];
      expected = [
        true
        true
        false
        false
        false
        false
      ];
    };
    testLengthCountsCharacters = {
      # At most 2,048 characters; these are 1,505 of them, and 3,005 bytes.
      expr =
        accepts {
          apiVersion = "trainer.kubeflow.org/v1alpha1";
          kind = "TrainJob";
          metadata.name = "train";
          spec = {
            runtimeRef.name = "torch";
            initializer.dataset.storageUri = "s3://" + builtins.concatStringsSep "" (builtins.genList (_: "é") 1500);
          };
        };
      expected = true;
    };
    testBounds = {
      expr = map (
        weight:
        route {
          rules = [
            {
              backendRefs = [
                {
                  name = "a";
                  inherit weight;
                }
              ];
            }
          ];
        }
      ) [
        0
        1000000
        1000001
        (-1)
      ];
      expected = [
        true
        true
        false
        false
      ];
    };
    testNumberOfItems = {
      expr = map (
        count: route { hostnames = builtins.genList (index: "a${toString index}.example.com") count; }
      ) [
        16
        17
      ];
      expected = [
        true
        false
      ];
    };
  };

  maps = {
    testNumberOfFields = {
      # Labels of a Gateway's infrastructure: at most eight.
      expr = map (
        count:
        accepts {
          apiVersion = "gateway.networking.k8s.io/v1";
          kind = "Gateway";
          metadata.name = "web";
          spec = {
            gatewayClassName = "istio";
            listeners = [
              {
                name = "http";
                port = 80;
                protocol = "HTTP";
              }
            ];
            infrastructure.labels = builtins.listToAttrs (
              builtins.genList (index: {
                name = "a${toString index}";
                value = "b";
              }) count
            );
          };
        }
      ) [ 8 9 ];
      expected = [
        true
        false
      ];
    };
  };

  lists = {
    testSameNameTwice = {
      expr = container {
        env = [
          {
            name = "A";
            value = "1";
          }
          {
            name = "A";
            value = "2";
          }
        ];
      };
      expected = false;
    };
    testSamePortWithAnotherProtocol = {
      expr = service [
        {
          name = "dns";
          port = 53;
        }
        {
          name = "dns-udp";
          port = 53;
          protocol = "UDP";
        }
      ];
      expected = true;
    };
    testDefaultOfAKeyCounts = {
      expr = service [
        {
          name = "a";
          port = 53;
        }
        {
          name = "b";
          port = 53;
          protocol = "TCP";
        }
      ];
      expected = false;
    };
  };

  versions = {
    testListed = {
      expr = [
        schema.versions
        schema.default
      ];
      expected = [
        [
          "1.30"
          "1.31"
          "1.32"
          "1.33"
          "1.34"
          "1.35"
          "1.36"
          "1.37"
        ]
        "1.36"
      ];
    };
    testKindThatAVersionHasNotYet = {
      expr = map (
        version:
        (schema.forVersion version).accepts {
          apiVersion = "resource.k8s.io/v1";
          kind = "DeviceClass";
          metadata.name = "gpu";
          spec = { };
        }
      ) [
        "1.33"
        "1.34"
      ];
      expected = [
        false
        true
      ];
    };
    testFieldThatAVersionHasNotYet = {
      # Container.restartPolicyRules came with 1.34.
      expr =
        map
          (
            version:
            (schema.forVersion version).accepts {
              apiVersion = "v1";
              kind = "Pod";
              metadata.name = "a";
              spec.containers = [
                {
                  name = "a";
                  restartPolicyRules = [ { action = "Restart"; } ];
                }
              ];
            }
          )
          [
            "1.33"
            "1.34"
          ];
      expected = [
        false
        true
      ];
    };
    testUnknownVersion = {
      expr = schema.forVersion "1.12";
      expectedError.msg = "schema: Kubernetes 1.12 is not known; expected one of 1.30, 1.31, 1.32, 1.33, 1.34, 1.35, 1.36, 1.37";
    };
  };

  kind = {
    testCore = {
      expr = (schema.forVersion "1.36").kind "rbac.authorization.k8s.io/v1" "ClusterRole";
      expected = {
        scope = "Cluster";
        plural = "clusterroles";
        group = "rbac.authorization.k8s.io";
        version = "v1";
        crd = null;
      };
    };
    testCoreGroupIsEmpty = {
      expr = (schema.forVersion "1.36").kind "v1" "Endpoints";
      expected = {
        scope = "Namespaced";
        plural = "endpoints";
        group = "";
        version = "v1";
        crd = null;
      };
    };
    testCustomKindSaysWhereItsCrdIs = {
      expr =
        let
          found = (schema.forVersion "1.36").kind "serving.kserve.io/v1beta1" "InferenceService";
        in
        {
          inherit (found) scope plural group version;
          inherit (found.crd) name;
          attributes = builtins.attrNames found.crd;
          sha256Length = builtins.stringLength found.crd.sha256;
        };
      expected = {
        scope = "Namespaced";
        plural = "inferenceservices";
        group = "serving.kserve.io";
        version = "v1beta1";
        name = "inferenceservices.serving.kserve.io";
        attributes = [
          "alternatives"
          "bytes"
          "file"
          "name"
          "sha256"
          "url"
        ];
        sha256Length = 64;
      };
    };
    # Two upstreams ship a CRD of this name; each version names the file that has it.
    testCrdOfTheVersionAskedFor = {
      expr = map (version: ((schema.forVersion "1.36").kind "kubeflow.org/${version}" "MPIJob").crd.file) [
        "v1"
        "v2beta1"
      ];
      expected = [
        "kubeflow.org/mpijobs.yaml"
        "kubeflow.org/mpijobs.mpi-operator-v2beta1.yaml"
      ];
    };
    testUnknown = {
      expr = (schema.forVersion "1.36").kind "v1" "Nothing";
      expected = null;
    };
  };

  crd = {
    testVariantByFile = {
      expr =
        (schema.crd {
          name = "workflows.argoproj.io";
          file = "argoproj.io-4.0.5-minimal/workflows.yaml";
        }).sha256 == (schema.crd { name = "workflows.argoproj.io"; }).sha256;
      expected = false;
    };
    testUnknownName = {
      expr = schema.crd { name = "workflow.argoproj.io"; };
      expectedError.msg = "schema: CRD workflow.argoproj.io: not known; did you mean workflows.argoproj.io?";
    };
    testUnknownFile = {
      expr = schema.crd {
        name = "workflows.argoproj.io";
        file = "workflows.yaml";
      };
      expectedError.msg = "schema: CRD workflows.argoproj.io: no file workflows.yaml; there are";
    };
  };

  fragment = {
    testByShortName = {
      expr =
        let
          toleration = (schema.forVersion "1.36").fragment "Toleration";
        in
        map toleration.accepts [
          {
            key = "nvidia.com/gpu";
            operator = "Exists";
          }
          { keys = "nvidia.com/gpu"; }
        ];
      expected = [
        true
        false
      ];
    };
    testExplains = {
      expr = ((schema.forVersion "1.36").fragment "Container").explain {
        name = "a";
        imge = "b";
      };
      expected = [
        {
          path = "imge";
          message = "unknown field; did you mean image?";
        }
      ];
    };
    testByFullName = {
      expr = ((schema.forVersion "1.36").fragment "events/v1.Event").accepts { note = "a"; };
      expected = false;
    };
    testNamesOfOrdinaryParts = {
      expr = builtins.intersectAttrs (builtins.listToAttrs (
        map (name: { inherit name; value = null; }) (schema.forVersion "1.36").fragmentNames
      )) {
        PodSpec = true;
        Affinity = true;
        EnvVar = true;
        Volume = true;
        PodTemplateSpec = true;
        NetworkPolicySpec = true;
        Nothing = true;
      };
      expected = {
        PodSpec = true;
        Affinity = true;
        EnvVar = true;
        Volume = true;
        PodTemplateSpec = true;
        NetworkPolicySpec = true;
      };
    };
    testUnknownName = {
      expr = (schema.forVersion "1.36").fragment "PodSpecs";
      expectedError.msg = "schema: fragment PodSpecs: no such definition in Kubernetes 1.36; did you mean PodSpec?";
    };
  };
}
