# From experiment to endpoint: MLflow and Kubeflow Pipelines on one object store, and a model of the store served
# by KServe. Components are wired by plain values; credentials, network flows and start order follow.
{
  mlops ? import ../../lib { },
}:
let
  postgres = mlops.mkPostgreSQL {
    namespace = "ml-data";
    databases = [ "mlflow" ];
    backup.enabled = true;
  };

  store = mlops.mkObjectStore {
    namespace = "ml-data";
    buckets = [
      "mlflow"
      "pipelines"
      "models"
    ];
    size = "200Gi";
  };

  mlflow = mlops.mkMLflowTracking {
    namespace = "ml-platform";
    trackingUri = "http://mlflow.ml-platform.svc:5000";
    backend = postgres.endpoints.mlflow;
    artifactStore = store.buckets.mlflow;
    ui.replicas = 2;
  };

  pipelines = mlops.mkKubeflowPipelines {
    name = "pipelines";
    storage = store.buckets.pipelines;
  };

  churn = mlops.mkKServeInference {
    name = "churn";
    namespace = "ml-prod";
    deploymentMode = "Standard";
    predictor.model = {
      format = "sklearn";
      storageUri = "s3://models/churn/3";
    };
    storage = store.buckets.models;
    minReplicas = 1;
    maxReplicas = 4;
  };
in
mlops.mkPlatform {
  name = "starter";
  components = {
    inherit
      postgres
      store
      mlflow
      pipelines
      churn
      ;
  };
  external = [
    "cert-manager"
    "prometheus-operator"
  ];
  monitoring = {
    enabled = true;
    labels.release = "kube-prometheus-stack";
  };
}
