# The bundled object store: one SeaweedFS server behind the name and port that clients of MinIO know.
{
  scope,
  plan,
  shape,
}:
let
  inherit (builtins) map;
  inherit (scope) config k8s images;
  inherit (plan.store) bucket;

  # Makes the bucket and the administrator once the server answers; the pod is ready after that.
  prepare = ''
    retry() {
      tries=0
      until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -lt 60 ] || { echo "gave up: $*"; exit 1; }
        sleep 2
      done
    }
    answers() { wget -q --spider http://127.0.0.1:8333/status; }
    has_bucket() { echo "s3.bucket.list" | weed shell 2> /dev/null | grep -qw -- "$BUCKET"; }
    make_bucket() { has_bucket || echo "s3.bucket.create -name $BUCKET" | weed shell; has_bucket; }
    make_user() { echo "s3.configure -user kubeflow-admin -access_key $ACCESS_KEY -secret_key $SECRET_KEY -actions Admin -apply" | weed shell > /dev/null; }
    retry answers
    retry make_bucket
    retry make_user
    touch /tmp/initialized
  '';

  probe = {
    path = "/status";
    port = "s3";
  };

in
if !plan.store.bundled then
  [ ]
else
  [
    (k8s.serviceAccount { name = "seaweedfs"; })
    (k8s.claim {
      name = "seaweedfs-pvc";
      size = if config.storage.size == null then "20Gi" else config.storage.size;
      inherit (config.storage) storageClass;
    })
    (k8s.service {
      name = "seaweedfs";
      role = "seaweedfs";
      selector = shape.named "seaweedfs";
      ports =
        map
          (
            port:
            {
              protocol = "TCP";
              targetPort = port.port;
            }
            // port
          )
          [
            {
              name = "http-iam";
              port = 8111;
            }
            {
              name = "http-s3";
              port = 8333;
            }
            {
              name = "http-s3-compat";
              port = 9000;
              targetPort = 8333;
            }
            {
              name = "http-master";
              port = 9333;
            }
            {
              name = "grpc-master";
              port = 19333;
            }
            {
              name = "grpc-filer";
              port = 18888;
            }
            {
              name = "http-filer";
              port = 8888;
            }
          ];
    })
    (shape.deployment {
      name = "seaweedfs";
      role = "seaweedfs";
      serviceAccount = "seaweedfs";
      strategy = "Recreate";
      security = {
        fsGroup = 1000;
        fsGroupChangePolicy = "OnRootMismatch";
      };
      containers = [
        {
          name = "seaweedfs";
          image = images.store;
          args = [
            "server"
            "-dir=/data"
            "-s3"
            "-iam"
            "-filer"
            "-master.volumePreallocate=false"
            # Volumes of 1 GB, as many as fit: each bucket takes several at once, and the default is eight in all.
            "-master.volumeSizeLimitMB=1024"
            "-volume.max=0"
            "-master.telemetry=false"
          ];
          env = {
            ACCESS_KEY = shape.store.accessKey;
            SECRET_KEY = shape.store.secretKey;
            BUCKET = bucket;
          };
          ports = {
            s3 = 8333;
            iam = 8111;
            master = 9333;
            grpc-master = 19333;
            filer = 8888;
            grpc-filer = 18888;
          };
          security.runAsGroup = 1000;
          startup = k8s.execProbe {
            command = [
              "test"
              "-f"
              "/tmp/initialized"
            ];
            periodSeconds = 5;
            failureThreshold = 60;
          };
          liveness = k8s.httpProbe (
            probe
            // {
              initialDelaySeconds = 30;
              periodSeconds = 30;
              timeoutSeconds = 10;
            }
          );
          readiness = k8s.httpProbe (
            probe
            // {
              initialDelaySeconds = 5;
              timeoutSeconds = 5;
            }
          );
          resources = {
            requests = {
              cpu = "64m";
              memory = "256Mi";
            };
            limits.memory = "2Gi";
          };
          mounts = {
            data = "/data";
            tmp = "/tmp";
          };
          extra.lifecycle.postStart.exec.command = [
            "/bin/sh"
            "-c"
            prepare
          ];
        }
      ];
      volumes = {
        tmp = { };
        data.persistentVolumeClaim.claimName = "seaweedfs-pvc";
      };
    })
  ]
  ++ (
    if !config.networkPolicy.enabled then
      [ ]
    else
      [
        # Only S3 asks for keys: every other port of the server stays closed.
        (k8s.object {
          apiVersion = "networking.k8s.io/v1";
          kind = "NetworkPolicy";
          name = "seaweedfs";
          spec = {
            podSelector.matchLabels = shape.named "seaweedfs";
            policyTypes = [ "Ingress" ];
            ingress = [
              {
                from = [ { podSelector = { }; } ];
                ports = [ (shape.tcp 8333) ];
              }
            ]
            ++ (
              if !plan.multiUser then
                [ ]
              else
                [
                  {
                    from = [ { namespaceSelector.matchLabels."app.kubernetes.io/part-of" = "kubeflow-profile"; } ];
                    ports = [ (shape.tcp 8333) ];
                  }
                  { from = [ { namespaceSelector.matchLabels."kubernetes.io/metadata.name" = "istio-system"; } ]; }
                  # Makes the keys of profiles.
                  {
                    from = [ { podSelector.matchLabels = shape.named "kubeflow-pipelines-profile-controller"; } ];
                    ports = [ (shape.tcp 8111) ];
                  }
                ]
            );
          };
        })
      ]
  )
