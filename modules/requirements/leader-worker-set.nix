{
  summary = "LeaderWorkerSet, which runs one model server over several nodes";
  version = "v0.8.0";
  url = "https://github.com/kubernetes-sigs/lws/releases/download/v0.8.0/manifests.yaml";
  crds = [ ];
}
