# The runtimes of the table as ClusterServingRuntimes.
{
  k8s,
  images,
  hardened,
  selfLabels,
}:
let
  inherit (builtins) match head;
  optional =
    name: value: empty:
    if value == empty then { } else { ${name} = value; };

  resources =
    let
      amount = {
        cpu = "1";
        memory = "2Gi";
      };
    in
    {
      requests = amount;
      limits = amount;
    };

  securityContext =
    runtime:
    {
      allowPrivilegeEscalation = false;
      capabilities.drop = [ "ALL" ];
      privileged = false;
    }
    // (if runtime.root or false then { } else { runAsNonRoot = true; })
    // optional "runAsUser" (runtime.user or null) null
    // (if hardened then { seccompProfile.type = "RuntimeDefault"; } else { });

  container =
    runtime:
    {
      name = "kserve-container";
      image = images.${runtime.image};
      inherit resources;
    }
    // optional "command" (runtime.command or [ ]) [ ]
    // optional "args" (runtime.args or [ ]) [ ]
    // optional "env" (k8s.env (runtime.env or { })) [ ]
    // optional "volumeMounts" (runtime.mounts or [ ]) [ ]
    // (if runtime.unconfined or false then { } else { securityContext = securityContext runtime; })
    // (runtime.container or { });
in
name: runtime:
k8s.object {
  apiVersion = "serving.kserve.io/v1alpha1";
  kind = "ClusterServingRuntime";
  inherit name;
  role = "runtime";
  scope = "Cluster";
  labels = selfLabels;
  annotations."serving.kserve.io/server-type" = runtime.server or (head (match "kserve-(.*)" name));
  spec = {
    annotations = {
      "prometheus.kserve.io/path" = "/metrics";
      "prometheus.kserve.io/port" = toString (runtime.metricsPort or 8080);
    };
    supportedModelFormats = runtime.formats;
    containers = [ (container runtime) ];
  }
  // optional "protocolVersions" runtime.protocols [ ]
  // optional "volumes" (runtime.volumes or [ ]) [ ]
  // (if runtime ? worker then { workerSpec = runtime.worker images.${runtime.image}; } else { })
  // (runtime.spec or { });
}
