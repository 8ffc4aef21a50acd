{ mlops, root }:
let
  inherit (builtins)
    all
    elem
    filter
    fromJSON
    head
    length
    map
    ;
  inherit (mlops) mkKServe mkPlatform;

  objects = args: (mkKServe args).rendered;
  ofKind = kind: args: filter (object: object.kind == kind) (objects args);
  called =
    kind: name: args:
    head (filter (object: object.metadata.name == name) (ofKind kind args));
  configuration = key: args: fromJSON (called "ConfigMap" "inferenceservice-config" args).data.${key};
  names = kind: args: map (object: object.metadata.name) (ofKind kind args);
  says = args: msg: {
    expr = objects args;
    expectedError.msg = msg;
  };
  llm.llmisvc.enabled = true;
  local.localModel.enabled = true;
  # A platform whose only component is the operator.
  platform =
    args: settings:
    mkPlatform (
      {
        name = "acme";
        components.kserve = mkKServe args;
        external = [
          "cert-manager"
          "gateway-api"
          "prometheus-operator"
        ];
      }
      // settings
    );
  operator = platform: platform.components.kserve;
  configured =
    platform: key:
    fromJSON
      (head (filter (object: object.kind == "ConfigMap") (operator platform).rendered)).data.${key};
in
{
  install = {
    testControllersAreAddedByOption = {
      expr = map (args: names "Deployment" args) [
        { }
        llm
        local
      ];
      expected = [
        [ "kserve-controller-manager" ]
        [
          "kserve-controller-manager"
          "llmisvc-controller-manager"
        ]
        [
          "kserve-controller-manager"
          "kserve-localmodel-controller-manager"
        ]
      ];
    };
    testAgentRunsOnLabelledNodes = {
      expr = (head (ofKind "DaemonSet" local)).spec.template.spec.nodeSelector;
      expected."kserve/localmodel" = "worker";
    };
    testCrdsFollowTheControllers = {
      expr = {
        base = length (mkKServe { }).crds;
        llm = elem "llminferenceservices.serving.kserve.io" (mkKServe llm).crds;
        local = elem "localmodelcaches.serving.kserve.io" (mkKServe local).crds;
      };
      expected = {
        base = 6;
        llm = true;
        local = true;
      };
    };
    testLanguageModelsAreMetOnlyWithTheirController = {
      expr = map (args: (mkKServe args).provides) [
        { }
        llm
      ];
      expected = [
        [ "kserve" ]
        [
          "kserve"
          "kserve-llmisvc"
        ]
      ];
    };
    testEveryWebhookHasACertificateOfItsOwnNamespace = {
      expr =
        all (object: object.metadata.annotations."cert-manager.io/inject-ca-from" == "models/serving-cert")
          (
            ofKind "ValidatingWebhookConfiguration" { namespace = "models"; }
            ++ ofKind "MutatingWebhookConfiguration" { namespace = "models"; }
          );
      expected = true;
    };
    testApiServerMayCallTheWebhooks = {
      expr = map (open: open.port) (mkKServe { }).open;
      expected = [ 9443 ];
    };
    testOneReplicaHasNoBudget = {
      expr = map (args: length (ofKind "PodDisruptionBudget" args)) [
        { }
        { controller.replicas = 2; }
      ];
      expected = [
        0
        1
      ];
    };
    testLineOfReleasesIsAccepted = {
      expr =
        let
          component = mkKServe { version = "0.20"; };
        in
        {
          inherit (component) version warnings;
        };
      expected = {
        version = "0.20.0";
        warnings = [ "version 0.20 is a line of releases; 0.20.0 is rendered" ];
      };
    };
  };

  runtimes = {
    testSelectionInstallsThoseAlone = {
      expr = names "ClusterServingRuntime" {
        runtimes.install = [
          "kserve-xgbserver"
          "kserve-sklearnserver"
        ];
      };
      expected = [
        "kserve-sklearnserver"
        "kserve-xgbserver"
      ];
    };
    testOwnRuntimeComesBeside = {
      expr = names "ClusterServingRuntime" {
        runtimes.install = [ ];
        runtimes.extra.catboost = {
          supportedModelFormats = [ { name = "catboost"; } ];
          containers = [
            {
              name = "kserve-container";
              image = "registry.example.com/catboost:1";
            }
          ];
        };
      };
      expected = [ "catboost" ];
    };
    testOwnRuntimeIsCheckedAgainstTheSchema = {
      expr =
        (mkKServe {
          runtimes.extra.catboost = {
            containers = [
              {
                name = "kserve-container";
                imge = "registry.example.com/catboost:1";
              }
            ];
          };
        }).objects;
      expectedError.msg = "ClusterServingRuntime catboost: spec.containers\\[0\\].imge: unknown field; did you mean image";
    };
    testUnknownRuntimeNamesNearest = says {
      runtimes.install = [ "kserve-sklearserver" ];
    } "runtimes.install\\[0\\]: expected one of .*did you mean kserve-sklearnserver";
    testOnlyImagesThatRootNeedsMayRunAsRoot = {
      expr = map (object: object.metadata.name) (
        filter (object: !((head object.spec.containers).securityContext.runAsNonRoot or false)) (
          ofKind "ClusterServingRuntime" { }
        )
      );
      expected = [
        "kserve-huggingfaceserver-multinode"
        "kserve-vllmserver"
      ];
    };
    testImageOverrideReachesTheRuntime = {
      expr =
        (head
          (called "ClusterServingRuntime" "kserve-vllmserver" {
            image.vllmserver.tag = "v0.33.0";
          }).spec.containers
        ).image;
      expected = "vllm/vllm-openai:v0.33.0";
    };
  };

  configuration = {
    testShippedModeIsServerless = {
      expr = configuration "deploy" { };
      expected.defaultDeploymentMode = "Serverless";
    };
    testKServesOwnWordForAMode = {
      expr = configuration "deploy" { deploymentMode = "RawDeployment"; };
      expected.defaultDeploymentMode = "Standard";
    };
    testWithoutAClassNoIngressIsMade = {
      expr = (configuration "ingress" { }).disableIngressCreation;
      expected = true;
    };
    testClassAndDomainOfThePlatform = {
      expr =
        let
          ingress = configured (platform { } {
            domain = "ml.example.com";
            ingress.class = "traefik";
            ingress.tls.enabled = true;
          }) "ingress";
        in
        {
          inherit (ingress)
            disableIngressCreation
            ingressClassName
            ingressDomain
            urlScheme
            ;
        };
      expected = {
        disableIngressCreation = false;
        ingressClassName = "traefik";
        ingressDomain = "ml.example.com";
        urlScheme = "https";
      };
    };
    testGatewayOfThePlatform = {
      expr =
        let
          component = operator (
            platform { } {
              ingress.gateway = {
                name = "public";
                namespace = "gateways";
              };
            }
          );
          ingress =
            fromJSON
              (head (filter (object: object.kind == "ConfigMap") component.rendered)).data.ingress;
        in
        {
          inherit (ingress) enableGatewayApi kserveIngressGateway;
          needed = elem "gateway-api" component.requires;
        };
      expected = {
        enableGatewayApi = true;
        kserveIngressGateway = "gateways/public";
        needed = true;
      };
    };
    testKourierHasNoVirtualServices = {
      expr = (configuration "ingress" { knative.networking = "kourier"; }).disableIstioVirtualHost;
      expected = true;
    };
    testStoreIsTheDefaultOfAllModels = {
      expr =
        let
          store = mlops.mkObjectStore {
            name = "minio";
            namespace = "ml-data";
          };
          inherit (configuration "credentials" { storage = store.endpoints.s3; }) s3;
        in
        {
          inherit (s3)
            s3Endpoint
            s3UseHttps
            s3Region
            s3UseVirtualBucket
            ;
        };
      expected = {
        s3Endpoint = "minio.ml-data.svc:9000";
        s3UseHttps = "0";
        s3Region = "us-east-1";
        s3UseVirtualBucket = "0";
      };
    };
    testNumbersStayText = {
      expr = (configuration "batcher" { settings.batcher.maxBatchSize = "64"; }).maxBatchSize;
      expected = "64";
    };
    testSettingsAreMergedDeeply = {
      expr = configuration "inferenceService" { settings.inferenceService.resource.cpuLimit = "4"; };
      expected.resource = {
        cpuLimit = "4";
        cpuRequest = "1";
        memoryLimit = "2Gi";
        memoryRequest = "2Gi";
      };
    };
    testUnknownKeyNamesNearest = says {
      settings.ingress.ingresDomain = "example.org";
    } "settings.ingress.ingresDomain: KServe knows no such key; did you mean ingressDomain";
    testNumberWhereKServeReadsText =
      says
        {
          settings.batcher.maxBatchSize = 64;
        }
        "settings.batcher.maxBatchSize: expected a string, as KServe reads it, found an integer; write \"64\"";
    testKeyThatIsNotShippedIsKnown = {
      expr = configuration "multiNode" {
        settings.multiNode.customGPUResourceTypeList = [ "acme.com/gpu" ];
      };
      expected.customGPUResourceTypeList = [ "acme.com/gpu" ];
    };
    testMirrorReachesConfigurationRuntimesAndControllers = {
      expr =
        let
          found = (platform { } { images.mirror."docker.io" = "registry.example.com/hub"; }).objects;
          of = kind: name: head (filter (object: object.kind == kind && object.metadata.name == name) found);
        in
        {
          agent = (fromJSON (of "ConfigMap" "inferenceservice-config").data.agent).image;
          runtime = (head (of "ClusterServingRuntime" "kserve-sklearnserver").spec.containers).image;
          initializer = (of "ClusterStorageContainer" "default").spec.container.image;
          controller =
            (head (of "Deployment" "kserve-controller-manager").spec.template.spec.containers).image;
        };
      expected = {
        agent = "registry.example.com/hub/kserve/agent:v0.20.0";
        runtime = "registry.example.com/hub/kserve/sklearnserver:v0.20.0";
        initializer = "registry.example.com/hub/kserve/storage-initializer:v0.20.0";
        controller = "registry.example.com/hub/kserve/kserve-controller:v0.20.0";
      };
    };
    testArtExplainerIsPinned = {
      expr = (configuration "explainers" { }).art;
      expected = {
        image = "kserve/art-explainer";
        defaultImageVersion = "v0.20.0";
      };
    };
  };

  hardening = {
    testModelsCanBeFetchedInRestrictedNamespaces = {
      expr =
        map (args: (called "ClusterStorageContainer" "default" args).spec.container ? securityContext)
          [
            { }
            { storageInitializer.hardened = false; }
          ];
      expected = [
        true
        false
      ];
    };
    testOperatorsNamespaceIsRestricted = {
      expr =
        (head (filter (object: object.kind == "Namespace") (platform { } { }).objects))
        .metadata.labels."pod-security.kubernetes.io/enforce";
      expected = "restricted";
    };
    # A namespace with this label is skipped by the webhook that prepares serving pods.
    testNamespaceDoesNotHideFromThePodMutator = {
      expr =
        (head (filter (object: object.kind == "Namespace") (platform { } { }).objects)).metadata.labels
          ? control-plane;
      expected = false;
    };
    testServingPodsGetNoToken = {
      expr = configuration "security" { };
      expected.autoMountServiceAccountToken = false;
    };
  };

  mistakes = {
    testRoutesThatNobodyServes = says {
      ingress.create = true;
    } "ingress.create: the controller needs ingress.class or ingress.gateway.name";
    testClassAndGateway = says {
      ingress.class = "nginx";
      ingress.gateway.name = "public";
    } "ingress.gateway.name: ingress.class and ingress.gateway exclude each other";
    testBudgetForOneReplica = says {
      podDisruptionBudget.enabled = true;
    } "podDisruptionBudget.enabled: a budget for one replica would block every drain";
    testUnknownVersion = says { version = "0.8.0"; } "version: unknown version 0.8.0; known: 0.20.0";
  };

  effects = import (root + "/tests/effects.nix") mkKServe {
    base = {
      controller.replicas = 2;
      monitoring.enabled = true;
      llmisvc.enabled = true;
      localModel.enabled = true;
    };
    changes =
      let
        routed.ingress.class = "traefik";
        gateway.ingress.gateway.name = "public";
        stored.storage.endpoint = "http://minio.ml-data.svc:9000";
        more = {
          to = {
            cpu = "4";
            memory = "8Gi";
          };
        };
        resources = prefix: {
          "${prefix}.cpu" = "4";
          "${prefix}.memory" = "8Gi";
          "${prefix}.requests".to = {
            cpu = "4";
          };
          "${prefix}.limits" = more;
        };
      in
      {
        name = "other";
        namespace = "other";
        image = "registry.example.com/kserve-controller:1";
        deploymentMode = "Standard";
        "knative.namespace" = "other";
        "knative.networking" = "kourier";
        "ingress.create" = {
          given = routed;
          to = false;
        };
        "ingress.domain" = "ml.example.com";
        "ingress.domainTemplate" = "{{ .Name }}.{{ .IngressDomain }}";
        "ingress.class" = "traefik";
        "ingress.gateway.name" = "public";
        "ingress.gateway.namespace" = {
          given = gateway;
          to = "gateways";
        };
        "ingress.scheme" = "https";
        "controller.replicas" = 3;
        "runtimes.install".to = [ "kserve-sklearnserver" ];
        "runtimes.hardened" = false;
        "runtimes.extra".to = {
          mine.containers = [ { name = "kserve-container"; } ];
        };
        automountServiceAccountToken = true;
        "storageInitializer.hardened" = false;
        "storageInitializer.caBundleConfigMap" = "ca";
        "storage.endpoint" = "https://s3.example.com";
        "storage.region" = {
          given = stored;
          to = "eu-central-1";
        };
        "storage.pathStyle" = {
          given = stored;
          to = false;
        };
        "storage.verifySSL" = {
          given = stored;
          to = false;
        };
        "metrics.aggregation" = true;
        "metrics.scraping" = true;
        "llmisvc.enabled" = false;
        "localModel.enabled" = false;
        "localModel.hostPath" = "/var/models";
        "localModel.nodeSelector".to = {
          disk = "nvme";
        };
        "localModel.jobNamespace" = "jobs";
        "localModel.fsGroup" = 2000;
        kubeflow = true;
        settings.to = {
          logger.defaultUrl = "http://broker.events";
        };
        "monitoring.enabled" = false;
        "monitoring.interval" = "15s";
        "monitoring.labels".to = {
          release = "kps";
        };
        "networkPolicy.enabled" = false;
        "networkPolicy.allowFrom".to = [ { namespaceSelector = { }; } ];
        "networkPolicy.allowTo".to = [ { ports = [ { port = 8443; } ]; } ];
        "podDisruptionBudget.enabled" = false;
        "podDisruptionBudget.minAvailable" = 1;
        "podDisruptionBudget.maxUnavailable" = "50%";
        labels.to = {
          team = "ml";
        };
        annotations.to = {
          "example.com/x" = "y";
        };
        patches.to = [
          {
            target.kind = "Deployment";
            patch.spec.minReadySeconds = 5;
          }
        ];
        imagePullSecrets.to = [ "registry" ];
        nodePool = "gpu";
        nodeSelector.to = {
          disk = "ssd";
        };
        tolerations.to = [ { operator = "Exists"; } ];
        affinity.to = {
          nodeAffinity = { };
        };
        topologySpread.to = [
          {
            maxSkew = 1;
            topologyKey = "zone";
            whenUnsatisfiable = "ScheduleAnyway";
          }
        ];
        priorityClassName = "high";
        extraEnv.to = {
          TZ = "UTC";
        };
        extraArgs.to = [ "--zap-log-level=debug" ];
        extraVolumes.to = [
          {
            name = "extra";
            mountPath = "/extra";
            volume.emptyDir = { };
          }
        ];
      }
      // resources "controller.resources"
      // resources "proxy.resources"
      // resources "modelResources"
      // resources "storageInitializer.resources"
      // resources "llmisvc.resources"
      // resources "localModel.resources";
  };
}
