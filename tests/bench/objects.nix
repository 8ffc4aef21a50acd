# Plain objects of the usual kinds, computed as a module would: eight per application, about 1.1 kB of JSON each.
# `chart/` writes the same ones with Helm.
let
  inherit (builtins) concatMap genList toString;

  application =
    number:
    let
      name = "app-${toString number}";
      namespace = "team-${toString (number - number / 10 * 10)}";
      labels = {
        "app.kubernetes.io/name" = "model-server";
        "app.kubernetes.io/instance" = name;
        "app.kubernetes.io/component" = "server";
        "app.kubernetes.io/part-of" = "bench";
        "app.kubernetes.io/version" = "3.17.2";
        "app.kubernetes.io/managed-by" = "mlops-nix";
      };
      selector = {
        "app.kubernetes.io/name" = "model-server";
        "app.kubernetes.io/instance" = name;
      };
      object =
        apiVersion: kind: rest:
        {
          inherit apiVersion kind;
          metadata = {
            inherit name namespace labels;
          };
        }
        // rest;
      probe = {
        httpGet = {
          path = "/health";
          port = "http";
        };
        periodSeconds = 10;
        timeoutSeconds = 5;
        failureThreshold = 3;
      };
      container = name: image: {
        inherit name image;
        imagePullPolicy = "IfNotPresent";
        args = [
          "--host=0.0.0.0"
          "--port=8080"
          "--workers=${toString (number - number / 4 * 4 + 1)}"
        ];
        env = [
          {
            name = "DATABASE_PASSWORD";
            valueFrom.secretKeyRef = {
              name = "database";
              key = "password";
            };
          }
          {
            name = "LOG_LEVEL";
            value = "info";
          }
        ];
        ports = [
          {
            name = "http";
            containerPort = 8080;
          }
        ];
        resources = {
          requests = {
            cpu = "500m";
            memory = "1Gi";
          };
          limits.memory = "2Gi";
        };
        securityContext = {
          allowPrivilegeEscalation = false;
          readOnlyRootFilesystem = true;
          capabilities.drop = [ "ALL" ];
        };
        readinessProbe = probe;
        livenessProbe = probe;
        volumeMounts = [
          {
            name = "config";
            mountPath = "/etc/app";
            readOnly = true;
          }
          {
            name = "tmp";
            mountPath = "/tmp";
          }
        ];
      };
    in
    [
      (object "v1" "ServiceAccount" { automountServiceAccountToken = false; })
      (object "v1" "ConfigMap" {
        data = {
          "server.yaml" = ''
            server:
              host: 0.0.0.0
              port: 8080
            storage:
              bucket: ${name}
              endpoint: http://objects.data.svc:9000
              region: eu-central-1

            limits:
              requests: 100
              bytes: 1048576
          '';
          MODEL_NAME = name;
          MODEL_URI = "s3://models/${name}/1";
          REPLICAS = toString number;
        };
      })
      (object "apps/v1" "Deployment" {
        spec = {
          replicas = 2;
          selector.matchLabels = selector;
          strategy = {
            type = "RollingUpdate";
            rollingUpdate = {
              maxSurge = 1;
              maxUnavailable = 0;
            };
          };
          template = {
            metadata = {
              inherit labels;
            };
            spec = {
              serviceAccountName = name;
              automountServiceAccountToken = false;
              securityContext = {
                runAsNonRoot = true;
                runAsUser = 1000;
                fsGroup = 1000;
                seccompProfile.type = "RuntimeDefault";
              };
              containers = [
                (container "server" "ghcr.io/example/server:v3.17.2")
                (container "metrics" "ghcr.io/example/metrics:v1.4.0")
              ];
              volumes = [
                {
                  name = "config";
                  configMap.name = name;
                }
                {
                  name = "tmp";
                  emptyDir = { };
                }
              ];
            };
          };
        };
      })
      (object "v1" "Service" {
        spec = {
          inherit selector;
          type = "ClusterIP";
          ports = [
            {
              name = "http";
              port = 80;
              targetPort = "http";
            }
          ];
        };
      })
      (object "networking.k8s.io/v1" "NetworkPolicy" {
        spec = {
          podSelector.matchLabels = selector;
          policyTypes = [
            "Ingress"
            "Egress"
          ];
          ingress = [
            {
              from = [ { namespaceSelector.matchLabels."kubernetes.io/metadata.name" = namespace; } ];
              ports = [ { port = 8080; } ];
            }
          ];
          egress = [
            {
              to = [
                {
                  namespaceSelector.matchLabels."kubernetes.io/metadata.name" = "data";
                  podSelector.matchLabels."app.kubernetes.io/name" = "objects";
                }
              ];
              ports = [ { port = 9000; } ];
            }
          ];
        };
      })
      (object "policy/v1" "PodDisruptionBudget" {
        spec = {
          maxUnavailable = 1;
          selector.matchLabels = selector;
        };
      })
      (object "autoscaling/v2" "HorizontalPodAutoscaler" {
        spec = {
          minReplicas = 2;
          maxReplicas = 10;
          scaleTargetRef = {
            apiVersion = "apps/v1";
            kind = "Deployment";
            inherit name;
          };
          metrics = [
            {
              type = "Resource";
              resource = {
                name = "cpu";
                target = {
                  type = "Utilization";
                  averageUtilization = 80;
                };
              };
            }
          ];
        };
      })
      (object "batch/v1" "CronJob" {
        spec = {
          schedule = "0 3 * * *";
          concurrencyPolicy = "Forbid";
          jobTemplate.spec.template = {
            metadata = {
              inherit labels;
            };
            spec = {
              restartPolicy = "Never";
              serviceAccountName = name;
              automountServiceAccountToken = false;
              securityContext = {
                runAsNonRoot = true;
                runAsUser = 1000;
              };
              containers = [ (container "backup" "ghcr.io/example/backup:v0.9.1") ];
              volumes = [
                {
                  name = "config";
                  configMap.name = name;
                }
                {
                  name = "tmp";
                  emptyDir = { };
                }
              ];
            };
          };
        };
      })
    ];
in
count: concatMap application (genList (number: number) count)
