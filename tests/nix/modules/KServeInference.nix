{ mlops, root }:
let
  inherit (builtins)
    attrNames
    filter
    head
    length
    map
    ;
  inherit (mlops) mkKServe mkKServeInference mkPlatform;

  base = {
    name = "churn";
    namespace = "ml-prod";
    predictor.model = {
      modelFormat = "sklearn";
      storageUri = "gs://models/churn/3";
    };
  };
  standard = base // {
    deploymentMode = "Standard";
  };
  custom = {
    name = "churn";
    namespace = "ml-prod";
    predictor.spec.containers = [
      {
        name = "sklearn";
        image = "registry.example.com/churn:1";
        ports = [ { containerPort = 8080; } ];
      }
    ];
  };
  model =
    format: more:
    base
    // {
      predictor.model = {
        modelFormat = format;
        storageUri = "gs://m/1";
      }
      // more;
    };
  gateway.ingress = {
    enabled = true;
    host = "churn.example.com";
    gateway.name = "public";
  };
  split =
    standard
    // gateway
    // {
      canary.predictor.model.storageUri = "gs://models/churn/4";
      canaryTraffic = 10;
    };
  store = mlops.mkObjectStore {
    name = "minio";
    namespace = "ml-data";
    buckets = [
      "models"
      "other"
    ];
  };
  container = image: { inherit image; };
  withContainer =
    more:
    custom // { predictor.containers = [ ({ image = "registry.example.com/churn:1"; } // more) ]; };

  component = mkKServeInference;
  objects = args: (component args).rendered;
  ofKind = kind: args: filter (object: object.kind == kind) (objects args);
  service = args: head (ofKind "InferenceService" args);
  predictor = args: (service args).spec.predictor;
  server = args: (predictor args).model or (head (predictor args).containers);
  kinds = args: map (object: object.kind) (objects args);
  annotation = name: args: (service args).metadata.annotations.${name} or null;
  local = args: (service args).metadata.labels."networking.kserve.io/visibility" or null;
  warnings = args: (component args).warnings;
  warns =
    text: args: filter (warning: builtins.match ".*${text}.*" warning != null) (warnings args) != [ ];
  says = args: msg: {
    expr = objects args;
    expectedError.msg = msg;
  };
  renders = args: {
    expr = builtins.deepSeq (component args).objects true;
    expected = true;
  };
  platform =
    more:
    mkPlatform {
      name = "acme";
      components = {
        inherit store;
      }
      // more;
      external = [
        "cert-manager"
        "knative-serving"
        "gateway-api"
        "prometheus-operator"
        "kserve-llm-templates"
      ];
    };
