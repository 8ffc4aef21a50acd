# Patches of a component; those of a platform work alike.
{ mlops, root }:
let
  inherit (builtins) filter map toJSON;
  echo = import (root + "/tests/echo.nix") { inherit mlops; };
  inherit (echo) mkEcho kindsOf the;

  deployment.kind = "Deployment";
  patched = patches: mkEcho { inherit patches; };
  podOf = patches: (the "Deployment" (patched patches).objects).spec.template.spec;
  containerOf = patches: builtins.head (podOf patches).containers;
  pod = change: [
    {
      target = deployment;
      patch.spec.template.spec = change;
    }
  ];
  container =
    change:
    containerOf (pod {
      containers.echo = change;
    });
  says = component: msg: {
    expr = component.objects;
    expectedError.msg = msg;
  };
in
{
  named = {
    testEnvironmentByName = {
      expr =
        (container {
          env = {
            HTTPS_PROXY = "http://proxy:3128";
            GREETING = {
              value = "hi";
              valueFrom = null;
            };
          };
        }).env;
      expected = [
        {
          name = "GREETING";
          value = "hi";
        }
        {
          name = "HTTPS_PROXY";
          value = "http://proxy:3128";
        }
      ];
    };
    testOrderOfTheListStays = {
      expr =
        map (entry: entry.name)
          (container {
            env = {
              A = "1";
              GREETING.value = null;
            };
          }).env;
      expected = [
        "GREETING"
        "A"
      ];
    };
    testVolumesAndMounts = {
      expr =
        let
          spec = podOf (pod {
            volumes.ca.configMap.name = "ca";
            containers.echo.volumeMounts."/etc/ca" = {
              name = "ca";
              readOnly = true;
            };
          });
        in
        {
          volumes = map (volume: volume.name) spec.volumes;
          mounts = (builtins.head spec.containers).volumeMounts;
        };
      expected = {
        volumes = [
          "tmp"
          "ca"
        ];
        mounts = [
          {
            name = "tmp";
            mountPath = "/tmp";
          }
          {
            name = "ca";
            mountPath = "/etc/ca";
            readOnly = true;
          }
        ];
      };
    };
    testPortsByName = {
      expr = (container { ports.http.hostPort = 8080; }).ports;
      expected = [
        {
          name = "http";
          containerPort = 8080;
          protocol = "TCP";
          hostPort = 8080;
        }
      ];
    };
    testPortsWithoutANameByNumber = {
      expr =
        let
          plain = echo.mkLike {
            render =
              { k8s, name, ... }:
              [
                (k8s.deployment {
                  inherit name;
                  containers = [
                    {
                      name = "echo";
                      image = "a:1";
                      ports = [ { containerPort = 8080; } ];
                    }
                  ];
                })
              ];
          };
        in
        map
          (
            patch:
            (builtins.head
              (the "Deployment"
                (plain {
                  patches = [
                    {
                      target = deployment;
                      patch.spec.template.spec.containers.echo.ports = patch;
                    }
                  ];
                }).objects
              ).spec.template.spec.containers
            ).ports
          )
          [
            { "8080".name = "http"; }
            { metrics.containerPort = 9090; }
            { "9090" = { }; }
          ];
      expected = [
        [
          {
            containerPort = 8080;
            name = "http";
          }
        ]
        [
          { containerPort = 8080; }
          {
            name = "metrics";
            containerPort = 9090;
          }
        ]
        [
          { containerPort = 8080; }
          { containerPort = 9090; }
        ]
      ];
    };
    testServicePortByNumber = {
      expr =
        (the "Service"
          (patched [
            {
              target.kind = "Service";
              patch.spec.ports."80".nodePort = 30080;
            }
          ]).objects
        ).spec.ports;
      expected = [
        {
          name = "http";
          port = 80;
          targetPort = "http";
          protocol = "TCP";
          nodePort = 30080;
        }
      ];
    };
    testListsWithoutNamesAreReplaced = {
      expr =
        (container {
          args = [
            "--a"
            "--b"
          ];
        }).args;
      expected = [
        "--a"
        "--b"
      ];
    };
    testUnknownContainer =
      says
        (patched (pod {
          containers.ehco.tty = true;
        }))
        "mkEcho echo: patches[0].spec.template.spec.containers: no entry named ehco; there are: echo; did you mean echo? (to append one, set add = true in the patch)";
    testAddAppends = {
      expr =
        map (container: container.name)
          (podOf [
            {
              target = deployment;
              add = true;
              patch.spec.template.spec.containers.proxy.image = "registry.example.com/proxy:1";
            }
          ]).containers;
      expected = [
        "echo"
        "proxy"
      ];
    };
  };

  nulls = {
    testRemoveAField = {
      expr = (container { resources = null; }) ? resources;
      expected = false;
    };
    testRemoveAnEntryByName = {
      expr = map (entry: entry.name) (
        (container { env.GREETING = null; }).env
        ++ (podOf (pod {
          volumes.tmp = null;
        })).volumes
      );
      expected = [ ];
    };
    testNothingToRemoveIsFine = {
      expr = (container { lifecycle = null; }).name;
      expected = "echo";
    };
    testNullsInWhatIsAddedAreLeftOut = {
      expr =
        (podOf (pod {
          dnsConfig = {
            searches = null;
            nameservers = [ "10.0.0.10" ];
          };
        })).dnsConfig;
      expected.nameservers = [ "10.0.0.10" ];
    };
  };

  functions = {
    testSeeTheObjectWithoutNotes = {
      expr =
        builtins.attrNames
          (the "Deployment"
            (patched [
              {
                target = deployment;
                patch =
                  object:
                  object
                  // {
                    metadata = object.metadata // {
                      annotations.fields = toJSON (builtins.attrNames object);
                    };
                  };
              }
            ]).objects
          ).metadata.annotations;
      expected = [ "fields" ];
    };
    testIdentityChangesNoByte = {
      expr =
        toJSON
          (patched [
            {
              target = { };
              patch = object: object;
            }
          ]).objects == toJSON (mkEcho { }).objects;
      expected = true;
    };
    testThatGivesNoObject =
      says
        (patched [
          {
            target = deployment;
            patch = _: null;
          }
        ])
        "mkEcho echo: patches[0].patch: expected the function to return the object, got something else for Deployment apps/echo";
  };

  # Property over all examples: the identity changes no byte, and says so.
  identity.testOfEveryExample = {
    expr = filter (
      name:
      let
        platform = import (root + "/examples/${name}") { inherit mlops; };
        same = platform.override {
          patches = [
            {
              target = { };
              patch = object: object;
            }
          ];
        };
      in
      platform.yaml != same.yaml
      ||
        filter (
          warning: builtins.match "patches.0. changes nothing on object" warning.text != null
        ) same.warnings == [ ]
    ) (filter (name: name != "flake") (builtins.attrNames (builtins.readDir (root + "/examples"))));
    expected = [ ];
  };

  targets = {
    testRemove = {
      expr =
        kindsOf
          (patched [
            {
              target.kind = "Service";
              remove = true;
            }
          ]).objects;
      expected = [
        "ConfigMap echo-config"
        "Deployment echo"
        "NetworkPolicy echo"
      ];
    };
    testEveryCriterionMustHold = {
      expr =
        map
          (
            target:
            builtins.length (
              filter (object: object.metadata.annotations.hit or "" == "yes")
                (patched [
                  {
                    inherit target;
                    patch.metadata.annotations.hit = "yes";
                  }
                ]).objects
            )
          )
          [
            { }
            { apiVersion = "v1"; }
            {
              apiVersion = "v1";
              kind = "Service";
            }
            { namespace = "apps"; }
            { labels."app.kubernetes.io/component" = "server"; }
            { name = "echo"; }
          ];
      expected = [
        3
        2
        1
        3
        2
        2
      ];
    };
    testOneAfterTheOther = {
      expr =
        (the "Deployment"
          (patched [
            {
              target = deployment;
              patch.spec.replicas = 5;
            }
            {
              target = deployment;
              patch =
                object:
                object
                // {
                  spec = object.spec // {
                    replicas = object.spec.replicas + 1;
                  };
                };
            }
          ]).objects
        ).spec.replicas;
      expected = 6;
    };
    testNothingMatchesAndANameIsNear = says (patched [
      {
        target = {
          kind = "Deployment";
          name = "ehco";
        };
        patch.spec.replicas = 2;
      }
    ]) "mkEcho echo: patches[0]: no object matches Deployment ehco; did you mean echo?";
    testNothingMatchesAndAKindIsNear = says (patched [
      {
        target.kind = "Deploymnt";
        patch.spec.replicas = 2;
      }
    ]) "mkEcho echo: patches[0]: no object matches Deploymnt; did you mean the kind Deployment?";
    testNothingMatchesAndNothingIsNear = says (patched [
      {
        target = {
          kind = "ConfigMap";
          name = "something-else-entirely";
        };
        remove = true;
      }
    ]) "no object matches ConfigMap something-else-entirely; there are: echo-config";
    testNothingToDo = says (patched [
      { target = deployment; }
    ]) "mkEcho echo: patches[0]: neither patch nor remove is given; say what to change";
    testNoEffectIsAWarning = {
      expr =
        (patched [
          {
            target = deployment;
            patch.spec.replicas = 1;
          }
        ]).warnings;
      expected = [ "patches[0] changes nothing on Deployment" ];
    };
    testMisspeltTarget = says (patched [
      {
        target.knd = "Deployment";
        remove = true;
      }
    ]) "mkEcho: patches[0].target.knd: unknown option; did you mean patches[0].target.kind?";
    testFieldThatTheSchemaRefuses =
      says
        (patched (pod {
          containers.echo.imge = "x";
        }))
        "mkEcho echo: Deployment apps/echo (changed by patches[0]): spec.template.spec.containers[0].imge: unknown field; did you mean image?";
  };
}
