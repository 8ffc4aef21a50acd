{
  summary = "the Prometheus operator, which reads monitors and alert rules";
  version = "v0.93.0";
  url = "https://github.com/prometheus-operator/prometheus-operator/releases/download/v0.93.0/bundle.yaml";
  crds = [
    "podmonitors.monitoring.coreos.com"
    "prometheusrules.monitoring.coreos.com"
    "servicemonitors.monitoring.coreos.com"
  ];
}
