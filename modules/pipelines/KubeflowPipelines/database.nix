# The bundled MySQL server of the API server, ML Metadata and the v1 cache.
{
  scope,
  plan,
  shape,
}:
let
  inherit (scope) config k8s images;

  # An answer is enough to be alive, also the one that the password is wrong. The server that initializes the data
  # directory listens on its socket only, so that 127.0.0.1 means the real one.
  ping = {
    command = [
      "mysqladmin"
      "ping"
      "-h"
      "127.0.0.1"
    ];
    timeoutSeconds = 5;
  };
in
if !plan.database.bundled then
  [ ]
else
  [
    (k8s.serviceAccount { name = "mysql"; })
    (k8s.claim {
      name = "mysql-pv-claim";
      size = if config.metadata.size == null then "20Gi" else config.metadata.size;
      inherit (config.metadata) storageClass;
    })
    (k8s.service {
      name = "mysql";
      role = "mysql";
      selector = shape.named "mysql";
      ports = [
        {
          port = 3306;
          protocol = "TCP";
          targetPort = 3306;
        }
      ];
    })
    (shape.deployment {
      name = "mysql";
      role = "mysql";
      serviceAccount = "mysql";
      strategy = "Recreate";
      security = {
        fsGroup = 999;
        fsGroupChangePolicy = "OnRootMismatch";
      };
      containers = [
        {
          name = "mysql";
          image = images.database;
          args = [
            # A directory of its own: a fresh volume has lost+found at its top, and MySQL wants an empty one.
            "--datadir=/var/lib/mysql/datadir"
            # ML Metadata knows no other plugin.
            "--authentication-policy=mysql_native_password"
            "--mysql-native-password=ON"
            "--disable-log-bin"
          ];
          env.MYSQL_ROOT_PASSWORD = shape.database.password;
          ports.mysql = 3306;
          security = {
            runAsUser = 999;
            runAsGroup = 999;
          };
          startup = k8s.execProbe (
            ping
            // {
              periodSeconds = 5;
              failureThreshold = 60;
            }
          );
          liveness = k8s.execProbe (
            ping
            // {
              periodSeconds = 30;
            }
          );
          readiness = k8s.execProbe ping;
          resources = {
            requests = {
              cpu = "100m";
              memory = "800Mi";
            };
            limits.memory = "2Gi";
          };
          mounts = {
            mysql-persistent-storage = "/var/lib/mysql";
            run = "/var/run/mysqld";
            tmp = "/tmp";
          };
        }
      ];
      volumes = {
        run = { };
        tmp = { };
        mysql-persistent-storage.persistentVolumeClaim.claimName = "mysql-pv-claim";
      };
      pod = {
        # A Service named mysql would otherwise put MYSQL_PORT=tcp://… into the environment.
        enableServiceLinks = false;
        terminationGracePeriodSeconds = 60;
      };
    })
  ]
  ++ (
    if !config.networkPolicy.enabled then
      [ ]
    else
      [
        (k8s.object {
          apiVersion = "networking.k8s.io/v1";
          kind = "NetworkPolicy";
          name = "mysql";
          spec = {
            podSelector.matchLabels = shape.named "mysql";
            policyTypes = [ "Ingress" ];
            ingress = [
              {
                from = [ { podSelector.matchLabels = k8s.selector "ml-pipeline"; } ];
                ports = [ (shape.tcp 3306) ];
              }
            ];
          };
        })
      ]
  )
