# What keeps a component running and seen: disruption budgets, autoscalers, monitors and alert rules.
let
  inherit (builtins) attrNames map;
  optional = import ../optional.nix;

  # The two kinds of monitor differ in where their endpoints stand.
  monitor =
    kind: endpoints: context:
    {
      name,
      port,
      path ? "/metrics",
      role ? "server",
      selector ? context.selector role,
      endpoint ? { },
      monitoring ? context.config.monitoring,
    }:
    if !monitoring.enabled then
      [ ]
    else
      [
        {
          apiVersion = "monitoring.coreos.com/v1";
          inherit kind;
          metadata = context.metadata {
            inherit name role;
            labels = monitoring.labels;
          };
          spec = {
            selector.matchLabels = selector;
            ${endpoints} = [
              (
                {
                  inherit port path;
                }
                // optional "interval" monitoring.interval null
                // endpoint
              )
            ];
          };
        }
      ];
in
{
  /**
    A PodDisruptionBudget as the `podDisruptionBudget` section says: by default one for workloads of several replicas.

    # Type

    ```
    podDisruptionBudget :: Context -> { name, role ?, replicas } -> [PodDisruptionBudget]
    ```
  */
  podDisruptionBudget =
    context:
    {
      name,
      role ? "server",
      selector ? context.selector role,
      replicas ? 1,
      budget ? context.config.podDisruptionBudget or { enabled = null; },
    }:
    let
      wanted = if budget.enabled == null then replicas > 1 else budget.enabled;
      bound =
        if (budget.minAvailable or null) != null then
          { inherit (budget) minAvailable; }
        else if (budget.maxUnavailable or null) != null then
          { inherit (budget) maxUnavailable; }
        else
          { maxUnavailable = 1; };
    in
    if !wanted then
      [ ]
    else
      [
        {
          apiVersion = "policy/v1";
          kind = "PodDisruptionBudget";
          metadata = context.metadata { inherit name role; };
          spec = {
            selector.matchLabels = selector;
            # A pod that is not ready protects nobody, and must not hold a node back from being drained.
            unhealthyPodEvictionPolicy = "AlwaysAllow";
          }
          // bound;
        }
      ];

  /**
    A HorizontalPodAutoscaler of a workload as the `autoscaling` section says, or nothing.

    # Type

    ```
    autoscaler :: Context -> { name, kind ? "Deployment", autoscaling } -> [HorizontalPodAutoscaler]
    ```
  */
  autoscaler =
    context:
    {
      name,
      role ? null,
      kind ? "Deployment",
      autoscaling ? context.config.autoscaling,
    }:
    let
      metric = resource: target: {
        type = "Resource";
        resource = {
          name = resource;
          target = {
            type = "Utilization";
            averageUtilization = target;
          };
        };
      };
    in
    if !autoscaling.enabled then
      [ ]
    else
      [
        {
          apiVersion = "autoscaling/v2";
          kind = "HorizontalPodAutoscaler";
          metadata = context.metadata { inherit name role; };
          spec = {
            scaleTargetRef = {
              apiVersion = "apps/v1";
              inherit kind name;
            };
            inherit (autoscaling) minReplicas maxReplicas;
            metrics =
              (
                if autoscaling.targetCPUUtilization == null then
                  [ ]
                else
                  [ (metric "cpu" autoscaling.targetCPUUtilization) ]
              )
              ++ (
                if autoscaling.targetMemoryUtilization or null == null then
                  [ ]
                else
                  [ (metric "memory" autoscaling.targetMemoryUtilization) ]
              );
          };
        }
      ];

  /**
    A ServiceMonitor as the `monitoring` section says, or nothing.

    # Type

    ```
    serviceMonitor :: Context -> { name, port, path ? "/metrics", role ?, endpoint ? {} } -> [ServiceMonitor]
    ```
  */
  serviceMonitor = monitor "ServiceMonitor" "endpoints";

  /**
    A PodMonitor as the `monitoring` section says, or nothing: for pods without a Service.

    # Type

    ```
    podMonitor :: Context -> { name, port, path ? "/metrics", role ?, endpoint ? {} } -> [PodMonitor]
    ```
  */
  podMonitor = monitor "PodMonitor" "podMetricsEndpoints";

  /**
    A PrometheusRule with groups of rules, when `monitoring.enabled` and `monitoring.rules` are on.

    # Type

    ```
    prometheusRule :: Context -> { name, groups :: { <group> :: [Rule] } } -> [PrometheusRule]
    ```
  */
  prometheusRule =
    context:
    {
      name,
      groups,
      role ? null,
      monitoring ? context.config.monitoring,
    }:
    if !(monitoring.enabled && monitoring.rules or true) then
      [ ]
    else
      [
        {
          apiVersion = "monitoring.coreos.com/v1";
          kind = "PrometheusRule";
          metadata = context.metadata {
            inherit name role;
            labels = monitoring.labels;
          };
          spec.groups = map (group: {
            name = group;
            rules = groups.${group};
          }) (attrNames groups);
        }
      ];

  /**
    A Grafana dashboard as a ConfigMap that the dashboard side car finds, when `monitoring.dashboards` is on.

    # Type

    ```
    dashboard :: Context -> { name, dashboard :: AttrSet } -> [ConfigMap]
    ```
  */
  dashboard =
    context:
    {
      name,
      dashboard,
      role ? null,
      monitoring ? context.config.monitoring,
    }:
    if !(monitoring.enabled && monitoring.dashboards or true) then
      [ ]
    else
      [
        {
          apiVersion = "v1";
          kind = "ConfigMap";
          metadata = context.metadata {
            inherit name role;
            labels.grafana_dashboard = "1";
          };
          data."${name}.json" = builtins.toJSON dashboard;
        }
      ];
}
