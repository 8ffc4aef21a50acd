{
  summary = "Istio, the mesh that Kubeflow's gateway and profiles stand on";
  crds = [
    "authorizationpolicies.security.istio.io"
    "destinationrules.networking.istio.io"
    "virtualservices.networking.istio.io"
  ];
}
