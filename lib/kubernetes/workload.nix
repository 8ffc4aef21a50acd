# Pod templates and what owns them. Every function takes the component's context first: its labels,
# namespace, and the placement that the user asked for.
let
  inherit (builtins)
    attrNames
    head
    isList
    tail
    ;
  containers = import ./container.nix;
  inherit (import ../internal.nix) mark;

  volume = name: value: { inherit name; } // value;

  # Volumes by name, or entries as the API has them; an empty value is an emptyDir.
  volumesOf =
    value:
    if isList value then
      value
    else
      map (name: volume name (if value.${name} == { } then { emptyDir = { }; } else value.${name})) (
        attrNames value
      );

  optional = import ../optional.nix;

  # What the user adds to the main container of a workload.
  extend =
    config: main:
    let
      extraVolumes = config.extraVolumes or [ ];
    in
    main
    // optional "env" (containers.env (main.env or { }) ++ containers.env (config.extraEnv or { })) [ ]
    // optional "args" ((main.args or [ ]) ++ (config.extraArgs or [ ])) [ ]
    // optional "mounts" (
      containers.mounts (main.mounts or { })
      ++ map (
        extra:
        {
          inherit (extra) name mountPath;
        }
        // (if extra.readOnly then { readOnly = true; } else { })
        // optional "subPath" extra.subPath null
      ) extraVolumes
    ) [ ];

  /**
    Where the user wants pods: node selector, tolerations, affinity, spread, priority, with the node pool's own. Also for
    pods that operators make, whose resources take the same fields.

    # Type

    ```
    placement :: Context -> { nodeSelector ?, tolerations ?, affinity ?, topologySpreadConstraints ?, priorityClassName ? }
    ```
  */
  placementOf =
    context:
    let
      inherit (context) config;
      poolName = config.nodePool or null;
      pool =
        if poolName == null then
          {
            selector = { };
            tolerations = [ ];
          }
        else
          context.settings.nodePools.${poolName} or {
            selector = { };
            tolerations = [ ];
          };
    in
    optional "nodeSelector" (pool.selector // (config.nodeSelector or { })) { }
    // optional "tolerations" (pool.tolerations ++ (config.tolerations or [ ])) [ ]
    // optional "affinity" (config.affinity or null) null
    // optional "topologySpreadConstraints" (map (
      constraint:
      if constraint ? labelSelector then
        constraint
      else
        constraint // { labelSelector.matchLabels = context.selector null; }
    ) (config.topologySpread or [ ])) [ ]
    // optional "priorityClassName" (config.priorityClassName or null) null;

  /**
    A pod specification: containers hardened, the user's placement, pull secrets and volumes filled in.

    # Inputs

    `containers`: arguments of `container`, the first is the main one
    `initContainers`: the same
    `volumes`: `{ tmp = { }; data = { persistentVolumeClaim.claimName = "x"; }; }` (an empty set is an emptyDir), or a list
    `serviceAccount`: name, or null for the namespace's default
    `apiAccess`: whether the pods get a token of the API
    `user`: numeric user and group of the processes, or null to leave it to the image
    `security`: merged over the hardened pod security context
    `extended`: whether `extraEnv`, `extraArgs` and `extraVolumes` of the component go into the main container
    `spread`: labels of pods that are better on different nodes, where the user says nothing about their placement
    `pod`: merged over the result

    # Type

    ```
    podSpec :: Context -> AttrSet -> PodSpec
    ```
  */
  podSpec =
    context:
    {
      containers,
      initContainers ? [ ],
      volumes ? { },
      serviceAccount ? null,
      apiAccess ? false,
      user ? null,
      security ? { },
      extended ? true,
      placed ? true,
      spread ? null,
      pod ? { },
    }:
    let
      inherit (context) config settings;
      wanted = if placed then placementOf context else { };
      placement =
        if spread == null || wanted ? affinity || wanted ? topologySpreadConstraints then
          wanted
        else
          wanted // { affinity = apart spread; };
      main = head containers;
      mainArgs = if extended then extend config main else main;
      extraVolumes = if extended then config.extraVolumes or [ ] else [ ];
      pullSecrets = map (name: { inherit name; }) (
        (config.imagePullSecrets or [ ]) ++ settings.imagePullSecrets
      );
    in
    {
      automountServiceAccountToken = apiAccess;
      securityContext = {
        runAsNonRoot = true;
        seccompProfile.type = "RuntimeDefault";
      }
      // (
        if user == null then
          { }
        else
          {
            runAsUser = user;
            runAsGroup = user;
            fsGroup = user;
            fsGroupChangePolicy = "OnRootMismatch";
          }
      )
      // security;
      containers = map container ([ mainArgs ] ++ tail containers);
    }
    // optional "serviceAccountName" serviceAccount null
    // optional "initContainers" (map container initContainers) [ ]
    // optional "imagePullSecrets" pullSecrets [ ]
    // optional "volumes" (
      volumesOf volumes ++ map (extra: { inherit (extra) name; } // extra.volume) extraVolumes
    ) [ ]
    // placement
    // pod;

  inherit (containers) container;

  workloadFields = {
    name = null;
    namespace = null;
    role = null;
    labels = null;
    annotations = null;
    selector = null;
    podLabels = null;
    podAnnotations = null;
    replicas = null;
    spec = null;
    ignore = null;
  };

  ignoreAnnotation =
    ignore:
    if ignore == { } then
      { }
    else
      {
        "mlops-nix.dev/ignore" = builtins.concatStringsSep "; " (
          map (check: "${check}=${ignore.${check}}") (attrNames ignore)
        );
      };

  # A preference: a cluster of one node still runs all replicas.
  apart = matchLabels: {
    podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution = [
      {
        weight = 100;
        podAffinityTerm = {
          labelSelector = { inherit matchLabels; };
          topologyKey = "kubernetes.io/hostname";
        };
      }
    ];
  };

  template =
    context:
    {
      role ? null,
      podLabels ? { },
      podAnnotations ? { },
      selector ? null,
      ...
    }@args:
    {
      metadata = {
        labels = context.labels role // (if selector == null then { } else selector) // podLabels;
      }
      // optional "annotations" podAnnotations { };
      spec = podSpec context (removeAttrs args (attrNames workloadFields));
    };

  workload =
    kind: context: ownFields: build:
    {
      name,
      namespace ? context.namespace,
      role ? "server",
      labels ? { },
      annotations ? { },
      selector ? null,
      ignore ? { },
      replicas ? 1,
      spec ? { },
      ...
    }@args:
    let
      matchLabels = if selector == null then context.selector role else selector;
      # An autoscaler makes several, too.
      several = replicas == null || replicas > 1;
    in
    {
      apiVersion = "apps/v1";
      inherit kind;
      metadata = context.metadata {
        inherit
          name
          namespace
          role
          labels
          ;
        annotations = ignoreAnnotation ignore // annotations;
      };
      spec = {
        selector = { inherit matchLabels; };
        template = template context (
          {
            inherit role;
          }
          // (if several then { spread = matchLabels; } else { })
          // removeAttrs args ownFields
        );
      }
      // build args
      // spec;
    };

  /**
    A Deployment. Takes the arguments of `podSpec` and `name`, `role` (the part it plays in its component),
    `replicas` (null where an autoscaler owns them), `strategy`, `selector`, `labels`, `annotations`,
    `podLabels`, `podAnnotations`, `ignore` (check id -> reason), `spec` (merged over the result).

    # Type

    ```
    deployment :: Context -> AttrSet -> Deployment
    ```

    # Examples

    ```nix
    k8s.deployment { inherit name; containers = [ { name = "app"; image = images.app; ports.http = 8080; } ]; }
    ```
  */
  deployment =
    context:
    workload "Deployment" context [ "strategy" ] (
      {
        replicas ? 1,
        strategy ? null,
        ...
      }:
      optional "replicas" replicas null
      // optional "strategy" (if strategy == "Recreate" then { type = "Recreate"; } else strategy) null
    );

  /**
    A StatefulSet. As `deployment`, and `serviceName`, `claims` (name -> claim specification or `storage`).

    # Type

    ```
    statefulSet :: Context -> AttrSet -> StatefulSet
    ```
  */
  statefulSet =
    context:
    workload "StatefulSet" context [ "serviceName" "claims" ] (
      {
        name,
        replicas ? 1,
        serviceName ? name,
        claims ? { },
        ...
      }:
      {
        inherit serviceName;
      }
      // optional "replicas" replicas null
      // optional "volumeClaimTemplates" (map (claim: {
        metadata.name = claim;
        spec = claims.${claim};
      }) (attrNames claims)) [ ]
    );

  /**
    A DaemonSet. As `deployment`, without replicas.

    # Type

    ```
    daemonSet :: Context -> AttrSet -> DaemonSet
    ```
  */
  daemonSet = context: workload "DaemonSet" context [ ] (_: { });

  /**
    A Job. Its name ends in a hash of what it does, because a Job cannot be changed: another template is another
    Job. `phase = "prepare"` makes it run, and finish, before the workloads of its component start.

    # Type

    ```
    job :: Context -> AttrSet -> Job
    ```
  */
  job =
    context:
    {
      name,
      namespace ? context.namespace,
      role ? "job",
      labels ? { },
      annotations ? { },
      ignore ? { },
      backoffLimit ? 6,
      deadlineSeconds ? null,
      ttlSecondsAfterFinished ? null,
      restartPolicy ? "OnFailure",
      phase ? "run",
      hashed ? true,
      spec ? { },
      pod ? { },
      extended ? false,
      ...
    }@args:
    mark { inherit phase hashed; } {
      apiVersion = "batch/v1";
      kind = "Job";
      metadata = context.metadata {
        inherit
          name
          namespace
          role
          labels
          ;
        annotations = ignoreAnnotation ignore // annotations;
      };
      spec = {
        inherit backoffLimit;
        template = template context (
          {
            inherit role;
          }
          // removeAttrs args [
            "backoffLimit"
            "deadlineSeconds"
            "ttlSecondsAfterFinished"
            "restartPolicy"
            "phase"
            "hashed"
          ]
          // {
            inherit extended;
            pod = {
              inherit restartPolicy;
            }
            // pod;
          }
        );
      }
      // optional "activeDeadlineSeconds" deadlineSeconds null
      // optional "ttlSecondsAfterFinished" ttlSecondsAfterFinished null
      // spec;
    };

  /**
    A CronJob. As `job`, and `schedule`, `timeZone`, `concurrencyPolicy`, `suspend`, `startingDeadlineSeconds` (without one, a
    CronJob that missed more than 100 starts is never started again).

    # Type

    ```
    cronJob :: Context -> AttrSet -> CronJob
    ```
  */
  cronJob =
    context:
    {
      name,
      schedule,
      namespace ? context.namespace,
      role ? "job",
      labels ? { },
      annotations ? { },
      ignore ? { },
      timeZone ? null,
      concurrencyPolicy ? "Forbid",
      suspend ? false,
      startingDeadlineSeconds ? 3600,
      historyLimit ? 3,
      ...
    }@args:
    let
      inner = job context (
        removeAttrs args [
          "schedule"
          "ignore"
          "annotations"
          "timeZone"
          "concurrencyPolicy"
          "suspend"
          "startingDeadlineSeconds"
          "historyLimit"
        ]
        // {
          hashed = false;
        }
      );
    in
    {
      apiVersion = "batch/v1";
      kind = "CronJob";
      metadata = context.metadata {
        inherit
          name
          namespace
          role
          labels
          ;
        annotations = ignoreAnnotation ignore // annotations;
      };
      spec = {
        inherit schedule concurrencyPolicy startingDeadlineSeconds;
        successfulJobsHistoryLimit = historyLimit;
        failedJobsHistoryLimit = historyLimit;
        jobTemplate.spec = inner.spec;
      }
      // optional "timeZone" timeZone null
      // (if suspend then { suspend = true; } else { });
    };
in
{
  inherit
    cronJob
    daemonSet
    deployment
    job
    podSpec
    statefulSet
    ;
  placement = placementOf;
}
