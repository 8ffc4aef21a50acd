{ root }:
let
  inherit (import (root + "/lib/schema") { }) forVersion;
  inherit (forVersion "1.36") explain;

  pod =
    containers:
    explain {
      apiVersion = "v1";
      kind = "Pod";
      metadata.name = "web";
      spec = { inherit containers; };
    };
  container = fields: pod [ ({ name = "web"; } // fields) ];
  route =
    spec:
    explain {
      apiVersion = "gateway.networking.k8s.io/v1";
      kind = "HTTPRoute";
      metadata.name = "web";
      inherit spec;
    };
  messageFor =
    apiVersion: kind: (builtins.head (explain { inherit apiVersion kind; })).message;
in
{
  testNothingToSay = {
    expr = container { image = "nginx"; };
    expected = [ ];
  };
  testAllProblemsAtOnce = {
    expr = explain {
      apiVersion = "apps/v1";
      kind = "Deployment";
      metadata = {
        name = "web";
        labels."app.kubernetes.io/name" = 1;
      };
      spec = {
        replicas = "2";
        template.spec.containers = [
          {
            name = "web";
            imge = "nginx";
            resources.limits.cpu = "much";
          }
          { image = "nginx"; }
        ];
      };
    };
    expected = [
      {
        path = "metadata.labels[\"app.kubernetes.io/name\"]";
        message = "expected a string, found the number 1";
      }
      {
        path = "spec.selector";
        message = "required field is missing";
      }
      {
        path = "spec.replicas";
        message = "expected an integer, found \"2\"";
      }
      {
        path = "spec.template.spec.containers[0].imge";
        message = "unknown field; did you mean image?";
      }
      {
        path = "spec.template.spec.containers[0].resources.limits.cpu";
        message = "expected a quantity such as \"500m\", \"2Gi\" or 1, found \"much\"";
      }
      {
        path = "spec.template.spec.containers[1].name";
        message = "required field is missing";
      }
    ];
  };
  testUnknownFieldWithoutANearName = {
    expr = container { sidecar = true; };
    expected = [
      {
        path = "spec.containers[0].sidecar";
        message = "unknown field";
      }
    ];
  };
  testNull = {
    expr = container { image = null; };
    expected = [
      {
        path = "spec.containers[0].image";
        message = "null; leave the field out instead";
      }
    ];
  };
  testObjectWhereAListIsWanted = {
    expr = pod { name = "web"; };
    expected = [
      {
        path = "spec.containers";
        message = "expected a list, found an object";
      }
    ];
  };
  testListWhereAnObjectIsWanted = {
    expr = container { securityContext = [ ]; };
    expected = [
      {
        path = "spec.containers[0].securityContext";
        message = "expected an object, found a list";
      }
    ];
  };
  testFunctionWhereAStringIsWanted = {
    expr = container { image = version: "nginx:${version}"; };
    expected = [
      {
        path = "spec.containers[0].image";
        message = "expected a string, found a function";
      }
    ];
  };
  testPathWhereAStringIsWanted = {
    expr = container { image = ./explain.nix; };
    expected = [
      {
        path = "spec.containers[0].image";
        message = "expected a string, found a path";
      }
    ];
  };
  testDuplicateInAListMap = {
    expr = container {
      ports = [
        { containerPort = 80; }
        { containerPort = 81; }
        {
          containerPort = 80;
          protocol = "TCP";
        }
      ];
    };
    expected = [
      {
        path = "spec.containers[0].ports[2]";
        message = "duplicates spec.containers[0].ports[0]: the same containerPort 80, protocol \"TCP\"";
      }
    ];
  };
  testEnumNamesTheNearest = {
    expr = route { rules = [ { filters = [ { type = "RequestHeaderModifer"; } ]; } ]; };
    expected = [
      {
        path = "spec.rules[0].filters[0].type";
        message = "found \"RequestHeaderModifer\"; expected one of \"RequestHeaderModifier\", \"ResponseHeaderModifier\", \"RequestMirror\", \"RequestRedirect\", \"URLRewrite\", \"ExtensionRef\", \"CORS\"; did you mean RequestHeaderModifier?";
      }
    ];
  };
  testPattern = {
    expr = route { hostnames = [ "Example.com" ]; };
    expected = [
      {
        path = "spec.hostnames[0]";
        message = "found \"Example.com\"; expected a string that matches ^(\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
      }
    ];
  };
  testTooManyItems = {
    expr = route { hostnames = builtins.genList (index: "a${toString index}.b") 17; };
    expected = [
      {
        path = "spec.hostnames";
        message = "expected at most 16 items";
      }
    ];
  };
  testLongValuesAreCutBetweenCharacters = {
    expr = route {
      hostnames = [ (builtins.concatStringsSep "" (builtins.genList (_: "é") 100)) ];
    };
    expected = [
      {
        path = "spec.hostnames[0]";
        message = "found \"${
          builtins.concatStringsSep "" (builtins.genList (_: "é") 37)
        }…\"; expected a string that matches ^(\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
      }
    ];
  };

  identity = {
    testNoObject = {
      expr = explain [ ];
      expected = [
        {
          path = "";
          message = "expected a Kubernetes object, found a list";
        }
      ];
    };
    testNeitherApiVersionNorKind = {
      expr = explain { metadata.name = "a"; };
      expected = [
        {
          path = "apiVersion";
          message = "required field is missing";
        }
        {
          path = "kind";
          message = "required field is missing";
        }
      ];
    };
    testKindThatIsNoString = {
      expr = explain {
        apiVersion = "v1";
        kind = [ "Pod" ];
      };
      expected = [
        {
          path = "kind";
          message = "expected a string";
        }
      ];
    };
  };

  unknownKind = {
    testRemovedApi = {
      expr = map (api: messageFor (builtins.elemAt api 0) (builtins.elemAt api 1)) [
        [
          "policy/v1beta1"
          "PodSecurityPolicy"
        ]
        [
          "extensions/v1beta1"
          "Ingress"
        ]
        [
          "batch/v1beta1"
          "CronJob"
        ]
        [
          "autoscaling/v2beta2"
          "HorizontalPodAutoscaler"
        ]
        [
          "flowcontrol.apiserver.k8s.io/v1beta3"
          "FlowSchema"
        ]
      ];
      expected = [
        "policy/v1beta1 PodSecurityPolicy is not served by Kubernetes 1.36; removed in 1.25"
        "extensions/v1beta1 Ingress is not served by Kubernetes 1.36; removed in 1.22; use networking.k8s.io/v1"
        "batch/v1beta1 CronJob is not served by Kubernetes 1.36; removed in 1.25; use batch/v1"
        "autoscaling/v2beta2 HorizontalPodAutoscaler is not served by Kubernetes 1.36; removed in 1.26; use autoscaling/v2"
        "flowcontrol.apiserver.k8s.io/v1beta3 FlowSchema is not served by Kubernetes 1.36; removed in 1.32; use flowcontrol.apiserver.k8s.io/v1"
      ];
    };
    testApiOfALaterVersion = {
      expr =
        (builtins.head (
          (forVersion "1.33").explain {
            apiVersion = "resource.k8s.io/v1";
            kind = "DeviceClass";
          }
        )).message;
      expected = "resource.k8s.io/v1 DeviceClass is not served by Kubernetes 1.33; added in 1.34; use resource.k8s.io/v1beta2";
    };
    testVersionThatACrdServesNoMore = {
      expr = messageFor "external-secrets.io/v1beta1" "ExternalSecret";
      expected = "external-secrets.io/v1beta1 ExternalSecret is not served any more by its CRD; use external-secrets.io/v1";
    };
    testRightKindWrongApiVersion = {
      expr = messageFor "v1" "Deployment";
      expected = "v1 Deployment is not known; Deployment is in apps/v1";
    };
    testWrongVersionOfACustomKind = {
      expr = messageFor "serving.kserve.io/v1" "InferenceService";
      expected = "serving.kserve.io/v1 InferenceService is not known; InferenceService is in serving.kserve.io/v1beta1";
    };
    testMisspelledKind = {
      expr = messageFor "apps/v1" "Deploment";
      expected = "apps/v1 Deploment is not known; did you mean Deployment?";
    };
    testMisspelledKindUnderAWrongApiVersion = {
      expr = messageFor "v1" "Deploymnet";
      expected = "v1 Deploymnet is not known; did you mean apps/v1 Deployment?";
    };
    testMisspelledApiVersion = {
      expr = messageFor "app/v1" "Zork";
      expected = "app/v1 Zork is not known: no kind of Kubernetes 1.36 and none of the known CRDs; did you mean apps/v1?";
    };
    testNothingLikeItInAKnownApiVersion = {
      expr = messageFor "apps/v1" "Zork";
      expected = "apps/v1 Zork is not known; apps/v1 has ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet";
    };
  };
}
