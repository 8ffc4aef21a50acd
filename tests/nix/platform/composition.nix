# Components become a platform: requirements, namespaces, flows, references, secrets, order.
{ mlops, root }:
let
  inherit (builtins)
    attrNames
    concatMap
    filter
    head
    length
    listToAttrs
    map
    mapAttrs
    readDir
    toJSON
    ;
  inherit (mlops) mkPlatform;
  echo = import (root + "/tests/echo.nix") { inherit mlops; };
  inherit (echo)
    kindsOf
    mkEcho
    mkLike
    mkStore
    named
    ofKind
    ;

  platform = args: mkPlatform ({ name = "acme"; } // args);
  says = args: msg: {
    expr = (platform args).objects;
    expectedError.msg = msg;
  };
  store = mkStore { };
  wired = mkEcho { database = store.endpoints.echo; };
  pair = platform {
    components = {
      inherit store;
      echo = wired;
    };
  };

  examples = listToAttrs (
    map (name: {
      inherit name;
      value = import (root + "/examples/${name}") { inherit mlops; };
    }) (filter (name: name != "flake") (attrNames (readDir (root + "/examples"))))
  );

  configMap = namespace: name: {
    apiVersion = "v1";
    kind = "ConfigMap";
    metadata = {
      inherit name namespace;
    };
    data.a = "b";
  };
  needing = requires: mkLike { requires = _: requires; };
in
{
  requirements = {
    testOperatorIsAddedOnce = {
      expr =
        let
          inherit
            (platform {
              components = {
                a = needing [ "kserve" ] { name = "a"; };
                b = needing [ "kserve" ] { name = "b"; };
              };
              external = [ "cert-manager" ];
            })
            components
            ;
        in
        mapAttrs (_: component: component.module) components;
      expected = {
        a = "echo";
        b = "echo";
        kserve = "kserve";
      };
    };
    testRequirementOfAnOperatorThatWasAdded = says {
      components.a = needing [ "kserve" ] { };
    } "mkPlatform acme: kserve: needs cert-manager";
    testWhatTheUserAddedIsTaken = {
      expr =
        attrNames
          (platform {
            components = {
              a = needing [ "kserve" ] { name = "a"; };
              serving = mlops.mkKServe { };
            };
            external = [ "cert-manager" ];
          }).components;
      expected = [
        "a"
        "serving"
      ];
    };
    testComponentCalledAsTheOperatorStays = {
      expr =
        mapAttrs (_: component: component.module)
          (platform {
            components.kserve = needing [ "kserve" ] { };
            external = [ "cert-manager" ];
          }).components;
      expected = {
        kserve = "echo";
        kserve-operator = "kserve";
      };
    };
    testExternalIsNotAdded = {
      expr =
        let
          inherit
            (platform {
              components.a = needing [ "kserve" ] { };
              external = [ "kserve" ];
            })
            components
            external
            ;
        in
        {
          components = attrNames components;
          external = map (entry: { inherit (entry) name requiredBy; }) external;
        };
      expected = {
        components = [ "a" ];
        external = [
          {
            name = "kserve";
            requiredBy = [ "a" ];
          }
        ];
      };
    };
    testUnmetNamesWhoAndTheWayOut =
      says
        {
          components.a = needing [ "gateway-api" "cert-manager" ] { };
        }
        "mkPlatform acme: a: needs cert-manager (.*); say external = \\[ \"cert-manager\" \\] and have it installed \\(v.*https://.*\n.*a: needs gateway-api";
    testUnknownRequirement =
      says
        {
          components.a = needing [ "something-else" ] { };
        }
        "mkPlatform acme: a: needs something-else; say external = [ \"something-else\" ] and have it installed";
    testNoInstallation = says {
      components.a = needing [ "kserve" ] { };
      operators.install = false;
    } "add mkKServe to components, or external = [ \"kserve\" ] where the cluster has it";
    testOwnModuleMayProvide = {
      expr =
        attrNames
          (platform {
            components = {
              a = needing [ "something-else" ] { name = "a"; };
              b = mkLike { provides = [ "something-else" ]; } { name = "b"; };
            };
          }).components;
      expected = [
        "a"
        "b"
      ];
    };
  };

  namespaces =
    let
      levelOf =
        args:
        (named "Namespace" "apps" (platform args).objects)
        .metadata.labels."pod-security.kubernetes.io/enforce";
      lax = mkLike {
        render =
          { k8s, name, ... }:
          [
            (k8s.deployment {
              inherit name;
              containers = [
                {
                  name = "a";
                  image = "a:1";
                  security.allowPrivilegeEscalation = true;
                }
              ];
            })
          ];
      };
    in
    {
      testStrictestLevelThatThePodsMeet = {
        expr = levelOf { components.echo = mkEcho { }; };
        expected = "restricted";
      };
      testLowerLevelSaysWhoForcedIt = {
        expr =
          let
            made = platform { components.echo = lax { }; };
          in
          {
            level =
              (named "Namespace" "apps" made.objects).metadata.labels."pod-security.kubernetes.io/enforce";
            warnings = map (warning: warning.text) made.warnings;
          };
        expected = {
          level = "baseline";
          warnings = [
            "namespace apps is baseline only, because Deployment echo container a allows privilege escalation"
          ];
        };
      };
      testPodsOfOperatorsCount = {
        expr = levelOf {
          components.echo = mkLike {
            podSecurity = _: [
              {
                level = "privileged";
                reason = "mount disks";
              }
            ];
          } { };
        };
        expected = "privileged";
      };
      testForcedLevel = {
        expr = levelOf {
          components.echo = mkEcho { };
          namespaces.apps.podSecurity = "baseline";
        };
        expected = "baseline";
      };
      testForcedLevelThatAPodDoesNotMeet =
        says
          {
            components.echo = lax { };
            namespaces.apps.podSecurity = "restricted";
          }
          "mkPlatform acme: namespaces.apps.podSecurity: Deployment echo does not meet restricted: container a allows privilege escalation; at most baseline works here";
      testQuotaAndLimits = {
        expr =
          let
            inherit
              (platform {
                components.echo = mkEcho { };
                namespaces.apps = {
                  quota."requests.nvidia.com/gpu" = 4;
                  limits = {
                    type = "Container";
                    default.memory = "512Mi";
                  };
                  labels.team = "search";
                  annotations.owner = "ml";
                };
              })
              objects
              ;
            namespace = named "Namespace" "apps" objects;
          in
          {
            inherit ((named "ResourceQuota" "quota" objects).spec) hard;
            inherit ((named "LimitRange" "limits" objects).spec) limits;
            inherit (namespace.metadata) annotations;
            inherit (namespace.metadata.labels) team;
          };
        expected = {
          hard."requests.nvidia.com/gpu" = "4";
          limits = [
            {
              type = "Container";
              default.memory = "512Mi";
            }
          ];
          annotations.owner = "ml";
          team = "search";
        };
      };
      testSomebodyElsesNamespaceIsNotMade = {
        expr =
          map (args: ofKind "Namespace" (platform ({ components.echo = mkEcho { }; } // args)).objects)
            [
              { namespaces.apps.create = false; }
              { external = [ "Namespace apps" ]; }
            ];
        expected = [
          [ ]
          [ ]
        ];
      };
      testSystemNamespacesAreNotMade = {
        expr = kindsOf (
          ofKind "Namespace"
            (platform {
              components = { };
              extraObjects = [ (configMap "kube-system" "a") ];
            }).objects
        );
        expected = [ ];
      };
      testNamedNamespaceExistsWithoutComponents = {
        expr =
          kindsOf
            (platform {
              components = { };
              namespaces.team-a = { };
            }).objects;
        expected = [
          "Namespace team-a"
          "NetworkPolicy allow-dns"
          "NetworkPolicy default-deny"
        ];
      };
      testNamespaceOfTheUsersOwn =
        says
          {
            components.echo = mkEcho { };
            extraObjects = [
              {
                apiVersion = "v1";
                kind = "Namespace";
                metadata.name = "apps";
              }
            ];
          }
          "mkPlatform acme: Namespace apps is made by the platform and by extraObjects; say namespaces.apps.create = false, or leave the object out and set its labels there";
    };

  flows =
    let
      policy = name: made: (named "NetworkPolicy" name made.objects).spec;
      peersOf = rules: filter (rule: rule ? ports && (head rule.ports).port != 53) rules;
    in
    {
      testExactlyTheWiredFlow = {
        expr = {
          out = peersOf (policy "echo" pair).egress;
          "in" = peersOf (policy "store" pair).ingress;
        };
        expected = {
          out = [
            {
              to = [
                {
                  namespaceSelector.matchLabels."kubernetes.io/metadata.name" = "data";
                  podSelector.matchLabels = {
                    "app.kubernetes.io/name" = "store";
                    "app.kubernetes.io/instance" = "store";
                    "app.kubernetes.io/component" = "server";
                  };
                }
              ];
              ports = [
                {
                  port = "sql";
                  protocol = "TCP";
                }
              ];
            }
          ];
          "in" = [
            {
              from = [
                {
                  namespaceSelector.matchLabels."kubernetes.io/metadata.name" = "apps";
                  podSelector.matchLabels = {
                    "app.kubernetes.io/name" = "echo";
                    "app.kubernetes.io/instance" = "echo";
                  };
                }
              ];
              ports = [
                {
                  port = "sql";
                  protocol = "TCP";
                }
              ];
            }
          ];
        };
      };
      testNobodyElseComesIn = {
        expr = length (policy "echo" pair).ingress;
        expected = 1;
      };
      testEveryNamespaceDeniesTheRest = {
        expr = map (policy: "${policy.metadata.namespace} ${toJSON policy.spec.policyTypes}") (
          filter (policy: policy.metadata.name == "default-deny") (ofKind "NetworkPolicy" pair.objects)
        );
        expected = [
          "apps [\"Ingress\",\"Egress\"]"
          "data [\"Ingress\",\"Egress\"]"
        ];
      };
      testHostOfTheWorldIsReachedByItsPort = {
        expr =
          peersOf
            (policy "echo" (platform {
              components.echo = mkEcho { database.host = "db.example.com"; };
            })).egress;
        expected = [
          {
            ports = [
              {
                port = 5432;
                protocol = "TCP";
              }
            ];
          }
        ];
      };
      testHostOfAMissingComponent =
        says
          {
            components.echo = wired;
          }
          "mkPlatform acme: echo.database.host: store.data.svc is not part of this platform; add the component that makes it, or say external = [ \"store.data.svc\" ]";
      testExternalHost = {
        expr =
          map
            (
              external:
              length (
                peersOf
                  (policy "echo" (platform {
                    components.echo = wired;
                    inherit external;
                  })).egress
              )
            )
            [
              [ "store.data.svc" ]
              [ "*.data.svc" ]
              [ "Service data/store" ]
            ];
        expected = [
          1
          1
          1
        ];
      };
      testPatternsAreNoRegularExpressions = says {
        components.echo = wired;
        external = [ "storexdata.*" ];
      } "store.data.svc is not part of this platform";
      testWithoutPolicies = {
        expr =
          ofKind "NetworkPolicy"
            (platform {
              components.echo = mkEcho { };
              networkPolicies = false;
            }).objects;
        expected = [ ];
      };
      testMonitoringComesIn = {
        expr =
          filter
            (
              rule:
              rule ? from
              &&
                toJSON rule.from == toJSON [
                  { namespaceSelector.matchLabels."kubernetes.io/metadata.name" = "observe"; }
                ]
            )
            (policy "echo" (platform {
              components.echo = mkEcho { };
              monitoring = {
                enabled = true;
                namespace = "observe";
              };
              external = [ "prometheus-operator" ];
            })).ingress != [ ];
        expected = true;
      };
    };

  secrets = {
    testCopiesOfWhatTheStoreDeclares = {
      expr = map (
        secret:
        "${secret.namespace}/${secret.name} ${
          toJSON (map (key: if key.copyOf == null then key.generate else key.copyOf.namespace) secret.keys)
        }"
      ) pair.secrets;
      expected = [
        "apps/store-echo [\"data\"]"
        "data/store-echo [{\"length\":32}]"
        "data/store-main [{\"length\":32}]"
      ];
    };
    testAStoreNamedByItsHostIsFollowed = {
      expr =
        let
          made = platform {
            components = {
              inherit store;
              echo = mkEcho { database.host = "store.data"; };
            };
          };
        in
        (head (head (filter (secret: secret.name == "echo-db") made.secrets)).keys).copyOf;
      expected = {
        namespace = "data";
        name = "store-echo";
        key = "password";
      };
    };
    testTwoReadersOfOneSecretGetAllKeys = {
      expr =
        let
          reader =
            name: key:
            mkEcho {
              inherit name;
              database = {
                host = "db.example.com";
                secretRef = {
                  name = "shared";
                  inherit key;
                };
              };
            };
          made = platform {
            components = {
              a = reader "a" "one";
              b = reader "b" "two";
            };
          };
        in
        map (secret: map (key: key.key) secret.keys) made.secrets;
      expected = [
        [
          "one"
          "two"
        ]
      ];
    };
    testNoValueIsInTheSet = {
      expr = concatMap (name: filter (object: object.kind == "Secret") examples.${name}.objects) (
        attrNames examples
      );
      expected = [ ];
    };
  };

  order =
    let
      waveOf =
        made: kind: name:
        (head (
          filter (entry: entry.object.kind == kind && entry.object.metadata.name == name) made.entries
        )).wave.name;
      chain = platform {
        components = {
          inherit store;
          middle = mkEcho {
            name = "middle";
            database = store.endpoints.echo;
          };
          front = mkEcho {
            name = "front";
            peers = [ "middle" ];
          };
        };
      };
      prepared = mkLike {
        render =
          { k8s, name, ... }@scope:
          let
            claim = phase: claimName: {
              inherit name phase;
              containers = [
                {
                  name = "a";
                  image = "a:1";
                  mounts.data = "/data";
                }
              ];
              volumes.data.persistentVolumeClaim = { inherit claimName; };
            };
          in
          echo.declaration.render scope
          ++ [
            (k8s.job (claim "prepare" "early" // { name = "migrate"; }))
            (k8s.claim {
              name = "early";
              size = "1Gi";
            })
            (k8s.claim {
              name = "late";
              size = "1Gi";
            })
          ];
      };
      withPreparation = platform { components.echo = prepared { }; };
    in
    {
      testWavesFollowTheWires = {
        expr = {
          namespace = waveOf chain "Namespace" "apps";
          config = waveOf chain "ConfigMap" "middle-config";
          service = waveOf chain "Service" "front";
          store = waveOf chain "StatefulSet" "store";
          middle = waveOf chain "Deployment" "middle";
          front = waveOf chain "Deployment" "front";
        };
        expected = {
          namespace = "namespaces";
          config = "config";
          service = "config";
          store = "stage-1";
          middle = "stage-2";
          front = "stage-3";
        };
      };
      testWavesAreInTheirOrderAndHoldEverything = {
        expr = {
          waves = map (wave: wave.number) chain.waves;
          all = concatMap (wave: wave.objects) chain.waves == chain.objects;
        };
        expected = {
          waves = [
            0
            20
            55
            65
            75
          ];
          all = true;
        };
      };
      testPreparationRunsBeforeTheWorkload = {
        expr = {
          job = (head (filter (entry: entry.object.kind == "Job") withPreparation.entries)).wave.name;
          early = waveOf withPreparation "PersistentVolumeClaim" "early";
          late = waveOf withPreparation "PersistentVolumeClaim" "late";
          server = waveOf withPreparation "Deployment" "echo";
        };
        expected = {
          job = "stage-1-prepare";
          early = "stage-1-prepare";
          late = "stage-1";
          server = "stage-1";
        };
      };
      testCycleShowsItsPath =
        says
          {
            components = {
              a = mkEcho {
                name = "a";
                peers = [ "b" ];
              };
              b = mkEcho {
                name = "b";
                peers = [ "c" ];
              };
              c = mkEcho {
                name = "c";
                peers = [ "a" ];
              };
            };
          }
          "mkPlatform acme: components depend on each other in a circle: a => b => c => a; take one of these wires out";
      testOrderOfComponentsDoesNotMatter = {
        expr =
          let
            components = {
              inherit store;
              echo = wired;
            };
            other = platform {
              components = builtins.foldl' (all: name: { ${name} = components.${name}; } // all) { } [
                "store"
                "echo"
              ];
            };
          in
          other.yaml == pair.yaml && toJSON other.set == toJSON pair.set;
        expected = true;
      };
      testTwoPlatformsShareComponents = {
        expr =
          let
            second = mkPlatform {
              name = "other";
              components = {
                inherit store;
                echo = wired;
              };
              labels.cost = "x";
            };
            labelOf =
              made: (named "Deployment" "echo" made.objects).metadata.labels."app.kubernetes.io/part-of";
          in
          map labelOf [
            pair
            second
            pair
          ];
        expected = [
          "acme"
          "other"
          "acme"
        ];
      };
    };

  duplicates = {
    testOneObjectByTwoComponents =
      says
        {
          components = {
            a = mkEcho { };
            b = mkEcho { };
          };
        }
        "mkPlatform acme: Service apps/echo is made by components a and b; rename one of them or give it another namespace";
    testOneObjectTwiceByHand = says {
      components = { };
      extraObjects = [
        (configMap "apps" "a")
        (configMap "apps" "a")
      ];
    } "ConfigMap apps/a is made by extraObjects twice";
    testExtraObjectThatIsRendered = says {
      components.echo = mkEcho { };
      extraObjects = [ (configMap "apps" "echo-config") ];
    } "ConfigMap apps/echo-config is made by components echo and extraObjects";
  };

  outputs = {
    # `yaml`, `files`, `set`, `entries` and `objects` are one set in five forms.
    testAgree = {
      expr = mapAttrs (
        _: made:
        let
          texts = map (entry: entry.yaml) made.set.entries;
        in
        {
          objects = map (entry: entry.object) made.set.entries == made.objects;
          yaml = builtins.concatStringsSep "---\n" texts == made.yaml;
          files =
            listToAttrs (
              map (entry: {
                name = entry.file;
                value = entry.yaml;
              }) made.set.entries
            ) == made.files;
          everyObjectHasAFile = length (attrNames made.files) == length made.objects;
          ascending =
            map (entry: entry.wave) made.set.entries
            == builtins.sort builtins.lessThan (map (entry: entry.wave) made.set.entries);
          counted =
            builtins.foldl' (sum: component: sum + component.objects) 0 made.set.components
            + length (filter (entry: entry.component == null) made.set.entries) == length made.objects;
        }
      ) examples;
      expected = mapAttrs (_: _: {
        objects = true;
        yaml = true;
        files = true;
        everyObjectHasAFile = true;
        ascending = true;
        counted = true;
      }) examples;
    };
    testFilesOfObjectsWhoseNamesRunTogether = {
      expr = length (
        attrNames
          (platform {
            components = { };
            networkPolicies = false;
            namespaces = {
              a.create = false;
              a-b.create = false;
            };
            extraObjects = [
              (configMap "a" "b-c")
              (configMap "a-b" "c")
            ];
          }).files
      );
      expected = 2;
    };
    testFilesStayWhenOthersCome = {
      expr = filter (path: !(pair.files ? ${path})) (
        attrNames (platform { components = { inherit store; }; }).files
      );
      expected = [ ];
    };
    testImagesNameTheirComponents = {
      expr = pair.images;
      expected = [
        {
          image = "docker.io/library/postgres:16";
          components = [ "store" ];
        }
        {
          image = "registry.k8s.io/echo:1.1";
          components = [ "echo" ];
        }
      ];
    };
    testNoExampleHasAnImageWithoutATag = {
      expr = concatMap (
        name:
        filter (
          image: builtins.match ".+/[^/]+:[^:/]+(@sha256:[0-9a-f]{64})?|.*@sha256:[0-9a-f]{64}" image == null
        ) (map (use: use.image) examples.${name}.images)
      ) (attrNames examples);
      expected = [ ];
    };
    testGraph = {
      expr = {
        edges = pair.graph.edges;
        nodes = map (node: node.id) pair.graph.nodes;
      };
      expected = {
        edges = [
          {
            from = "echo";
            to = "store";
            label = "5432";
            kind = "flow";
          }
        ];
        nodes = [
          "echo"
          "store"
        ];
      };
    };
    testSetOfAComponentIsAPlatformOfOne = {
      expr = { inherit (mlops.setOf wired) name format; };
      expected = {
        name = "echo";
        format = "mlops-nix/set/v1";
      };
    };
    testSetOfAFunctionOfTheLibrary = {
      expr = map (target: (mlops.setOf target).name) [
        (
          { mkPlatform, ... }:
          mkPlatform {
            name = "a";
            components = { };
          }
        )
        (
          { mlops }:
          mlops.mkPlatform {
            name = "b";
            components = { };
          }
        )
        (
          library:
          library.mkPlatform {
            name = "c";
            components = { };
          }
        )
        { platform = pair; }
      ];
      expected = [
        "a"
        "b"
        "c"
        "acme"
      ];
    };
    testSetOfSomethingElse = {
      expr = mlops.setOf { a = 1; };
      expectedError.msg = "expected a platform (mkPlatform { … }), a component (from a mk… builder), a function of the library that gives one, or an attribute set with `platform`; found an attribute set with a";
    };
  };
}
