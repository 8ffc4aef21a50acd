# The constructors of Kubernetes objects: safe unless somebody says otherwise, and in the API's own words.
{ mlops, root }:
let
  inherit (builtins) head map;
  inherit (mlops) kubernetes;
  finalise = (import (root + "/lib/platform/finalise.nix")).finalise;

  contextOf =
    fields:
    kubernetes.context (
      {
        name = "app";
        namespace = "apps";
        module = "echo";
      }
      // fields
    );
  withContext = fields: kubernetes.bind (contextOf fields);
  k8s = withContext { };
  app = {
    name = "app";
    image = "registry.example.com/app:1";
  };
  deploymentWith =
    fields:
    k8s.deployment (
      {
        name = "app";
        containers = [ app ];
      }
      // fields
    );
  podOf = object: object.spec.template.spec;
  ingress = {
    enabled = true;
    host = "app.example.com";
    path = "/";
    class = "nginx";
    annotations = { };
    tls = {
      enabled = false;
      secretName = "app-tls";
      issuer = null;
    };
    gateway = {
      name = null;
      namespace = null;
      sectionName = null;
    };
  };
in
{
  hardening = {
    testContainer = {
      expr = (kubernetes.container app).securityContext;
      expected = {
        allowPrivilegeEscalation = false;
        capabilities.drop = [ "ALL" ];
        readOnlyRootFilesystem = true;
      };
    };
    testContainerMaySayWhyNot = {
      expr = (kubernetes.container (app // { security.readOnlyRootFilesystem = false; })).securityContext;
      expected = {
        allowPrivilegeEscalation = false;
        capabilities.drop = [ "ALL" ];
        readOnlyRootFilesystem = false;
      };
    };
    testPod = {
      expr = {
        inherit
          (podOf (deploymentWith {
            user = 1000;
          }))
          automountServiceAccountToken
          securityContext
          ;
      };
      expected = {
        automountServiceAccountToken = false;
        securityContext = {
          runAsNonRoot = true;
          runAsUser = 1000;
          runAsGroup = 1000;
          fsGroup = 1000;
          fsGroupChangePolicy = "OnRootMismatch";
          seccompProfile.type = "RuntimeDefault";
        };
      };
    };
    testTokenOnlyWhereTheApiIsUsed = {
      expr =
        (podOf (deploymentWith {
          apiAccess = true;
        })).automountServiceAccountToken;
      expected = true;
    };
    testPodSpecificationAlone = {
      expr = k8s.podSpec { containers = [ app ]; } == podOf (deploymentWith { });
      expected = true;
    };
    testServiceAccountToo = {
      expr = (k8s.serviceAccount { name = "app"; }).automountServiceAccountToken;
      expected = false;
    };
    testInitContainersAreHardenedAsWell = {
      expr =
        (head
          (podOf (deploymentWith {
            initContainers = [ app ];
          })).initContainers
        ).securityContext.allowPrivilegeEscalation;
      expected = false;
    };
    testMeetsTheRestrictedLevel = {
      expr = (import (root + "/lib/platform/security.nix")).levelOf (podOf (deploymentWith { }));
      expected = {
        level = "restricted";
        reasons = [ ];
      };
    };
    testReasonIsAnAnnotation = {
      expr =
        (deploymentWith {
          ignore = {
            read-only-root = "writes its cache";
            other = "x";
          };
        }).metadata.annotations;
      expected."mlops-nix.dev/ignore" = "other=x; read-only-root=writes its cache";
    };
  };

  environment = {
    testSetIsInTheOrderOfItsNames = {
      expr = kubernetes.env {
        B = "2";
        A = 1;
        C = null;
      };
      expected = [
        {
          name = "A";
          value = "1";
        }
        {
          name = "B";
          value = "2";
        }
      ];
    };
    testListKeepsItsOrder = {
      expr = kubernetes.env [
        {
          PASSWORD = kubernetes.secretKey {
            name = "db";
            key = "password";
            copyOf = null;
          };
        }
        { URI = "postgresql://$(PASSWORD)@db"; }
        {
          name = "AS_IN_THE_API";
          value = "x";
        }
      ];
      expected = [
        {
          name = "PASSWORD";
          valueFrom.secretKeyRef = {
            name = "db";
            key = "password";
          };
        }
        {
          name = "URI";
          value = "postgresql://$(PASSWORD)@db";
        }
        {
          name = "AS_IN_THE_API";
          value = "x";
        }
      ];
    };
    testSources = {
      expr = kubernetes.env {
        A = kubernetes.configMapKey {
          name = "c";
          key = "k";
        };
        B = kubernetes.field "metadata.name";
      };
      expected = [
        {
          name = "A";
          valueFrom.configMapKeyRef = {
            name = "c";
            key = "k";
          };
        }
        {
          name = "B";
          valueFrom.fieldRef.fieldPath = "metadata.name";
        }
      ];
    };
    testUsersVariablesComeLast = {
      expr =
        map (entry: entry.name)
          (head
            (podOf (
              (withContext { config.extraEnv.A = "user"; }).deployment {
                name = "app";
                containers = [ (app // { env.B = "module"; }) ];
              }
            )).containers
          ).env;
      expected = [
        "B"
        "A"
      ];
    };
  };

  containers = {
    testPortsByName = {
      expr =
        (kubernetes.container (
          app
          // {
            ports = {
              http = 8080;
              dns = {
                containerPort = 53;
                protocol = "UDP";
              };
            };
          }
        )).ports;
      expected = [
        {
          name = "dns";
          containerPort = 53;
          protocol = "UDP";
        }
        {
          name = "http";
          containerPort = 8080;
          protocol = "TCP";
        }
      ];
    };
    testMounts = {
      expr = kubernetes.mounts {
        tmp = "/tmp";
        data = {
          mountPath = "/data";
          readOnly = true;
        };
        config = [
          {
            mountPath = "/a";
            subPath = "a";
          }
          {
            mountPath = "/b";
            subPath = "b";
          }
        ];
      };
      expected = [
        {
          name = "config";
          mountPath = "/a";
          subPath = "a";
        }
        {
          name = "config";
          mountPath = "/b";
          subPath = "b";
        }
        {
          name = "data";
          mountPath = "/data";
          readOnly = true;
        }
        {
          name = "tmp";
          mountPath = "/tmp";
        }
      ];
    };
    testProbes = {
      expr = [
        (kubernetes.httpProbe {
          path = "/health";
          port = "http";
          periodSeconds = 5;
        })
        (kubernetes.httpProbe {
          path = "/";
          port = 443;
          scheme = "HTTPS";
        })
        (kubernetes.tcpProbe {
          port = 5432;
          failureThreshold = 3;
        })
        (kubernetes.execProbe { command = [ "true" ]; })
      ];
      expected = [
        {
          httpGet = {
            path = "/health";
            port = "http";
          };
          periodSeconds = 5;
        }
        {
          httpGet = {
            path = "/";
            port = 443;
            scheme = "HTTPS";
          };
        }
        {
          tcpSocket.port = 5432;
          failureThreshold = 3;
        }
        { exec.command = [ "true" ]; }
      ];
    };
    testNothingEmptyIsWritten = {
      expr = builtins.attrNames (kubernetes.container app);
      expected = [
        "image"
        "name"
        "securityContext"
      ];
    };
  };

  workloads = {
    testAutoscalerOwnsTheReplicas = {
      expr = map (fields: (deploymentWith fields).spec.replicas or "none") [
        { }
        { replicas = 3; }
        { replicas = null; }
      ];
      expected = [
        1
        3
        "none"
      ];
    };
    testRecreate = {
      expr = (deploymentWith { strategy = "Recreate"; }).spec.strategy;
      expected.type = "Recreate";
    };
    testVolumes = {
      expr =
        (podOf (deploymentWith {
          volumes = {
            tmp = { };
            data.persistentVolumeClaim.claimName = "data";
          };
        })).volumes;
      expected = [
        {
          name = "data";
          persistentVolumeClaim.claimName = "data";
        }
        {
          name = "tmp";
          emptyDir = { };
        }
      ];
    };
    testStatefulSetWithClaims = {
      expr = {
        inherit
          ((k8s.statefulSet {
            name = "db";
            containers = [ app ];
            claims.data = k8s.claimSpec {
              size = "1Gi";
              storageClass = "fast";
            };
          }).spec
          )
          serviceName
          replicas
          volumeClaimTemplates
          ;
      };
      expected = {
        serviceName = "db";
        replicas = 1;
        volumeClaimTemplates = [
          {
            metadata.name = "data";
            spec = {
              accessModes = [ "ReadWriteOnce" ];
              resources.requests.storage = "1Gi";
              storageClassName = "fast";
            };
          }
        ];
      };
    };
    testDaemonSet = {
      expr = {
        inherit
          (k8s.daemonSet {
            name = "agent";
            containers = [ app ];
          })
          kind
          ;
        replicas =
          (k8s.daemonSet {
            name = "agent";
            containers = [ app ];
          }).spec
            ? replicas;
      };
      expected = {
        kind = "DaemonSet";
        replicas = false;
      };
    };
    testCronJob = {
      expr =
        let
          inherit
            (
              (k8s.cronJob {
                name = "nightly";
                schedule = "0 2 * * *";
                timeZone = "Europe/Berlin";
                suspend = true;
                containers = [ app ];
                deadlineSeconds = 60;
              })
            )
            spec
            ;
        in
        removeAttrs spec [
          "jobTemplate"
          "startingDeadlineSeconds"
        ]
        // {
          inherit (spec.jobTemplate.spec) activeDeadlineSeconds backoffLimit;
          inherit (spec.jobTemplate.spec.template.spec) restartPolicy;
        };
      expected = {
        schedule = "0 2 * * *";
        timeZone = "Europe/Berlin";
        suspend = true;
        concurrencyPolicy = "Forbid";
        successfulJobsHistoryLimit = 3;
        failedJobsHistoryLimit = 3;
        activeDeadlineSeconds = 60;
        backoffLimit = 6;
        restartPolicy = "OnFailure";
      };
    };
    # After a controller's outage, missed runs don't add up until the CronJob gives up.
    testCronJobStartsLateButNotMuch = {
      expr =
        (k8s.cronJob {
          name = "nightly";
          schedule = "@daily";
          containers = [ app ];
        }).spec.startingDeadlineSeconds;
      expected = 3600;
    };
    testReplicasKeepApartWhereTheUserSaysNothing = {
      expr =
        let
          affinity =
            context: replicas:
            ((withContext context).deployment {
              name = "app";
              inherit replicas;
              containers = [ app ];
            }).spec.template.spec.affinity or null;
          term = found: (head found.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution);
        in
        {
          one = affinity { } 1;
          two = (term (affinity { } 2)).podAffinityTerm.topologyKey;
          autoscaled = (term (affinity { } null)).weight;
          users = affinity { config.affinity.nodeAffinity = { }; } 2;
          spread = affinity {
            config.topologySpread = [
              {
                maxSkew = 1;
                topologyKey = "zone";
                whenUnsatisfiable = "DoNotSchedule";
              }
            ];
          } 2;
        };
      expected = {
        one = null;
        two = "kubernetes.io/hostname";
        autoscaled = 100;
        users.nodeAffinity = { };
        spread = null;
      };
    };
    testPlacement = {
      expr =
        let
          bound = withContext {
            config = {
              nodePool = "gpu";
              nodeSelector.zone = "a";
              tolerations = [ { key = "mine"; } ];
              affinity.nodeAffinity = { };
              priorityClassName = "high";
              topologySpread = [
                {
                  maxSkew = 1;
                  topologyKey = "zone";
                  whenUnsatisfiable = "DoNotSchedule";
                }
              ];
              imagePullSecrets = [ "mine" ];
            };
            settings = {
              nodePools.gpu = {
                selector.pool = "gpu";
                tolerations = [ { key = "gpu"; } ];
              };
              imagePullSecrets = [ "platforms" ];
            };
          };
          spec = podOf (
            bound.deployment {
              name = "app";
              containers = [ app ];
            }
          );
        in
        {
          inherit (spec)
            nodeSelector
            tolerations
            affinity
            priorityClassName
            imagePullSecrets
            ;
          spread = map (constraint: constraint.labelSelector.matchLabels) spec.topologySpreadConstraints;
          same = bound.placement == builtins.intersectAttrs bound.placement spec;
        };
      expected = {
        nodeSelector = {
          pool = "gpu";
          zone = "a";
        };
        tolerations = [
          { key = "gpu"; }
          { key = "mine"; }
        ];
        affinity.nodeAffinity = { };
        priorityClassName = "high";
        imagePullSecrets = [
          { name = "mine"; }
          { name = "platforms"; }
        ];
        spread = [
          {
            "app.kubernetes.io/name" = "echo";
            "app.kubernetes.io/instance" = "app";
          }
        ];
        same = true;
      };
    };
    testExtraVolumesAndArguments = {
      expr =
        let
          spec = podOf (
            (withContext {
              config = {
                extraArgs = [ "--verbose" ];
                extraVolumes = [
                  {
                    name = "ca";
                    mountPath = "/etc/ca";
                    readOnly = true;
                    subPath = "ca.crt";
                    volume.configMap.name = "ca";
                  }
                ];
              };
            }).deployment
              {
                name = "app";
                containers = [
                  (app // { args = [ "serve" ]; })
                  (app // { name = "sidecar"; })
                ];
              }
          );
        in
        {
          inherit (spec) volumes;
          containers = map (container: {
            args = container.args or [ ];
            mounts = container.volumeMounts or [ ];
          }) spec.containers;
        };
      expected = {
        volumes = [
          {
            name = "ca";
            configMap.name = "ca";
          }
        ];
        containers = [
          {
            args = [
              "serve"
              "--verbose"
            ];
            mounts = [
              {
                name = "ca";
                mountPath = "/etc/ca";
                readOnly = true;
                subPath = "ca.crt";
              }
            ];
          }
          {
            args = [ ];
            mounts = [ ];
          }
        ];
      };
    };
  };

  checksums =
    let
      configMap =
        data:
        k8s.configMap {
          name = "config";
          inherit data;
        };
      reader = deploymentWith {
        containers = [ (app // { envFrom = [ { configMapRef.name = "config"; } ]; }) ];
      };
      other = k8s.configMap {
        name = "other";
        data.a = "1";
      };
      annotationsOf =
        objects:
        (head (builtins.filter (object: object.kind == "Deployment") (finalise objects)))
        .spec.template.metadata.annotations or { };
      sum =
        data:
        annotationsOf [
          (configMap data)
          other
          reader
        ];
    in
    {
      testChangeWithTheConfigMap = {
        expr = sum { a = "1"; } == sum { a = "2"; };
        expected = false;
      };
      testChangeWithNothingElse = {
        expr =
          sum { a = "1"; } == annotationsOf [
            reader
            (
              configMap { a = "1"; }
              // {
                metadata = (configMap { }).metadata // {
                  labels.team = "x";
                };
              }
            )
          ];
        expected = true;
      };
      testPodsThatReadNothingHaveNone = {
        expr = annotationsOf [
          other
          (deploymentWith { })
        ];
        expected = { };
      };
    };

  jobs =
    let
      nameOf =
        fields:
        (head (finalise [
          (k8s.job (
            {
              name = "migrate";
              containers = [ app ];
            }
            // fields
          ))
        ])).metadata.name;
    in
    {
      testNameEndsInAHash = {
        expr = builtins.match "migrate-[0-9a-f]{8}" (nameOf { }) != null;
        expected = true;
      };
      testAnotherTemplateIsAnotherJob = {
        expr = nameOf { } == nameOf { containers = [ (app // { args = [ "up" ]; }) ]; };
        expected = false;
      };
      testWhatMayChangeKeepsTheName = {
        expr =
          nameOf { } == nameOf {
            ttlSecondsAfterFinished = 60;
            labels.a = "b";
          };
        expected = true;
      };
      testLongNameStaysWithinItsLimit = {
        expr = builtins.stringLength (nameOf {
          name = "jjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjj";
        });
        expected = 63;
      };
      testWithoutHash = {
        expr = nameOf { hashed = false; };
        expected = "migrate";
      };
    };

  network = {
    testServicePorts = {
      expr =
        map
          (
            ports:
            (k8s.service {
              name = "app";
              inherit ports;
            }).spec.ports
          )
          [
            { http = 80; }
            {
              http = {
                port = 80;
                targetPort = 8080;
                nodePort = 30080;
              };
            }
            [ { port = 1; } ]
          ];
      expected = [
        [
          {
            name = "http";
            port = 80;
            targetPort = "http";
            protocol = "TCP";
          }
        ]
        [
          {
            name = "http";
            port = 80;
            targetPort = 8080;
            nodePort = 30080;
            protocol = "TCP";
          }
        ]
        [ { port = 1; } ]
      ];
    };
    testHeadless = {
      expr =
        (k8s.service {
          name = "app";
          ports.http = 80;
          headless = true;
        }).spec.clusterIP;
      expected = "None";
    };
    testServiceFindsThePodsOfItsRole = {
      expr =
        (k8s.service {
          name = "app";
          role = "web";
          ports.http = 80;
        }).spec.selector == (deploymentWith { role = "web"; }).spec.selector.matchLabels;
      expected = true;
    };
    testNoRoute = {
      expr = k8s.route {
        name = "app";
        port = 80;
        ingress = ingress // {
          enabled = false;
        };
      };
      expected = [ ];
    };
    testIngress = {
      expr = map (object: removeAttrs object [ "metadata" ] // { inherit (object.metadata) name; }) (
        k8s.route {
          name = "app";
          port = 80;
          inherit ingress;
          paths = [
            "/a"
            "/b"
          ];
        }
      );
      expected = [
        {
          apiVersion = "networking.k8s.io/v1";
          kind = "Ingress";
          name = "app";
          spec = {
            ingressClassName = "nginx";
            rules = [
              {
                host = "app.example.com";
                http.paths =
                  map
                    (path: {
                      inherit path;
                      pathType = "Prefix";
                      backend.service = {
                        name = "app";
                        port.number = 80;
                      };
                    })
                    [
                      "/a"
                      "/b"
                    ];
              }
            ];
          };
        }
      ];
    };
    testIngressWithTls = {
      expr =
        let
          object = head (
            k8s.route {
              name = "app";
              port = 80;
              ingress = ingress // {
                tls = {
                  enabled = true;
                  secretName = "app-tls";
                  issuer = "letsencrypt";
                };
                annotations.a = "b";
              };
            }
          );
        in
        {
          inherit (object.spec) tls;
          inherit (object.metadata) annotations;
        };
      expected = {
        tls = [
          {
            hosts = [ "app.example.com" ];
            secretName = "app-tls";
          }
        ];
        annotations = {
          a = "b";
          "cert-manager.io/cluster-issuer" = "letsencrypt";
        };
      };
    };
    testGatewayGivesAnHttpRoute = {
      expr =
        let
          object = head (
            k8s.route {
              name = "app";
              port = 80;
              ingress = ingress // {
                gateway = {
                  name = "public";
                  namespace = "gateways";
                  sectionName = "https";
                };
              };
            }
          );
        in
        {
          inherit (object) kind spec;
        };
      expected = {
        kind = "HTTPRoute";
        spec = {
          parentRefs = [
            {
              name = "public";
              namespace = "gateways";
              sectionName = "https";
            }
          ];
          hostnames = [ "app.example.com" ];
          rules = [
            {
              matches = [
                {
                  path = {
                    type = "PathPrefix";
                    value = "/";
                  };
                }
              ];
              backendRefs = [
                {
                  name = "app";
                  port = 80;
                }
              ];
            }
          ];
        };
      };
    };
  };

  operation = {
    testBudgetForSeveralReplicas = {
      expr =
        map
          (
            { replicas, budget }:
            map
              (
                object:
                removeAttrs object.spec [
                  "selector"
                  "unhealthyPodEvictionPolicy"
                ]
              )
              (
                k8s.podDisruptionBudget {
                  name = "app";
                  inherit replicas budget;
                }
              )
          )
          [
            {
              replicas = 1;
              budget.enabled = null;
            }
            {
              replicas = 2;
              budget.enabled = null;
            }
            {
              replicas = 1;
              budget.enabled = true;
            }
            {
              replicas = 2;
              budget.enabled = false;
            }
            {
              replicas = 2;
              budget = {
                enabled = null;
                minAvailable = "50%";
                maxUnavailable = null;
              };
            }
            {
              replicas = 2;
              budget = {
                enabled = null;
                minAvailable = null;
                maxUnavailable = 2;
              };
            }
          ];
      expected = [
        [ ]
        [ { maxUnavailable = 1; } ]
        [ { maxUnavailable = 1; } ]
        [ ]
        [ { minAvailable = "50%"; } ]
        [ { maxUnavailable = 2; } ]
      ];
    };
    # Pods that are not ready anyway don't keep a node from being drained.
    testBudgetLetsUnhealthyPodsGo = {
      expr =
        (head (
          k8s.podDisruptionBudget {
            name = "app";
            replicas = 2;
          }
        )).spec.unhealthyPodEvictionPolicy;
      expected = "AlwaysAllow";
    };
    testAutoscaler = {
      expr =
        map
          (
            autoscaling:
            map (object: object.spec) (
              k8s.autoscaler {
                name = "app";
                kind = "StatefulSet";
                inherit autoscaling;
              }
            )
          )
          [
            { enabled = false; }
            {
              enabled = true;
              minReplicas = 2;
              maxReplicas = 5;
              targetCPUUtilization = 70;
            }
          ];
      expected = [
        [ ]
        [
          {
            scaleTargetRef = {
              apiVersion = "apps/v1";
              kind = "StatefulSet";
              name = "app";
            };
            minReplicas = 2;
            maxReplicas = 5;
            metrics = [
              {
                type = "Resource";
                resource = {
                  name = "cpu";
                  target = {
                    type = "Utilization";
                    averageUtilization = 70;
                  };
                };
              }
            ];
          }
        ]
      ];
    };
    testMonitorsFollowTheSection = {
      expr =
        let
          monitoring = {
            enabled = true;
            interval = "30s";
            labels.release = "kps";
            rules = true;
            dashboards = true;
          };
          made =
            monitoring:
            k8s.serviceMonitor {
              name = "app";
              port = "http";
              inherit monitoring;
            }
            ++ k8s.podMonitor {
              name = "app";
              port = "http";
              path = "/m";
              inherit monitoring;
            }
            ++ k8s.prometheusRule {
              name = "app";
              groups.app = [ { alert = "Down"; } ];
              inherit monitoring;
            }
            ++ k8s.dashboard {
              name = "app";
              dashboard.title = "App";
              inherit monitoring;
            };
        in
        {
          on = map (object: "${object.kind} ${object.metadata.labels.release or ""}") (made monitoring);
          off = made (monitoring // { enabled = false; });
          parts = map (object: object.kind) (
            made (
              monitoring
              // {
                rules = false;
                dashboards = false;
              }
            )
          );
          endpoint = (head (made monitoring)).spec.endpoints;
        };
      expected = {
        on = [
          "ServiceMonitor kps"
          "PodMonitor kps"
          "PrometheusRule kps"
          "ConfigMap "
        ];
        off = [ ];
        parts = [
          "ServiceMonitor"
          "PodMonitor"
        ];
        endpoint = [
          {
            port = "http";
            path = "/metrics";
            interval = "30s";
          }
        ];
      };
    };
  };

  configuration = {
    testClaimTakesThePlatformsClass = {
      expr =
        map
          (
            storageClass:
            ((withContext { settings.storageClass = "platforms"; }).claim {
              name = "data";
              size = "1Gi";
              inherit storageClass;
            }).spec.storageClassName
          )
          [
            null
            "mine"
          ];
      expected = [
        "platforms"
        "mine"
      ];
    };
    testServiceAccount = {
      expr = removeAttrs ((withContext { config.imagePullSecrets = [ "registry" ]; }).serviceAccount {
        name = "app";
        annotations.role = "arn:aws:iam::1:role/a";
        secrets = [ "s3" ];
      }) [ "metadata" ];
      expected = {
        apiVersion = "v1";
        kind = "ServiceAccount";
        automountServiceAccountToken = false;
        imagePullSecrets = [ { name = "registry"; } ];
        secrets = [ { name = "s3"; } ];
      };
    };
    testRightsAndWhoHasThem = {
      expr =
        map (object: removeAttrs object [ "metadata" ] // { namespace = object.metadata.namespace or ""; })
          [
            (k8s.role {
              name = "app";
              rules = [ { verbs = [ "get" ]; } ];
            })
            (k8s.clusterRole {
              name = "app";
              rules = [ ];
            })
            (k8s.roleBinding {
              name = "app";
              serviceAccount = "app";
            })
            (k8s.roleBinding {
              name = "app";
              serviceAccount = "app";
              roleKind = "ClusterRole";
              roleName = "view";
            })
            (k8s.clusterRoleBinding {
              name = "app";
              subjects = [
                {
                  name = "other";
                  namespace = "elsewhere";
                }
              ];
            })
          ];
      expected =
        let
          group = "rbac.authorization.k8s.io";
          apiVersion = "${group}/v1";
          subjects = [
            {
              kind = "ServiceAccount";
              name = "app";
              namespace = "apps";
            }
          ];
        in
        [
          {
            inherit apiVersion;
            kind = "Role";
            namespace = "apps";
            rules = [ { verbs = [ "get" ]; } ];
          }
          {
            inherit apiVersion;
            kind = "ClusterRole";
            namespace = "";
            rules = [ ];
          }
          {
            inherit apiVersion subjects;
            kind = "RoleBinding";
            namespace = "apps";
            roleRef = {
              apiGroup = group;
              kind = "Role";
              name = "app";
            };
          }
          {
            inherit apiVersion subjects;
            kind = "RoleBinding";
            namespace = "apps";
            roleRef = {
              apiGroup = group;
              kind = "ClusterRole";
              name = "view";
            };
          }
          {
            inherit apiVersion;
            kind = "ClusterRoleBinding";
            namespace = "";
            roleRef = {
              apiGroup = group;
              kind = "ClusterRole";
              name = "app";
            };
            subjects = [
              {
                kind = "ServiceAccount";
                name = "other";
                namespace = "elsewhere";
              }
            ];
          }
        ];
    };
    testAnyOtherObject = {
      expr = map (
        scope:
        k8s.object {
          apiVersion = "example.com/v1";
          kind = "Thing";
          name = "a";
          inherit scope;
          spec.a = 1;
        }
      ) [ "Cluster" ];
      expected = [
        {
          apiVersion = "example.com/v1";
          kind = "Thing";
          metadata = {
            name = "a";
            labels = k8s.labels null;
          };
          spec.a = 1;
        }
      ];
    };
    testConfigMapWithoutData = {
      expr = builtins.attrNames (k8s.configMap { name = "a"; });
      expected = [
        "apiVersion"
        "kind"
        "metadata"
      ];
    };
  };

  quantities = {
    testAsNumbers = {
      expr = map kubernetes.quantity.toNumber [
        "500m"
        "2"
        2
        "1Ki"
        "1k"
        "1.5Gi"
        ".5"
        "1e3"
        "007"
        "-1"
      ];
      expected = [
        0.5
        2.0
        2.0
        1024.0
        1000.0
        1610612736.0
        0.5
        1000.0
        7.0
        (-1.0)
      ];
    };
    testOrder = {
      expr =
        map
          (
            pair:
            kubernetes.quantity.toNumber (head pair) < kubernetes.quantity.toNumber (builtins.elemAt pair 1)
          )
          [
            [
              "1G"
              "1Gi"
            ]
            [
              "999m"
              1
            ]
            [
              "1Ti"
              "1000G"
            ]
          ];
      expected = [
        true
        true
        false
      ];
    };
  };
}
