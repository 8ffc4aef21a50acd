# What a platform tells its components, and what they assume outside of one.
{
  platform = null;
  kubernetesVersion = null;
  imagePullSecrets = [ ];
  storageClass = null;
  labels = { };
  domain = null;
  ingress = {
    class = null;
    gateway = null;
    controllerNamespace = null;
    tls = {
      enabled = false;
      issuer = null;
    };
  };
  monitoring = {
    enabled = false;
    labels = { };
    interval = null;
    namespace = "monitoring";
  };
  nodePools = { };
}