in
{
  shapes = {
    testShortestCall = renders base;
    testTheSpecificationsShapeGoesOneLevelUp = {
      expr =
        let
          inherit (predictor custom) containers;
        in
        map (container: {
          inherit (container) name image ports;
        }) containers;
      expected = [
        {
          name = "kserve-container";
          image = "registry.example.com/churn:1";
          ports = [ { containerPort = 8080; } ];
        }
      ];
    };
    testContainersWithoutTheLevelAreTheSame = {
      expr =
        service (custom // { predictor.containers = custom.predictor.spec.containers; }) == service custom;
      expected = true;
    };
    testNameMayBeLeftOutAndPortsBeNumbers = {
      expr = {
        inherit
          (server (withContainer {
            ports = [ 5000 ];
          }))
          name
          ports
          ;
      };
      expected = {
        name = "kserve-container";
        ports = [
          {
            containerPort = 5000;
            protocol = "TCP";
          }
        ];
      };
    };
    testSecondContainerKeepsItsName = {
      expr =
        map (container: container.name)
          (predictor (
            custom
            // {
              predictor.containers = [
                (container "registry.example.com/churn:1" // { name = "model"; })
                (container "registry.example.com/side:1" // { name = "side"; })
              ];
              deploymentMode = "Standard";
            }
          )).containers;
      expected = [
        "kserve-container"
        "side"
      ];
    };
    testModelByShortNames = {
      expr =
        service (
          base
          // {
            predictor.model = {
              format = "sklearn";
              uri = "gs://models/churn/3";
            };
          }
        ) == service base;
      expected = true;
    };
    testVersionOfAFormatIsText = {
      expr =
        (server (
          model {
            name = "sklearn";
            version = 1;
          } { }
        )).modelFormat;
      expected = {
        name = "sklearn";
        version = "1";
      };
    };
    testOtherFieldsOfThePodGoOneLevelUpToo = {
      expr =
        (predictor (
          base
          // {
            predictor = base.predictor // {
              spec.terminationGracePeriodSeconds = 5;
            };
          }
        )).terminationGracePeriodSeconds;
      expected = 5;
    };
    testTransformerAndExplainer = {
      expr =
        let
          inherit
            (service (
              base
              // {
                transformer.containers = [ (container "registry.example.com/transform:1") ];
                explainer.art = {
                  type = "SquareAttack";
                  config.nb_classes = "10";
                };
                maxReplicas = 3;
              }
            ))
            spec
            ;
        in
        {
          inherit (spec.transformer) minReplicas maxReplicas;
          transformer = (head spec.transformer.containers).name;
          art = {
            inherit (spec.explainer.art) type config image;
          };
        };
      expected = {
        minReplicas = 1;
        maxReplicas = 3;
        transformer = "kserve-container";
        art = {
          type = "SquareAttack";
          config.nb_classes = "10";
          image = "kserve/art-explainer:v0.20.0";
        };
      };
    };
    testLanguageModel = {
      expr =
        let
          llm = head (
            ofKind "LLMInferenceService" {
              name = "qwen";
              namespace = "llm";
              llm = {
                model.uri = "hf://Qwen/Qwen2.5-7B-Instruct";
                replicas = 2;
                router.scheduler = { };
              };
              gpu.count = 1;
              extraArgs = [ "--max-model-len=8192" ];
            }
          );
        in
        {
          inherit (llm.spec) model replicas router;
          container = head llm.spec.template.containers;
        };
      expected = {
        model.uri = "hf://Qwen/Qwen2.5-7B-Instruct";
        replicas = 2;
        router.scheduler = { };
        container = {
          name = "main";
          args = [ "--max-model-len=8192" ];
          resources = {
            requests."nvidia.com/gpu" = "1";
            limits."nvidia.com/gpu" = "1";
          };
        };
      };
    };
    testGraphBesideTheService = {
      expr =
        let
          graph = head (
            ofKind "InferenceGraph" (
              base
              // {
                inferenceGraph.nodes.root = {
                  routerType = "Sequence";
                  steps = [
                    { serviceName = component (base // { name = "first"; }); }
                    {
                      serviceName = "churn";
                      data = "$response";
                    }
                  ];
                };
              }
            )
          );
        in
        {
          inherit (graph.metadata) name;
          inherit (graph.spec.nodes.root) steps;
        };
      expected = {
        name = "churn-graph";
        steps = [
          { serviceName = "first"; }
          {
            serviceName = "churn";
            data = "$response";
          }
        ];
      };
    };
  };

  modes = {
    testModeIsAlwaysSaid = {
      expr = map (annotation "serving.kserve.io/deploymentMode") [
        base
        standard
        (base // { deploymentMode = "Knative"; })
      ];
      expected = [
        "Knative"
        "Standard"
        "Knative"
      ];
    };
    testRequirementsFollowTheMode = {
      expr = map (args: (component args).requires) [
        base
        standard
        (standard // gateway)
        (
          standard
          // {
            autoscaler = "keda";
            minReplicas = 0;
            scaling.metrics = [ { type = "External"; } ];
          }
        )
      ];
      expected = [
        [
          "kserve"
          "knative-serving"
        ]
        [ "kserve" ]
        [
          "kserve"
          "gateway-api"
        ]
        [
          "kserve"
          "keda"
        ]
      ];
    };
    testUrlFollowsTheMode = {
      expr = map (args: (component args).endpoints.http.url) [
        base
        standard
        (standard // { transformer.containers = [ (container "registry.example.com/t:1") ]; })
        (base // { knative.networking = "kourier"; })
      ];
      expected = [
        "http://churn.ml-prod.svc"
        "http://churn-predictor.ml-prod.svc"
        "http://churn-transformer.ml-prod.svc"
        "http://churn-predictor.ml-prod.svc"
      ];
    };
    testAgentStandsInFrontOfTheServer = {
      expr = map (args: (component args).endpoints.http.targetPort) [
        standard
        (standard // { logger = { }; })
        (standard // { batcher.maxBatchSize = 16; })
        (
          custom
          // {
            deploymentMode = "Standard";
            predictor.containers = [
              {
                image = "registry.example.com/churn:1";
                ports = [ 5000 ];
              }
            ];
            predictor.spec = null;
          }
        )
      ];
      expected = [
        8080
        9081
        9081
        5000
      ];
    };
    testCpuMetricOnKnativeNeedsItsClass = {
      expr = map (annotation "autoscaling.knative.dev/class") [
        base
        (base // { scaleMetric = "cpu"; })
        (base // { scaleMetric = "rps"; })
      ];
      expected = [
        null
        "hpa.autoscaling.knative.dev"
        null
      ];
    };
    testOnlyTheGatewayAndKnativeReachPodsOnKnative = {
      expr = {
        knative = length (ofKind "NetworkPolicy" base);
        standard = length (ofKind "NetworkPolicy" standard);
      };
      expected = {
        knative = 1;
        standard = 0;
      };
    };
  };

  canary = {
    testServerlessSplitsByRevision = {
      expr = (predictor (base // { canaryTraffic = 10; })).canaryTrafficPercent;
      expected = 10;
    };
    testServerlessSecondModelIsTheNextRevision = {
      expr =
        let
          found = predictor (
            base
            // {
              canary.predictor.model.storageUri = "gs://models/churn/4";
              canaryTraffic = 10;
            }
          );
        in
        {
          inherit (found) canaryTrafficPercent;
          inherit (found.model) storageUri modelFormat;
        };
      expected = {
        canaryTrafficPercent = 10;
        storageUri = "gs://models/churn/4";
        modelFormat.name = "sklearn";
      };
    };
    testStandardMakesASecondPredictor = {
      expr =
        let
          canary = head (service split).spec.canary;
        in
        {
          inherit (canary) trafficPercent;
          inherit (canary.predictor) name;
          inherit (canary.predictor.model) storageUri modelFormat;
          main = (predictor split).model.storageUri;
        };
      expected = {
        trafficPercent = 10;
        name = "canary";
        storageUri = "gs://models/churn/4";
        modelFormat.name = "sklearn";
        main = "gs://models/churn/3";
      };
    };
    testStandardRouteHasTheWeights = {
      expr = (head (head (ofKind "HTTPRoute" split)).spec.rules).backendRefs;
      expected = [
        {
          name = "churn-predictor";
          port = 80;
          weight = 90;
        }
        {
          name = "churn-canary-predictor";
          port = 80;
          weight = 10;
        }
      ];
    };
    testControllerMakesNoRouteBeside = {
      expr = local split;
      expected = "cluster-local";
    };
    testCanaryFieldsThatTheWebhookRefusesAreNotThere = {
      expr =
        let
          canary =
            (head
              (service (
                split
                // {
                  maxReplicas = 9;
                  scaleTarget = 50;
                }
              )).spec.canary
            ).predictor;
        in
        filter (field: canary ? ${field}) [
          "maxReplicas"
          "scaleTarget"
          "scaleMetric"
          "autoScaling"
          "workerSpec"
        ];
      expected = [ ];
    };
    testPromotionChangesTwoFields = {
      expr =
        let
          promoted = split // {
            canaryTraffic = 100;
          };
        in
        {
          same = predictor promoted == predictor split;
          weights =
            map (backend: backend.weight)
              (head (head (ofKind "HTTPRoute" promoted)).spec.rules).backendRefs;
        };
      expected = {
        same = true;
        weights = [
          0
          100
        ];
      };
    };
    testBareNumberInStandardModeNamesTheWaysOut =
      says (standard // { canaryTraffic = 10; })
        "canaryTraffic: in Standard mode there is nothing to split to; give the second model as canary = .*deploymentMode = \"Serverless\".*inferenceGraph";
    testSecondModelWithoutGateway = says (removeAttrs split [
      "ingress"
    ]) "canary: KServe 0.20 makes the second predictor but no route to it.*gateway.name";
    testSecondModelWithoutTraffic = says (removeAttrs split [
      "canaryTraffic"
    ]) "canary: a second model needs canaryTraffic";
    testTrafficAboveHundred = says (
      base // { canaryTraffic = 110; }
    ) "canaryTraffic: expected an integer from 0 to 100, found 110";
    testTransformerWouldHideIt = says (
      split // { transformer.containers = [ (container "registry.example.com/t:1") ]; }
    ) "canary: the transformer calls the first predictor only";
    testFirstApplyIsWarnedOf = {
      expr = warns "the first apply has nothing to split" (base // { canaryTraffic = 10; });
      expected = true;
    };
  };

  runtimes = {
    testModelWithoutRuntimeForItsProtocolListsThoseThatFit =
      says (model "mlflow" { })
        "predictor.model.modelFormat: no serving runtime takes mlflow with protocol v1 by itself; there are: kserve-mlserver \\(version 1, version 2; protocol v2\\)";
    testProtocolMakesItFit = renders (model "mlflow" { protocolVersion = "v2"; });
    testTritonFormatsSpeakV2ByDefault = renders (model "triton" { });
    testOnnxDoesNot = says (model "onnx"
      { }
    ) "no serving runtime takes onnx with protocol v1.*kserve-tritonserver";
    testUnknownFormatNamesNearest = says (model "sklern"
      { }
    ) "no serving runtime knows the format sklern; expected one of .*did you mean sklearn";
    testUnknownVersionOfAFormat = says (model {
      name = "xgboost";
      version = "9";
    } { }) "no serving runtime takes xgboost 9 with protocol v1.*kserve-xgbserver \\(version 2";
    testRuntimeThatDoesNotServeTheFormat =
      says (model "sklearn" { runtime = "kserve-xgbserver"; })
        "predictor.model.runtime: kserve-xgbserver does not serve sklearn; these do: .*kserve-sklearnserver";
    testRuntimeThatDoesNotSpeakTheProtocol = says (model "sklearn" {
      runtime = "kserve-mlserver";
    }) "predictor.model.protocolVersion: kserve-mlserver does not speak v1; expected v2";
    testRuntimeWithoutPrefix = says (model "sklearn" {
      runtime = "sklearnserver";
    }) "predictor.model.runtime: no runtime of that name; did you mean kserve-sklearnserver";
    testNamedRuntimeMayBeOneThatIsNotChosenByItself = renders (
      model "sklearn" { runtime = "kserve-predictiveserver"; }
    );
    testRuntimeOfTheClusterIsAccepted = {
      expr = warns "the cluster must have it" (model "catboost" { runtime = "acme-catboost"; });
      expected = true;
    };
    testOwnRuntimeServesItsFormat = {
      expr =
        let
          own = model "catboost" { } // {
            runtimes.catboost = {
              supportedModelFormats = [
                {
                  name = "catboost";
                  autoSelect = true;
                }
              ];
              protocolVersions = [ "v1" ];
              containers = [
                {
                  name = "kserve-container";
                  image = "registry.example.com/catboost:1";
                }
              ];
            };
          };
        in
        map (object: object.metadata.name) (ofKind "ServingRuntime" own);
      expected = [ "catboost" ];
    };
    testGrpcPortIsTheRuntimes = {
      expr = (server (model "tensorflow" { protocolVersion = "grpc-v1"; })).ports;
      expected = [
        {
          name = "h2c";
          containerPort = 9000;
          protocol = "TCP";
        }
      ];
    };
    testVllmWithoutGpuIsWarnedOf = {
      expr = map (warns "CPU image") [
        (model "vLLM" { })
        (model "vLLM" { } // { gpu.count = 1; })
      ];
      expected = [
        true
        false
      ];
    };
    testGpusAreRequestsAndLimits = {
      expr = (server (base // { gpu.count = 2; })).resources;
      expected = {
        requests."nvidia.com/gpu" = "2";
        limits."nvidia.com/gpu" = "2";
      };
    };
  };

  storage = {
    testBucketOfThePlatformBringsItsAddressAndKeys = {
      expr =
        let
          serving = component (
            standard
            // {
              predictor.model = {
                modelFormat = "sklearn";
                storageUri = store.buckets.models;
                path = "churn/3";
              };
            }
          );
          secret = head serving.secrets;
          account = head (filter (object: object.kind == "ServiceAccount") serving.rendered);
        in
        {
          uri =
            (head (filter (object: object.kind == "InferenceService") serving.rendered))
            .spec.predictor.model.storageUri;
          account = account.secrets;
          inherit (secret) name;
          values = builtins.listToAttrs (
            map (key: {
              name = key.key;
              value =
                if key.value == null then "copy of ${key.copyOf.namespace}/${key.copyOf.name}" else key.value;
            }) secret.keys
          );
          connections = map (
            connection: "${connection.host}:${toString connection.port}"
          ) serving.connections;
        };
      expected = {
        uri = "s3://models/churn/3";
        account = [ { name = "minio-models-kserve"; } ];
        name = "minio-models-kserve";
        values = {
          AWS_ACCESS_KEY_ID = "copy of ml-data/minio-models";
          AWS_SECRET_ACCESS_KEY = "copy of ml-data/minio-models";
          S3_ENDPOINT = "minio.ml-data.svc:9000";
          S3_USE_HTTPS = "0";
          S3_VERIFY_SSL = "1";
          S3_USER_VIRTUAL_BUCKET = "0";
          AWS_DEFAULT_REGION = "us-east-1";
        };
        connections = [ "minio.ml-data.svc:9000" ];
      };
    };
    testStoreForALocationInText = {
      expr =
        map (connection: "${connection.host}:${toString connection.port}")
          (component (model "sklearn" { storageUri = "s3://models/1"; } // { storage = store.endpoints.s3; }))
          .connections;
      expected = [ "minio.ml-data.svc:9000" ];
    };
    testHostsOfOtherStores = {
      expr =
        map
          (
            uri:
            map (connection: "${connection.host}:${toString connection.port}")
              (component (model "sklearn" { storageUri = uri; })).connections
          )
          [
            "gs://bucket/model"
            "hf://org/model"
            "https://models.example.com/m.tar"
            "pvc://claim/model"
            "s3://bucket/model"
          ];
      expected = [
        [ "storage.googleapis.com:443" ]
        [ "huggingface.co:443" ]
        [ "models.example.com:443" ]
        [ ]
        [ "s3.amazonaws.com:443" ]
      ];
    };
    testKeysByKindOfStore = {
      expr =
        map
          (
            uri:
            map (key: key.key)
              (head
                (component (model "sklearn" { storageUri = uri; } // { storage.secretRef.name = "models"; }))
                .secrets
              ).keys
          )
          [
            "gs://bucket/model"
            "hf://org/model"
          ];
      expected = [
        [ "gcloud-application-credentials.json" ]
        [ "HF_TOKEN" ]
      ];
    };
    testSecretKeysThatKServeDoesNotRead = says (
      model "sklearn" { storageUri = "s3://models/1"; }
      // {
        storage.secretRef = {
          name = "models";
          accessKey = "user";
        };
      }
    ) "storage.secretRef.accessKey: KServe reads the key AWS_ACCESS_KEY_ID, found user; use copyOf";
    testAccountOfSomebodyElsesStillGetsTheSecret = {
      expr = annotation "serving.kserve.io/storageSecretName" (
        model "sklearn" { storageUri = "s3://models/1"; }
        // {
          storage.secretRef.name = "models";
          serviceAccount = {
            name = "team";
            create = false;
          };
        }
      );
      expected = "models";
    };
    testNoCredentialsAreWarnedOf = {
      expr = map (warns "without credentials") [
        (model "sklearn" { storageUri = "s3://models/1"; })
        (
          model "sklearn" { storageUri = "s3://models/1"; }
          // {
            serviceAccount.annotations."eks.amazonaws.com/role-arn" = "arn:aws:iam::1:role/x";
          }
        )
      ];
      expected = [
        true
        false
      ];
    };
    testPathWithoutScheme = says (model "sklearn" {
      storageUri = "models/churn";
    }) "predictor.model.storageUri: .*expected";
    testTwoWaysToSayWhere = says (model "sklearn" {
      storage.key = "minio";
    }) "predictor.model.storage: storageUri and storage say the same thing";
    testSeveralLocationsAndOne = says (
      base
      // {
        predictor = base.predictor // {
          storageUris = [ { uri = "gs://m/2"; } ];
        };
      }
    ) "predictor.storageUris: storageUris and model.storageUri exclude each other";
    testMountPathWithDots = says (
      base
      // {
        predictor = {
          model.modelFormat = "sklearn";
          storageUris = [
            {
              uri = "gs://m/2";
              mountPath = "/mnt/../etc";
            }
          ];
        };
      }
    ) "predictor.storageUris\\[0\\].mountPath: expected an absolute path below / without ..";
  };

  scaling = {
    testMinimumAboveMaximum = says (
      base
      // {
        minReplicas = 12;
        maxReplicas = 10;
      }
    ) "minReplicas: minReplicas \\(12\\) exceeds maxReplicas \\(10\\)";
    testZeroInStandardMode = says (
      standard // { minReplicas = 0; }
    ) "minReplicas: scale to zero needs deploymentMode = \"Serverless\", or autoscaler = \"keda\"";
    testSeveralReplicasGetABudget = {
      expr = (head (ofKind "PodDisruptionBudget" (standard // { minReplicas = 2; }))).spec;
      expected = {
        maxUnavailable = 1;
        unhealthyPodEvictionPolicy = "AlwaysAllow";
        selector.matchLabels = {
          "serving.kserve.io/inferenceservice" = "churn";
          component = "predictor";
        };
      };
    };
    testBudgetForOneReplica = says (
      standard // { podDisruptionBudget.enabled = true; }
    ) "podDisruptionBudget.enabled: a budget for one replica would block every drain";
    testZeroInServerlessMode = renders (base // { minReplicas = 0; });
    testZeroWithCpu = says (
      base
      // {
        minReplicas = 0;
        scaleMetric = "cpu";
      }
    ) "minReplicas: scaleMetric cpu cannot scale to zero";
    testConcurrencyInStandardMode = says (
      standard // { scaleMetric = "concurrency"; }
    ) "scaleMetric: concurrency is a metric of Serverless mode; expected cpu or memory";
    testPercentOfCpu = says (
      standard // { scaleTarget = 150; }
    ) "scaleTarget: expected a percentage of the CPU request from 1 to 100, found 150";
    testMemoryWithoutTarget = says (
      standard // { scaleMetric = "memory"; }
    ) "scaleMetric: memory needs scaleTarget";
    testMemoryInMiBMayBeMore = renders (
      standard
      // {
        scaleMetric = "memory";
        scaleTarget = 2048;
      }
    );
    testKedaNeedsMetrics = says (
      standard // { autoscaler = "keda"; }
    ) "autoscaler: KEDA needs to know what to look at: scaling.metrics";
    testAutoscalerOnKnative = says (
      base // { autoscaler = "hpa"; }
    ) "autoscaler: in Serverless mode Knative scales";
    testStrategyOnKnative = says (
      base
      // {
        predictor = base.predictor // {
          deploymentStrategy.type = "Recreate";
        };
      }
    ) "predictor.deploymentStrategy: only Standard mode has a deployment strategy";
    testSeveralNodesDoNotScale =
      says
        (
          standard
          // {
            predictor = {
              model = {
                modelFormat = "huggingface";
                storageUri = "pvc://llama/model";
              };
              workerSpec.pipelineParallelSize = 2;
            };
          }
        )
        "predictor.workerSpec: a predictor over several nodes cannot be scaled; set autoscaler = \"none\"";
    testSeveralNodesReadFromAClaim = says (
      standard
      // {
        autoscaler = "none";
        predictor = {
          model = {
            modelFormat = "huggingface";
            storageUri = "hf://org/model";
          };
          workerSpec.pipelineParallelSize = 2;
        };
      }
    ) "predictor.model.storageUri: several nodes read one model from pvc:// or oci://, found hf://";
    testSeveralNodesTakeTheirRuntime = renders (
      standard
      // {
        autoscaler = "none";
        predictor = {
          model = {
            modelFormat = "huggingface";
            storageUri = "pvc://llama/model";
          };
          workerSpec.pipelineParallelSize = 2;
        };
      }
    );
  };

  containers = {
    testPathWithIndicesDeepInside = says (
      custom
      // {
        predictor.spec.containers = [
          {
            image = "registry.example.com/churn:1";
            env = [
              {
                name = "A";
                value = "1";
              }
              {
                name = "B";
                vlue = "2";
              }
            ];
          }
        ];
      }
    ) "predictor.spec.containers\\[0\\].env\\[1\\].vlue: unknown field; did you mean value";
    testModelAsImage =
      says (withContainer { image = "s3://models/bert:v1"; })
        "predictor.containers\\[0\\].image: .*is not an image reference; a model location belongs in storageUri";
    testFloatingTagIsWarnedOf = {
      expr =
        map
          (
            image:
            warns "floats" (withContainer {
              inherit image;
            })
          )
          [
            "sklearn-model:latest"
            "sklearn-model"
            "sklearn-model:1.2"
            "registry:5000/sklearn-model:1.2"
          ];
      expected = [
        true
        true
        false
        false
      ];
    };
    testPythonPath = says (withContainer {
      env = [
        {
          name = "PYTHONPATH";
          value = "/x";
        }
      ];
    }) "predictor.containers\\[0\\].env: KServe refuses the variable PYTHONPATH";
    testPythonPathOfAModel = says (model "sklearn" {
      env.PYTHONPATH = "/x";
    }) "predictor.model.env: KServe refuses the variable PYTHONPATH";
    testKnativesOwnVariables = says (withContainer {
      env = [
        {
          name = "PORT";
          value = "1";
        }
      ];
    }) "Knative sets PORT by itself";
    testKnativesOwnPorts = says (withContainer {
      ports = [ 8012 ];
    }) "port 8012 belongs to Knative's queue-proxy";
    testKnativeTakesOnePort = says (withContainer {
      ports = [
        8080
        8081
      ];
    }) "Knative takes one port, found 2";
    testServerWithoutImage = says (
      custom // { predictor.containers = [ { args = [ "x" ]; } ]; }
    ) "predictor.containers\\[0\\]: a server of your own needs an image";
    testModelAndOwnServer = says (
      base
      // {
        predictor = base.predictor // {
          containers = [ (container "registry.example.com/x:1") ];
        };
      }
    ) "predictor: a model and a server of your own exclude each other";
    testTwoPlacesForContainers = says (
      custom
      // {
        predictor = custom.predictor // {
          containers = [ (container "registry.example.com/x:1") ];
        };
      }
    ) "predictor.containers: given here and in predictor.spec.containers";
    testNoPredictor = says {
      name = "churn";
      namespace = "ml-prod";
    } "predictor: required option is missing; expected \\{ model = ";
    testEverythingMissingIsSaidAtOnce =
      says { }
        "name: required option is missing.*\n *mkKServeInference: predictor: required option is missing";
    testPredictorWithoutServer = says (
      base // { predictor.minReplicas = 1; }
    ) "predictor: required option is missing; expected \\{ model = ";
    testNameOfALanguageModelLeavesRoomForItsService = says {
      name = "a-language-model-with-a-rather-long-name-xyz";
      namespace = "llm";
      llm.model.uri = "hf://org/model";
    } "name: 44 characters; at most 43 for a language model";
    testNameStartsWithALetter = says (
      base // { name = "3d-model"; }
    ) "name: \"3d-model\" starts with a digit";
    testHostLabelIsNotTooLong = says (
      base
      // {
        name = "a-model-with-a-rather-long-name";
        namespace = "a-namespace-with-a-rather-long-name";
      }
    ) "name: KServe's host begins with .*, which has 67 characters; at most 63";
    testPlacementOnKnativeIsWarnedOf = {
      expr = warns "podspec-nodeselector" (base // { nodeSelector.disk = "ssd"; });
      expected = true;
    };
    testControllersNamespaceIsWarnedOf = {
      expr = warns "where KServe's controllers run" (removeAttrs base [ "namespace" ]);
      expected = true;
    };
    testOldReleaseIsALine = {
      expr =
        let
          found = component (base // { version = "0.15"; });
        in
        {
          inherit (found) version;
          warned =
            filter (warning: builtins.match "version 0.15 .*0.20.0 is rendered" warning != null) found.warnings
            != [ ];
        };
      expected = {
        version = "0.20.0";
        warned = true;
      };
    };
    testUnknownVersion = says (
      base // { version = "0.8"; }
    ) "version: unknown version 0.8; known: 0.20.0";
  };

  security = {
    testServersAreConfined = {
      expr = map (args: (server args).securityContext) [
        base
        custom
      ];
      expected =
        let
          confined = {
            allowPrivilegeEscalation = false;
            capabilities.drop = [ "ALL" ];
            runAsNonRoot = true;
            seccompProfile.type = "RuntimeDefault";
          };
        in
        [
          confined
          confined
        ];
    };
    testServersGetNoToken = {
      expr = (predictor base).automountServiceAccountToken;
      expected = false;
    };
    testLevelFollowsTheServer = {
      expr = map (args: (head (component args).podSecurity).level) [
        base
        (model "vLLM" { })
        (withContainer { securityContext.runAsNonRoot = false; })
        (withContainer { securityContext.privileged = true; })
        (model "sklearn" { storageUri = "oci://registry.example.com/model:1"; })
      ];
      expected = [
        "restricted"
        "baseline"
        "baseline"
        "privileged"
        "baseline"
      ];
    };
    testUsersOwnSecurityContextWins = {
      expr =
        (server (withContainer {
          securityContext.runAsUser = 1234;
        })).securityContext.runAsUser;
      expected = 1234;
    };
  };

  routes = {
    testClosedByDefault = {
      expr = local standard;
      expected = "cluster-local";
    };
    testOpenThroughTheControllersRoutes = {
      expr = {
        label = local (standard // { ingress.enabled = true; });
        kinds = kinds (standard // { ingress.enabled = true; });
      };
      expected = {
        label = null;
        kinds = [
          "ServiceAccount"
          "InferenceService"
        ];
      };
    };
    testOwnHostGetsAnIngressToTheEntry = {
      expr =
        let
          ingress = head (ofKind "Ingress" (standard // { ingress.host = "churn.example.com"; }));
        in
        (head (head ingress.spec.rules).http.paths).backend.service;
      expected = {
        name = "churn-predictor";
        port.number = 80;
      };
    };
    testOwnHostOnKnativeIsADomainMapping = {
      expr =
        let
          args = base // {
            ingress.host = "churn.example.com";
          };
        in
        {
          claim = (head (ofKind "ClusterDomainClaim" args)).spec;
          mapping = (head (ofKind "DomainMapping" args)).spec.ref.name;
        };
      expected = {
        claim.namespace = "ml-prod";
        mapping = "churn-predictor";
      };
    };
    testClassOnKnative = says (
      base
      // {
        ingress = {
          host = "churn.example.com";
          class = "nginx";
        };
      }
    ) "ingress.class: in Serverless mode Knative's gateway serves the host";
  };

  monitoring = {
    testPortIsOpenedForPrometheus = {
      expr =
        let
          args = standard // {
            monitoring.enabled = true;
          };
        in
        {
          inherit (head (server args).ports) containerPort;
          monitor = (head (head (ofKind "PodMonitor" args)).spec.podMetricsEndpoints).portNumber;
        };
      expected = {
        containerPort = 8080;
        monitor = 8080;
      };
    };
    testRulesTellVariantsApart = {
      expr =
        map (rule: rule.labels.variant or "")
          (head (head (ofKind "PrometheusRule" (split // { monitoring.enabled = true; }))).spec.groups).rules;
      expected = [
        ""
        "canary"
        "main"
      ];
    };
    testTritonHasItsOwnPort = {
      expr =
        (head
          (head (
            ofKind "PodMonitor" (
              model "triton" { }
              // {
                deploymentMode = "Standard";
                monitoring.enabled = true;
              }
            )
          )).spec.podMetricsEndpoints
        ).portNumber;
      expected = 8002;
    };
    testSecondPortOnKnativeIsWarnedOf = {
      expr =
        let
          args = model "triton" { } // {
            monitoring.enabled = true;
          };
        in
        {
          monitors = length (ofKind "PodMonitor" args);
          warned = warns "nothing scrapes them" args;
        };
      expected = {
        monitors = 0;
        warned = true;
      };
    };
    testOthersLearnWhereTheMetricsAre = {
      expr = (component (standard // { monitoring.enabled = true; })).endpoints.http.metrics;
      expected = {
        job = "ml-prod/churn";
        port = 8080;
        path = "/metrics";
        kind = "python";
      };
    };
  };

  graphs = {
    testWeightsAddUp = says (
      base
      // {
        inferenceGraph.nodes.root = {
          routerType = "Splitter";
          steps = [
            {
              serviceName = "a";
              weight = 20;
            }
            {
              serviceName = "b";
              weight = 70;
            }
          ];
        };
      }
    ) "inferenceGraph.nodes.root: weights add up to 90; expected 100";
    testRootIsThere = says (
      base
      // {
        inferenceGraph.nodes.rot = {
          routerType = "Sequence";
          steps = [ { serviceName = "a"; } ];
        };
      }
    ) "inferenceGraph.nodes: requests start at a node of the name root";
    testStepGoesToANodeThatExists = says (
      base
      // {
        inferenceGraph.nodes.root = {
          routerType = "Sequence";
          steps = [ { nodeName = "nxt"; } ];
        };
      }
    ) "inferenceGraph.nodes.root.steps\\[0\\].nodeName: no node of the name nxt";
    testStepGoesSomewhere =
      says
        (
          base
          // {
            inferenceGraph.nodes.root = {
              routerType = "Sequence";
              steps = [ { name = "x"; } ];
            };
          }
        )
        "inferenceGraph.nodes.root.steps\\[0\\]: expected one of serviceName, serviceUrl and nodeName, found none";
    testSwitchHasConditions = says (
      base
      // {
        inferenceGraph.nodes.root = {
          routerType = "Switch";
          steps = [ { serviceName = "a"; } ];
        };
      }
    ) "inferenceGraph.nodes.root.steps\\[0\\].condition: every step of a Switch has a condition";
  };

  platforms = {
    testOperatorIsAddedByItself = {
      expr = attrNames (platform { churn = component standard; }).components;
      expected = [
        "churn"
        "kserve"
        "store"
      ];
    };
    testServiceStartsAfterItsStore = {
      expr = map (entry: entry.wave.name) (
        filter (entry: entry.object.kind == "InferenceService")
          (platform {
            churn = component (model "sklearn" { storageUri = store.buckets.models; });
          }).entries
      );
      expected = [ "stage-2" ];
    };
    testRouteToAServiceOfTheControllerIsNoDanglingReference = {
      expr = length (platform { churn = component split; }).objects > 0;
      expected = true;
    };
    testGatewayOfThePlatformCarriesTheCanary = {
      expr =
        let
          found =
            (mkPlatform {
              name = "acme";
              domain = "ml.example.com";
              ingress.gateway = {
                name = "public";
                namespace = "gateways";
              };
              components.fraud = component {
                name = "fraud";
                namespace = "ml-prod";
                deploymentMode = "Standard";
                predictor.model = {
                  modelFormat = "xgboost";
                  storageUri = "s3://models/fraud/7";
                };
                canary.predictor.model.storageUri = "s3://models/fraud/8";
                canaryTraffic = 10;
                minReplicas = 2;
                maxReplicas = 10;
              };
              external = [
                "cert-manager"
                "gateway-api"
              ];
            }).objects;
          route = head (filter (object: object.kind == "HTTPRoute") found);
        in
        {
          inherit (route.spec) hostnames parentRefs;
          weights = map (backend: backend.weight) (head route.spec.rules).backendRefs;
        };
      expected = {
        hostnames = [ "fraud.ml.example.com" ];
        parentRefs = [
          {
            name = "public";
            namespace = "gateways";
          }
        ];
        weights = [
          90
          10
        ];
      };
    };
    testNamespaceOfModelsIsRestricted = {
      expr =
        (head (
          filter (object: object.kind == "Namespace" && object.metadata.name == "ml-prod")
            (platform {
              churn = component standard;
            }).objects
        )).metadata.labels."pod-security.kubernetes.io/enforce";
      expected = "restricted";
    };
    testLanguageModelsNeedTheirController = {
      expr =
        (platform {
          qwen = component {
            name = "qwen";
            namespace = "llm";
            llm.model.uri = "hf://Qwen/Qwen2.5-7B-Instruct";
          };
        }).objects;
      expectedError.msg = "qwen: needs kserve-llmisvc .*mkKServe \\{ llmisvc.enabled = true; \\}";
    };
    testTemplatesOfUpstreamAreNamedByCommit = {
      expr =
        (mkPlatform {
          name = "acme";
          components = {
            kserve = mkKServe { llmisvc.enabled = true; };
            qwen = component {
              name = "qwen";
              namespace = "llm";
              llm.model.uri = "hf://Qwen/Qwen2.5-7B-Instruct";
            };
          };
          external = [
            "cert-manager"
            "gateway-api"
          ];
        }).objects;
      expectedError.msg = "qwen: needs kserve-llm-templates .*https://raw.githubusercontent.com/kserve/kserve/1fb781055dd1567164358233e1125142ca6ef1fe/";
    };
    testLanguageModelsWithTheirController = {
      expr =
        let
          found = platform {
            kserve = mkKServe { llmisvc.enabled = true; };
            qwen = component {
              name = "qwen";
              namespace = "llm";
              llm.model.uri = "hf://Qwen/Qwen2.5-7B-Instruct";
            };
          };
        in
        builtins.deepSeq found.objects (attrNames found.components);
      expected = [
        "kserve"
        "qwen"
        "store"
      ];
    };
    testCallsToKnativeGoThroughItsGateway = {
      expr =
        let
          client = mlops.mkModule {
            name = "client";
            summary = "Calls a model";
            options = {
              name = mlops.option {
                type = mlops.types.dnsLabel;
                default = "client";
                description = "Name.";
              };
              namespace = mlops.option {
                type = mlops.types.dnsLabel;
                default = "apps";
                description = "Namespace.";
              };
              model = mlops.option {
                type = mlops.types.endpoint [ "kserve" ];
                description = "Model.";
              };
            };
            connections =
              { config, ... }:
              [
                {
                  option = "model";
                  inherit (config.model) host port;
                }
              ];
            render =
              { name, k8s, ... }:
              [
                (k8s.deployment {
                  inherit name;
                  containers = [
                    {
                      inherit name;
                      image = "registry.example.com/client:1";
                    }
                  ];
                })
              ];
          };
          churn = component base;
          policy = head (
            filter (object: object.kind == "NetworkPolicy" && object.metadata.name == "client")
              (platform {
                inherit churn;
                client = client { model = churn.endpoints.http; };
              }).objects
          );
        in
        filter (
          rule: rule ? to && (head rule.to) ? namespaceSelector && !(rule ? ports)
        ) policy.spec.egress;
      expected = [
        {
          to = [ { namespaceSelector.matchLabels."kubernetes.io/metadata.name" = "istio-system"; } ];
        }
      ];
    };
  };

  effects = import (root + "/tests/effects.nix") mkKServeInference {
    base = standard;
    changes =
      let
        serverless.deploymentMode = "Serverless";
        transformed.transformer.containers = [ (container "registry.example.com/t:1") ];
        explained.explainer.containers = [ (container "registry.example.com/e:1") ];
        art.explainer.art.type = "SquareAttack";
        two = gateway // {
          canary.predictor.model.storageUri = "gs://models/churn/4";
          canaryTraffic = 10;
        };
        route.ingress.host = "churn.example.com";
        secured.ingress = {
          host = "churn.example.com";
          tls.enabled = true;
        };
        monitored.monitoring.enabled = true;
        stored = {
          predictor.model.storageUri = "s3://models/churn/3";
          storage = {
            endpoint = "https://s3.example.com";
            secretRef.name = "models";
          };
        };
        keda = {
          autoscaler = "keda";
          scaling.metrics = [ { type = "External"; } ];
        };
        fromSecret.predictor.model = {
          storageUri = null;
          storage.key = "minio";
        };
        scaled = part: given: {
          "${part}.minReplicas" = {
            inherit given;
            to = 2;
          };
          "${part}.maxReplicas" = {
            inherit given;
            to = 9;
          };
          "${part}.scaleTarget" = {
            inherit given;
            to = 50;
          };
          "${part}.scaleMetric" = {
            inherit given;
            to = "cpu";
          };
          "${part}.timeout" = {
            inherit given;
            to = 30;
          };
          "${part}.containerConcurrency" = {
            given = given // serverless;
            to = 4;
          };
          "${part}.deploymentStrategy" = {
            inherit given;
            to = {
              type = "Recreate";
            };
          };
          "${part}.labels" = {
            inherit given;
            to = {
              team = "ml";
            };
          };
          "${part}.annotations" = {
            inherit given;
            to = {
              "example.com/x" = "y";
            };
          };
          "${part}.spec" = {
            inherit given;
            to = {
              terminationGracePeriodSeconds = 5;
            };
          };
        };
        modelled = path: given: {
          "${path}.modelFormat" = {
            inherit given;
            to = "xgboost";
          };
          "${path}.storageUri" = {
            inherit given;
            to = "gs://models/churn/9";
          };
          "${path}.runtime" = {
            inherit given;
            to = "kserve-predictiveserver";
          };
          "${path}.runtimeVersion" = {
            inherit given;
            to = "v0.19.0";
          };
          "${path}.protocolVersion" = {
            inherit given;
            to = "v2";
          };
          "${path}.args" = {
            inherit given;
            to = [ "--workers=2" ];
          };
          "${path}.env" = {
            inherit given;
            to = {
              OMP_NUM_THREADS = 2;
            };
          };
          "${path}.resources.cpu" = {
            inherit given;
            to = "2";
          };
          "${path}.resources.memory" = {
            inherit given;
            to = "2Gi";
          };
          "${path}.resources.requests" = {
            inherit given;
            to = {
              ephemeral-storage = "1Gi";
            };
          };
          "${path}.resources.limits" = {
            inherit given;
            to = {
              cpu = "2";
            };
          };
          "${path}.container" = {
            inherit given;
            to = {
              workingDir = "/tmp";
            };
          };
        };
      in
      {
        name = "other";
        namespace = "other";
        deploymentMode = "Serverless";
        "predictor.containers".to = [
          {
            name = "side";
            image = "registry.example.com/side:1";
          }
        ];
        "predictor.storageUris" = {
          given.predictor.model.storageUri = null;
          to = [ { uri = "gs://models/churn/5"; } ];
        };
        "predictor.workerSpec" = {
          given = {
            autoscaler = "none";
            predictor.model = {
              modelFormat = "huggingface";
              storageUri = "pvc://llama/model";
            };
          };
          to = {
            pipelineParallelSize = 2;
          };
        };
        "predictor.model.format" = {
          given.predictor.model = {
            modelFormat = null;
            format = "sklearn";
          };
          to = "xgboost";
        };
        "predictor.model.uri" = {
          given.predictor.model.storageUri = null;
          to = "gs://models/churn/9";
        };
        "predictor.model.path" = {
          given.predictor.model.storageUri = store.buckets.models;
          to = "churn/9";
        };
        "predictor.model.storage.key" = {
          given = fromSecret;
          to = "other";
        };
        "predictor.model.storage.parameters" = {
          given = fromSecret;
          to = {
            bucket = "other";
          };
        };
        "predictor.model.storage.schemaPath" = {
          given = fromSecret;
          to = "schema.json";
        };
        "canary.predictor.model.format" = {
          given = two;
          to = "xgboost";
        };
        "canary.predictor.model.uri" = {
          given = gateway // {
            canaryTraffic = 10;
            canary.predictor.model.args = [ "--workers=2" ];
          };
          to = "gs://models/churn/9";
        };
        "canary.predictor.model.path" = {
          given = two // {
            predictor.model.storageUri = store.buckets.models;
            canary.predictor.model.path = "churn/4";
          };
          to = "churn/9";
        };
        "canary.predictor.model.storage.key" = {
          given =
            two
            // fromSecret
            // {
              canary.predictor.model = {
                storage.key = "minio";
              };
            };
          to = "other";
        };
        "canary.predictor.model.storage.parameters" = {
          given =
            two
            // fromSecret
            // {
              canary.predictor.model.args = [ "--workers=2" ];
            };
          to = {
            bucket = "other";
          };
        };
        "canary.predictor.model.storage.schemaPath" = {
          given =
            two
            // fromSecret
            // {
              canary.predictor.model.args = [ "--workers=2" ];
            };
          to = "schema.json";
        };
        "canary.name" = {
          given = two;
          to = "next";
        };
        "canary.predictor.minReplicas" = {
          given = two // {
            minReplicas = 3;
          };
          to = 2;
        };
        "canary.predictor.labels" = {
          given = two;
          to = {
            team = "ml";
          };
        };
        "canary.predictor.annotations" = {
          given = two;
          to = {
            "example.com/x" = "y";
          };
        };
        canaryTraffic = {
          given = two;
          to = 50;
        };
        "transformer.containers" = {
          given = transformed;
          to = [ (container "registry.example.com/t:2") ];
        };
        "explainer.containers" = {
          given = explained;
          to = [ (container "registry.example.com/e:2") ];
        };
        "explainer.art.type" = "SquareAttack";
        "explainer.art.config" = {
          given = art;
          to = {
            nb_classes = "10";
          };
        };
        "explainer.art.storageUri" = {
          given = art;
          to = "gs://explainers/1";
        };
        minReplicas = 2;
        maxReplicas = 9;
        scaleTarget = 50;
        scaleMetric = "cpu";
        autoscaler = "none";
        "scaling.metrics" = {
          given = keda;
          to = [ { type = "Resource"; } ];
        };
        "scaling.behavior".to = {
          scaleDown.stabilizationWindowSeconds = 60;
        };
        containerConcurrency = {
          given = serverless;
          to = 4;
        };
        timeout = 30;
        batcher.to = {
          maxBatchSize = 16;
        };
        logger.to = {
          url = "http://broker.events.svc";
        };
        "storage.secretRef" = {
          given = stored;
          to = {
            name = "other";
          };
        };
        "storage.endpoint" = {
          given = stored;
          to = "http://minio.ml-data.svc:9000";
        };
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
        "storage.caBundleConfigMap" = {
          given = stored;
          to = "ca";
        };
        "serviceAccount.name" = "other";
        "serviceAccount.create" = false;
        "serviceAccount.annotations".to = {
          "eks.amazonaws.com/role-arn" = "arn:aws:iam::1:role/x";
        };
        "podDisruptionBudget.enabled" = {
          given.minReplicas = 2;
          to = false;
        };
        "podDisruptionBudget.minAvailable" = {
          given.minReplicas = 2;
          to = 1;
        };
        "podDisruptionBudget.maxUnavailable" = {
          given.minReplicas = 2;
          to = "50%";
        };
        "resources.cpu" = "2";
        "resources.memory" = "2Gi";
        "resources.requests".to = {
          ephemeral-storage = "1Gi";
        };
        "resources.limits".to = {
          cpu = "2";
        };
        "gpu.count" = 1;
        "gpu.type" = {
          given.gpu.count = 1;
          to = "amd";
        };
        runtimes.to = {
          mine.containers = [ { name = "kserve-container"; } ];
        };
        inferenceGraph.to = {
          nodes.root = {
            routerType = "Sequence";
            steps = [ { serviceName = "churn"; } ];
          };
        };
        llm = {
          on = {
            name = "churn";
            llm.model.uri = "hf://org/model";
          };
          to = {
            model.uri = "hf://org/other";
          };
        };
        "ingress.enabled" = true;
        "ingress.host" = "churn.example.com";
        "ingress.path" = {
          given = route;
          to = "/churn";
        };
        "ingress.class" = {
          given = route;
          to = "traefik";
        };
        "ingress.annotations" = {
          given = route;
          to = {
            "example.com/x" = "y";
          };
        };
        "ingress.controllerNamespace" = {
          given = route;
          to = "traefik";
        };
        "ingress.tls.enabled" = {
          given = route;
          to = true;
        };
        "ingress.tls.secretName" = {
          given = secured;
          to = "other-tls";
        };
        "ingress.tls.issuer" = {
          given = secured;
          to = "letsencrypt";
        };
        "ingress.gateway.name" = {
          given = route;
          to = "public";
        };
        "ingress.gateway.namespace" = {
          given = gateway;
          to = "gateways";
        };
        "ingress.gateway.sectionName" = {
          given = gateway;
          to = "https";
        };
        "monitoring.enabled" = true;
        "monitoring.interval" = {
          given = monitored;
          to = "15s";
        };
        "monitoring.labels" = {
          given = monitored;
          to = {
            release = "kps";
          };
        };
        "monitoring.rules" = {
          given = monitored;
          to = false;
        };
        "monitoring.dashboards" = {
          given = monitored;
          to = false;
        };
        "monitoring.port" = {
          given = monitored // {
            predictor.model.container.ports = [
              8080
              9100
            ];
          };
          to = 9100;
        };
        "monitoring.path" = {
          given = monitored;
          to = "/stats";
        };
        "monitoring.latencySeconds" = {
          given = monitored;
          to = 0.25;
        };
        "networkPolicy.enabled" = false;
        "networkPolicy.allowFrom".to = [ { namespaceSelector = { }; } ];
        "networkPolicy.allowTo".to = [ { ports = [ { port = 8443; } ]; } ];
        "knative.namespace" = {
          given = serverless;
          to = "other";
        };
        "knative.gatewayNamespace" = {
          given = serverless;
          to = "gateways";
        };
        "knative.networking" = {
          given = serverless;
          to = "kourier";
        };
        labels.to = {
          team = "ml";
        };
        annotations.to = {
          "example.com/x" = "y";
        };
        patches.to = [
          {
            target.kind = "InferenceService";
            patch.metadata.labels.x = "y";
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
        extraArgs.to = [ "--workers=2" ];
        extraVolumes.to = [
          {
            name = "extra";
            mountPath = "/extra";
            volume.emptyDir = { };
          }
        ];
      }
      // modelled "predictor.model" { }
      // modelled "canary.predictor.model" two
      // scaled "predictor" { }
      // scaled "transformer" transformed
      // scaled "explainer" explained;
  };
}
