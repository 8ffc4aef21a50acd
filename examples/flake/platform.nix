# The platform itself, apart from the flake so that `mlops-nix render platform.nix` works too.
{ mlops }:
let
  postgres = mlops.mkPostgreSQL {
    namespace = "ml-data";
    databases = [ "mlflow" ];
  };
  mlflow = mlops.mkMLflowTracking {
    namespace = "ml-platform";
    trackingUri = "http://mlflow.ml-platform.svc:5000";
    backend = postgres.endpoints.mlflow;
    # A bucket that exists already; its keys are in the Secret mlflow-s3.
    artifactStore = {
      type = "s3";
      bucket = "acme-mlflow";
      region = "eu-central-1";
      secretRef.name = "mlflow-s3";
    };
    ui.replicas = 2;
    ingress.enabled = true;
  };
in
mlops.mkPlatform {
  name = "acme";
  domain = "ml.example.com";
  components = { inherit postgres mlflow; };
  ingress = {
    class = "nginx";
    controllerNamespace = "ingress-nginx";
    tls = {
      enabled = true;
      issuer = "letsencrypt";
    };
  };
}
