# What a platform says once for all components, and what it checks of the whole.
{ mlops, root }:
let
  inherit (builtins)
    attrNames
    attrValues
    concatMap
    filter
    head
    isAttrs
    isList
    isString
    listToAttrs
    map
    mapAttrs
    match
    readDir
    toJSON
    ;
  inherit (mlops) mkPlatform;
  echo = import (root + "/tests/echo.nix") { inherit mlops; };
  inherit (echo)
    kindsOf
    mkEcho
    mkLike
    named
    ofKind
    the
    ;

  platform = args: mkPlatform ({ name = "acme"; } // args);
  one = args: platform ({ components.echo = mkEcho { }; } // args);
  says = args: msg: {
    expr = (platform args).objects;
    expectedError.msg = msg;
  };
  saysOne = args: says ({ components.echo = mkEcho { }; } // args);
  deploymentOf = made: the "Deployment" made.objects;
  containerOf = made: head (deploymentOf made).spec.template.spec.containers;

  examples = listToAttrs (
    map (name: {
      inherit name;
      value = import (root + "/examples/${name}") { inherit mlops; };
    }) (filter (name: name != "flake") (attrNames (readDir (root + "/examples"))))
  );

  # Every text in a value.
  texts =
    value:
    if isString value then
      [ value ]
    else if isList value then
      concatMap texts value
    else if isAttrs value then
      concatMap texts (attrValues value)
    else
      [ ];

  pod = spec: {
    apiVersion = "v1";
    kind = "Pod";
    metadata = {
      name = "p";
      namespace = "apps";
    };
    spec = {
      containers = [
        {
          name = "a";
          image = "registry.example.com/a:1";
        }
      ];
    }
    // spec;
  };
  service = spec: {
    apiVersion = "v1";
    kind = "Service";
    metadata = {
      name = "s";
      namespace = "apps";
    };
    inherit spec;
  };
  extra = objects: {
    components = { };
    extraObjects = objects;
  };
  job = mkLike {
    render =
      {
        k8s,
        name,
        images,
        ...
      }:
      [
        (k8s.configMap {
          name = "text";
          data.image = images.app;
        })
        (k8s.job {
          inherit name;
          containers = [
            {
              name = "a";
              image = images.app;
              args = [ "--worker=${images.app}" ];
              env.TEXT = k8s.configMapKey {
                name = "text";
                key = "image";
              };
            }
          ];
        })
      ];
  };
in
{
  images = {
    testMirrorReachesArgumentsAndConfiguration = {
      expr =
        let
          made = platform {
            components.echo = job { };
            images.mirror."registry.k8s.io" = "mirror.example.com/k8s";
          };
          container = head (head (ofKind "Job" made.objects)).spec.template.spec.containers;
        in
        {
          inherit (container) image args;
          inherit ((named "ConfigMap" "text" made.objects)) data;
          images = map (use: use.image) made.images;
        };
      expected = {
        image = "mirror.example.com/k8s/echo:1.1";
        args = [ "--worker=mirror.example.com/k8s/echo:1.1" ];
        data.image = "mirror.example.com/k8s/echo:1.1";
        images = [ "mirror.example.com/k8s/echo:1.1" ];
      };
    };
    # A Job cannot be changed, so one with another image has another name.
    testJobOfAnotherRegistryIsAnotherJob = {
      expr =
        let
          nameOf =
            images:
            (head (
              ofKind "Job"
                (platform {
                  components.echo = job { };
                  inherit images;
                }).objects
            )).metadata.name;
        in
        nameOf { } == nameOf { mirror."registry.k8s.io" = "mirror.example.com"; };
      expected = false;
    };
    testLongestPrefixWins = {
      expr =
        (containerOf (one {
          images.mirror = {
            "registry.k8s.io" = "a.example.com";
            "registry.k8s.io/echo" = "b.example.com/echo";
          };
        })).image;
      expected = "a.example.com/echo:1.1";
    };
    testDockerHubIsWhatAnImageWithoutRegistryMeans = {
      expr =
        map
          (
            image:
            (containerOf (platform {
              components.echo = mkEcho { inherit image; };
              images.mirror."docker.io" = "hub.example.com";
            })).image
          )
          [
            "busybox:1"
            "grafana/grafana:1"
            "docker.io/a/b:1"
            "localhost:5000/a:1"
          ];
      expected = [
        "hub.example.com/library/busybox:1"
        "hub.example.com/grafana/grafana:1"
        "hub.example.com/a/b:1"
        "localhost:5000/a:1"
      ];
    };
    testOverrideByRepository = {
      expr =
        (containerOf (one {
          images.override."registry.k8s.io/echo" = "own.example.com/echo:7";
        })).image;
      expected = "own.example.com/echo:7";
    };
    testDigests = {
      expr =
        (containerOf (one {
          images = {
            digests."registry.k8s.io/echo:1.1" =
              "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
            mirror."registry.k8s.io" = "m.example.com";
          };
        })).image;
      expected = "m.example.com/echo:1.1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    };
    testPullSecrets = {
      expr =
        (deploymentOf (one {
          images.pullSecrets = [ "registry" ];
          external = [ "Secret apps/registry" ];
        })).spec.template.spec.imagePullSecrets;
      expected = [ { name = "registry"; } ];
    };
    testStrictNamesWhatIsLeft =
      saysOne
        {
          images.strict = true;
        }
        "mkPlatform acme: images.strict: registry.k8s.io/echo:1.1 (echo) is not rewritten by images.mirror; add its registry";

    # Property over all examples: with every registry mirrored, none of the public ones is left in any text.
    testNoPublicRegistryIsLeftBehindAMirror = {
      expr =
        let
          registries = [
            "docker.io"
            "gcr.io"
            "ghcr.io"
            "mcr.microsoft.com"
            "nvcr.io"
            "public.ecr.aws"
            "quay.io"
            "registry.k8s.io"
          ];
          strict =
            made:
            made.override {
              images = {
                strict = true;
                mirror = listToAttrs (
                  map (registry: {
                    name = registry;
                    value = "mirror.example.com/${builtins.replaceStrings [ "." ] [ "-" ] registry}";
                  }) registries
                );
              };
            };
          public = "(.*[^a-z./-])?(docker[.]io|gcr[.]io|ghcr[.]io|nvcr[.]io|public[.]ecr[.]aws|quay[.]io|registry[.]k8s[.]io)/.*";
          linesOf = text: filter isString (builtins.split "\n" text);
        in
        mapAttrs (
          _: made: filter (line: match public line != null) (concatMap linesOf (texts (strict made).objects))
        ) examples;
      expected = mapAttrs (_: _: [ ]) examples;
    };
  };

  patches = {
    testOfOneComponent = {
      expr = map (object: object.metadata.namespace) (
        filter (object: object.metadata.annotations.hit or "" != "")
          (platform {
            components = {
              a = mkEcho { namespace = "a"; };
              b = mkEcho { namespace = "b"; };
            };
            patches = [
              {
                target = {
                  component = "b";
                  kind = "Deployment";
                };
                patch.metadata.annotations.hit = "yes";
              }
            ];
          }).objects
      );
      expected = [ "b" ];
    };
    testReachWhatThePlatformMakes = {
      expr =
        (named "Namespace" "apps"
          (one {
            patches = [
              {
                target.kind = "Namespace";
                patch.metadata.labels.istio-injection = "enabled";
              }
            ];
          }).objects
        ).metadata.labels.istio-injection;
      expected = "enabled";
    };
    testConfigurationThatAPatchChangesRollsThePods = {
      expr =
        let
          sumOf =
            made: (deploymentOf made).spec.template.metadata.annotations."mlops-nix.dev/config-checksum";
        in
        sumOf (one { }) == sumOf (one {
          patches = [
            {
              target.kind = "ConfigMap";
              patch.data.greeting = "hi";
            }
          ];
        });
      expected = false;
    };
    testBrokenSelectorNamesThePatch =
      saysOne
        {
          patches = [
            {
              target = {
                kind = "Service";
                name = "echo";
              };
              patch.spec.selector.app = "other";
            }
          ];
        }
        "mkPlatform acme: echo: Service apps/echo (changed by patches[0]): spec.selector: matches no pod of the platform; expected labels of a pod template in namespace apps";
    testBrokenReferenceNamesThePatch =
      saysOne
        {
          patches = [
            {
              target.kind = "Service";
              patch.metadata.annotations.a = "b";
            }
            {
              target = {
                kind = "Deployment";
              };
              patch.spec.template.spec.serviceAccountName = "nobody";
            }
          ];
        }
        "echo: Deployment apps/echo (changed by patches[1]): spec.template.spec.serviceAccountName: ServiceAccount apps/nobody is named but not part of the platform; add it or list it under external as \"ServiceAccount apps/nobody\"";
    testUnknownFieldNamesThePatch =
      saysOne
        {
          patches = [
            {
              target.kind = "Deployment";
              patch.spec.replica = 2;
            }
          ];
        }
        "mkPlatform acme: Deployment apps/echo (changed by patches[0]): spec.replica: unknown field; did you mean replicas?";
    testNothingMatches = saysOne {
      patches = [
        {
          target = {
            kind = "Deployment";
            component = "ehco";
          };
          remove = true;
        }
      ];
    } "mkPlatform acme: patches[0]: no object matches Deployment of component ehco";
  };

  references = {
    testEveryKindOfReference = {
      expr =
        map (spec: (platform (extra [ (pod spec) ] // { external = [ "* apps/x" ]; })).objects != [ ])
          [
            { serviceAccountName = "x"; }
            {
              volumes = [
                {
                  name = "v";
                  persistentVolumeClaim.claimName = "x";
                }
              ];
            }
          ];
      expected = [
        true
        true
      ];
    };
    testMissingClaim =
      says
        (extra [
          (pod {
            volumes = [
              {
                name = "v";
                persistentVolumeClaim.claimName = "x";
              }
            ];
          })
        ])
        "Pod apps/p: spec.volumes.v.persistentVolumeClaim.claimName: PersistentVolumeClaim apps/x is named but not part of the platform; add it or list it under external as \"PersistentVolumeClaim apps/x\"";
    testNearestNameOfTheNamespace = saysOne {
      extraObjects = [
        (pod {
          containers = [
            {
              name = "a";
              image = "a:1";
              envFrom = [ { configMapRef.name = "echo-confg"; } ];
            }
          ];
        })
      ];
    } "did you mean echo-config?";
    testClusterWidePriority =
      says
        (extra [
          (pod { priorityClassName = "high"; })
        ])
        "Pod apps/p: spec.priorityClassName: PriorityClass high is named but not part of the platform; add it or list it under external as \"PriorityClass high\"";
    testTheWayOutWorks = {
      expr = kindsOf (
        ofKind "Pod"
          (platform (
            extra [ (pod { priorityClassName = "high"; }) ] // { external = [ "PriorityClass high" ]; }
          )).objects
      );
      expected = [ "Pod p" ];
    };
    testOptionalOnesMayBeMissing = {
      expr =
        (platform (extra [
          (pod {
            volumes = [
              {
                name = "v";
                secret = {
                  secretName = "x";
                  optional = true;
                };
              }
            ];
          })
        ])).objects != [ ];
      expected = true;
    };
    testRouteToAMissingService =
      says
        (extra [
          {
            apiVersion = "networking.k8s.io/v1";
            kind = "Ingress";
            metadata = {
              name = "i";
              namespace = "apps";
            };
            spec.rules = [
              {
                http.paths = [
                  {
                    path = "/";
                    pathType = "Prefix";
                    backend.service = {
                      name = "nobody";
                      port.number = 80;
                    };
                  }
                ];
              }
            ];
          }
        ])
        "Ingress apps/i: spec.rules[0].http.paths[0].backend.service.name: Service apps/nobody is named but not part of the platform";
  };

  objects = {
    testSelectorThatMatchesNoPod = says (extra [
      (service {
        selector.app = "nobody";
        ports = [ { port = 80; } ];
      })
    ]) "Service apps/s: spec.selector: matches no pod of the platform";
    testTargetPortThatNoPodHas =
      saysOne
        {
          extraObjects = [
            (service {
              selector."app.kubernetes.io/instance" = "echo";
              ports = [
                {
                  port = 80;
                  targetPort = "htpp";
                }
              ];
            })
          ];
        }
        "Service apps/s: spec.ports: targetPort htpp is no port of the pods; there are: http; did you mean http?";
    testSameNodePortOfTwoProtocolsIsFine = {
      expr =
        let
          withPort =
            name: protocol:
            service {
              type = "NodePort";
              ports = [
                {
                  inherit protocol;
                  port = 53;
                  nodePort = 30053;
                }
              ];
            }
            // {
              metadata = {
                inherit name;
                namespace = "apps";
              };
            };
        in
        map (object: object.metadata.name) (
          ofKind "Service"
            (platform (extra [
              (withPort "a" "UDP")
              (withPort "b" "TCP")
            ])).objects
        );
      expected = [
        "a"
        "b"
      ];
    };
    testNamespacedKindWithoutNamespace =
      says
        (extra [
          {
            apiVersion = "v1";
            kind = "ConfigMap";
            metadata.name = "a";
          }
        ])
        "mkPlatform acme: ConfigMap a: metadata.namespace: required, because ConfigMap is a namespaced kind";
    testClusterWideKindWithNamespace =
      says
        (extra [
          {
            apiVersion = "rbac.authorization.k8s.io/v1";
            kind = "ClusterRole";
            metadata = {
              name = "a";
              namespace = "apps";
            };
            rules = [ ];
          }
        ])
        "ClusterRole apps/a: metadata.namespace: ClusterRole is a cluster-wide kind; leave the namespace out";
    testNameThatNoObjectMayHave =
      says
        (extra [
          {
            apiVersion = "v1";
            kind = "ConfigMap";
            metadata = {
              name = "A_b";
              namespace = "apps";
            };
          }
        ])
        "ConfigMap apps/A_b: metadata.name: not a valid name; expected lower-case letters, digits, '-' and '.'";
    testNameThatIsTooLongForItsKind = says (extra [
      {
        apiVersion = "batch/v1";
        kind = "CronJob";
        metadata = {
          name = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";
          namespace = "apps";
        };
        spec = {
          schedule = "@daily";
          jobTemplate.spec.template.spec = (pod { restartPolicy = "Never"; }).spec;
        };
      }
    ]) "metadata.name: 60 characters; at most 52 for a CronJob";
    testObjectWithoutKind =
      says (extra [ { metadata.name = "a"; } ])
        "mkPlatform acme: extraObjects[0]: expected a Kubernetes object with apiVersion, kind and metadata.name, found an attribute set (metadata)";
    testUnknownKind = says (extra [
      {
        apiVersion = "apps/v1";
        kind = "Deploiment";
        metadata = {
          name = "a";
          namespace = "apps";
        };
      }
    ]) "mkPlatform acme: Deploiment apps/a: .*did you mean Deployment";
    testKindThatTheVersionDoesNotHave = says (
      extra [
        {
          apiVersion = "policy/v1beta1";
          kind = "PodDisruptionBudget";
          metadata = {
            name = "a";
            namespace = "apps";
          };
        }
      ]
      // {
        kubernetesVersion = "1.30";
      }
    ) "PodDisruptionBudget apps/a: .*policy/v1";
    testVersionThatIsNotKnown = saysOne {
      kubernetesVersion = "1.99";
    } "mkPlatform acme: kubernetesVersion: expected one of";
  };

  nodePools =
    let
      pools = {
        gpu = {
          selector.pool = "gpu";
          tolerations = [
            {
              key = "nvidia.com/gpu";
              operator = "Exists";
            }
          ];
          allocatable = {
            cpu = 8;
            memory = "64Gi";
            "nvidia.com/gpu" = 2;
          };
        };
        small.allocatable.cpu = "500m";
      };
    in
    {
      testPodGoesThere = {
        expr = {
          inherit
            ((deploymentOf (platform {
              components.echo = mkEcho { nodePool = "gpu"; };
              nodePools = pools;
            })).spec.template.spec
            )
            nodeSelector
            tolerations
            ;
        };
        expected = {
          nodeSelector.pool = "gpu";
          inherit (pools.gpu) tolerations;
        };
      };
      testMisspeltPool =
        says
          {
            components.echo = mkEcho { nodePool = "gpus"; };
            nodePools = pools;
          }
          "mkPlatform acme: echo.nodePool: no node pool of the name gpus; there are: gpu, small; did you mean gpu?";
      testPodThatFitsNoNode =
        says
          {
            components.echo = mkEcho {
              nodePool = "gpu";
              resources.limits."nvidia.com/gpu" = 4;
            };
            nodePools = pools;
          }
          "echo: Deployment apps/echo: asks for 4 of nvidia.com/gpu in one pod, but a node of pool gpu has 2; ask for less, or name another nodePool";
      testDeviceThatNoPoolHas = says {
        components.echo = mkEcho { resources.limits."amd.com/gpu" = 1; };
        nodePools = pools;
      } "asks for 1 of amd.com/gpu in one pod, but a node of pool gpu has none";
      testPodThatFitsSomeNode = {
        expr =
          (platform {
            components.echo = mkEcho { resources.cpu = "2"; };
            nodePools = pools;
          }).objects != [ ];
        expected = true;
      };
    };

  checks = {
    testOwnPolicy = saysOne {
      checks = [
        {
          name = "owner";
          check = object: if object.metadata ? annotations.owner then null else "has no owner";
        }
      ];
    } "mkPlatform acme: echo: Deployment apps/echo: owner: has no owner";
    testOwnPolicyThatIsContent = {
      expr =
        (one {
          checks = [
            {
              name = "named";
              check = object: if object.metadata ? name then null else "has no name";
            }
          ];
        }).objects == (one { }).objects;
      expected = true;
    };
    testOwnPolicyThatGivesNoText = saysOne {
      checks = [
        {
          name = "owner";
          check = object: object.metadata ? owner;
        }
      ];
    } "mkPlatform acme: checks: owner: expected null or a message, found false for";
    testEveryProblemAtOnce =
      saysOne
        {
          extraObjects = [
            (pod { serviceAccountName = "x"; })
            (service {
              selector.app = "nobody";
              ports = [ { port = 80; } ];
            })
          ];
        }
        "mkPlatform acme: Pod apps/p: .*ServiceAccount apps/x.*\n.*mkPlatform acme: Service apps/s: spec.selector";
    testNoSetOfOptions = {
      expr = (mkPlatform [ ]).objects;
      expectedError.msg = "mkPlatform: expected an attribute set of options, found an empty list";
    };
  };

  override = {
    testMergesAtEveryLevel = {
      expr =
        let
          made =
            (one {
              images.mirror."registry.k8s.io" = "m.example.com";
              namespaces.apps.labels.team = "search";
              labels.cost = "ml";
            }).override
              {
                images.pullSecrets = [ "registry" ];
                external = [ "Secret apps/registry" ];
                namespaces.apps.annotations.owner = "me";
                labels.tier = "front";
              };
        in
        {
          inherit (containerOf made) image;
          inherit ((deploymentOf made).spec.template.spec) imagePullSecrets;
          namespace = { inherit ((named "Namespace" "apps" made.objects).metadata.labels) team cost tier; };
          inherit ((named "Namespace" "apps" made.objects).metadata) annotations;
        };
      expected = {
        image = "m.example.com/echo:1.1";
        imagePullSecrets = [ { name = "registry"; } ];
        namespace = {
          team = "search";
          cost = "ml";
          tier = "front";
        };
        annotations.owner = "me";
      };
    };
    testOtherComponentsStay = {
      expr = attrNames ((one { }).override { components.other = mkEcho { name = "other"; }; }).components;
      expected = [
        "echo"
        "other"
      ];
    };
    testFunctionSeesDefaults = {
      expr =
        ((one { }).override (old: {
          name = "${old.name}-staging";
          inherit (old) components;
          external = old.external ++ [ "cert-manager" ];
        })).config.external;
      expected = [ "cert-manager" ];
    };
    testNothingChangesNothing = {
      expr = ((one { }).override { }).yaml == (one { }).yaml;
      expected = true;
    };
    testIsCheckedAsACallIs = {
      expr = ((one { }).override { domian = "x"; }).objects;
      expectedError.msg = "mkPlatform acme: domian: unknown option; did you mean domain?";
    };
  };

  labels.testAreOnEveryObject = {
    expr = kindsOf (
      filter (object: object.metadata.labels.cost or "" != "ml") (one { labels.cost = "ml"; }).objects
    );
    expected = [ ];
  };
}
