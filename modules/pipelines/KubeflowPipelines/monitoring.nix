# What exports metrics, what to alert on, and a dashboard. Upstream ships none of these; the metrics are those of
# Argo's workflow controller and the API server's `up`.
{
  scope,
  plan,
  shape,
}:
let
  inherit (scope) config k8s namespace;
  insecure = {
    scheme = "https";
    tlsConfig.insecureSkipVerify = true;
  };
  here = ''namespace="${namespace}"'';
  apiUp = ''up{job="ml-pipeline", ${here}}'';
  onlyIf = condition: list: if condition then list else [ ];

  alert = name: expr: duration: severity: summary: {
    alert = name;
    inherit expr;
    for = duration;
    labels = {
      inherit severity;
    };
    annotations = {
      inherit summary;
    };
  };

  panel = index: title: expr: legend: {
    id = index + 1;
    inherit title;
    type = "timeseries";
    gridPos = {
      h = 8;
      w = 12;
      x = if index == 0 || index == 2 then 0 else 12;
      y = if index < 2 then 0 else 8;
    };
    targets = [
      {
        refId = "A";
        inherit expr;
        legendFormat = legend;
      }
    ];
  };
in
k8s.serviceMonitor {
  name = "ml-pipeline";
  role = "ml-pipeline";
  selector = shape.named "ml-pipeline";
  port = if plan.tls then "tls" else "http";
  endpoint = if plan.tls then insecure else { };
}
++ k8s.podMonitor {
  name = "ml-pipeline-scheduledworkflow";
  role = "ml-pipeline";
  selector = shape.named "ml-pipeline-scheduledworkflow";
  port = "http";
}
++ (
  if !plan.ownController then
    [ ]
  else
    k8s.podMonitor {
      name = "workflow-controller";
      role = "ml-pipeline";
      selector = shape.named "workflow-controller";
      port = "metrics";
      # The controller signs its own certificate.
      endpoint = insecure;
    }
)
++ k8s.prometheusRule {
  name = "ml-pipeline";
  role = "ml-pipeline";
  groups.kubeflow-pipelines = [
    (alert "KubeflowPipelinesDown" "${apiUp} == 0" "5m" "critical"
      "The API server of Kubeflow Pipelines in ${namespace} does not answer"
    )
  ]
  ++ onlyIf plan.ownController [
    (alert "KubeflowPipelinesWorkflowErrors" "increase(argo_workflows_error_count{${here}}[15m]) > 0"
      "5m"
      "warning"
      "The workflow controller in ${namespace} runs into errors ({{ $labels.cause }})"
    )
    (alert "KubeflowPipelinesQueue" "argo_workflows_queue_depth_gauge{${here}} > 100" "15m" "warning"
      "The workflow controller in ${namespace} does not keep up ({{ $labels.queue_name }})"
    )
  ];
}
++ k8s.dashboard {
  name = "${config.name}-dashboard";
  role = "ml-pipeline";
  dashboard = {
    title = "Kubeflow Pipelines ${namespace}";
    uid = "kfp-${builtins.substring 0 32 (builtins.hashString "sha256" namespace)}";
    schemaVersion = 39;
    time = {
      from = "now-6h";
      to = "now";
    };
    panels = [
      (panel 0 "API server" apiUp "up")
    ]
    ++ onlyIf plan.ownController [
      (panel 1 "Workflows by phase" "argo_workflows_gauge{${here}}" "{{phase}}")
      (panel 2 "Errors" "rate(argo_workflows_error_count{${here}}[5m])" "{{cause}}")
      (panel 3 "Queues" "argo_workflows_queue_depth_gauge{${here}}" "{{queue_name}}")
    ];
  };
}
