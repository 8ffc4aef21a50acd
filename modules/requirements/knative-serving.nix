{
  summary = "Knative Serving with a networking layer (net-istio, or Kourier); 1.23 needs Kubernetes 1.34 or newer";
  version = "knative-v1.23.0";
  url = "https://github.com/knative/serving/releases/download/knative-v1.23.0/serving-core.yaml";
  crds = [
    "configurations.serving.knative.dev"
    "domainmappings.serving.knative.dev"
    "revisions.serving.knative.dev"
    "routes.serving.knative.dev"
    "services.serving.knative.dev"
  ];
}
