# MLflow on PostgreSQL, with its artifacts in an object store: the smallest platform that a team can work with.
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
    buckets = [ "mlflow" ];
    size = "100Gi";
  };
  mlflow = mlops.mkMLflowTracking {
    namespace = "ml-platform";
    trackingUri = "http://mlflow.ml-platform.svc:5000";
    backend = postgres.endpoints.mlflow;
    artifactStore = store.buckets.mlflow;
    ui.replicas = 2;
  };
in
mlops.mkPlatform {
  name = "tracking";
  components = { inherit postgres store mlflow; };
}
