# The Pod Security Standards: which level a pod meets, and what keeps it from the next one.
# Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
let
  inherit (builtins)
    all
    any
    attrNames
    concatMap
    elem
    filter
    listToAttrs
    ;
  inherit (import ../kubernetes/pods.nix) containersOf;

  set =
    names:
    listToAttrs (
      map (name: {
        inherit name;
        value = true;
      }) names
    );

  baselineCapabilities = set [
    "AUDIT_WRITE"
    "CHOWN"
    "DAC_OVERRIDE"
    "FOWNER"
    "FSETID"
    "KILL"
    "MKNOD"
    "NET_BIND_SERVICE"
    "SETFCAP"
    "SETGID"
    "SETPCAP"
    "SETUID"
    "SYS_CHROOT"
  ];

  restrictedVolumes = set [
    "configMap"
    "csi"
    "downwardAPI"
    "emptyDir"
    "ephemeral"
    "persistentVolumeClaim"
    "projected"
    "secret"
  ];

  safeSysctls = set [
    "kernel.shm_rmid_forced"
    "net.ipv4.ip_local_port_range"
    "net.ipv4.ip_unprivileged_port_start"
    "net.ipv4.tcp_syncookies"
    "net.ipv4.ping_group_range"
    "net.ipv4.ip_local_reserved_ports"
    "net.ipv4.tcp_keepalive_time"
    "net.ipv4.tcp_fin_timeout"
    "net.ipv4.tcp_keepalive_intvl"
    "net.ipv4.tcp_keepalive_probes"
  ];

  allContainers = spec: containersOf spec ++ (spec.ephemeralContainers or [ ]);

  says = reason: condition: if condition then [ reason ] else [ ];

  privilegedReasons =
    spec:
    says "uses the host's network, process or IPC namespace" (
      spec.hostNetwork or false || spec.hostPID or false || spec.hostIPC or false
    )
    ++ says "mounts a path of the host" (any (volume: volume ? hostPath) (spec.volumes or [ ]))
    ++ says "sets seccomp to Unconfined" (
      spec.securityContext.seccompProfile.type or "" == "Unconfined"
    )
    ++ says "sets unsafe sysctls" (
      any (sysctl: !(safeSysctls ? ${sysctl.name})) (spec.securityContext.sysctls or [ ])
    )
    ++ concatMap (
      container:
      let
        context = container.securityContext or { };
        name = container.name or "container";
      in
      says "container ${name} is privileged" (context.privileged or false)
      ++ says "container ${name} adds capabilities" (
        any (capability: !(baselineCapabilities ? ${capability})) (context.capabilities.add or [ ])
      )
      ++ says "container ${name} takes a port of the host" (
        any (port: port.hostPort or 0 != 0) (container.ports or [ ])
      )
      ++ says "container ${name} sets seccomp to Unconfined" (
        context.seccompProfile.type or "" == "Unconfined"
      )
      ++ says "container ${name} sets procMount" (context.procMount or "Default" != "Default")
    ) (allContainers spec);

  baselineReasons =
    spec:
    let
      pod = spec.securityContext or { };
      seccomp =
        profile:
        elem (profile.type or "") [
          "RuntimeDefault"
          "Localhost"
        ];
    in
    says "has a volume of a kind that restricted does not allow" (
      any (volume: !(all (field: field == "name" || restrictedVolumes ? ${field}) (attrNames volume))) (
        spec.volumes or [ ]
      )
    )
    ++ concatMap (
      container:
      let
        context = container.securityContext or { };
        name = container.name or "container";
      in
      says "container ${name} allows privilege escalation" (context.allowPrivilegeEscalation or true)
      ++ says "container ${name} may run as root" (!(context.runAsNonRoot or pod.runAsNonRoot or false))
      ++ says "container ${name} runs as user 0" (context.runAsUser or pod.runAsUser or 1 == 0)
      ++ says "container ${name} has no seccomp profile" (
        !(seccomp (context.seccompProfile or pod.seccompProfile or { }))
      )
      ++ says "container ${name} keeps capabilities" (
        !(elem "ALL" (context.capabilities.drop or [ ]))
        || filter (capability: capability != "NET_BIND_SERVICE") (context.capabilities.add or [ ]) != [ ]
      )
    ) (allContainers spec);
in
{
  rank = {
    privileged = 0;
    baseline = 1;
    restricted = 2;
  };

  /**
    The strictest level that a pod specification meets, and why not a stricter one.

    # Type

    ```
    levelOf :: PodSpec -> { level :: "privileged" | "baseline" | "restricted", reasons :: [String] }
    ```
  */
  levelOf =
    spec:
    let
      privileged = privilegedReasons spec;
      baseline = baselineReasons spec;
    in
    if privileged != [ ] then
      {
        level = "privileged";
        reasons = privileged;
      }
    else if baseline != [ ] then
      {
        level = "baseline";
        reasons = baseline;
      }
    else
      {
        level = "restricted";
        reasons = [ ];
      };
}
