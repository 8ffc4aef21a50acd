# A claim may stay pending until a pod mounts it: it is in the wave of the first pod that does.
{ mlops }:
let
  inherit (builtins) filter head;
  claim = {
    apiVersion = "v1";
    kind = "PersistentVolumeClaim";
    metadata = {
      name = "mine";
      namespace = "data";
    };
    spec = {
      accessModes = [ "ReadWriteOnce" ];
      resources.requests.storage = "1Gi";
    };
  };
  mounted.extraVolumes = [
    {
      name = "mine";
      mountPath = "/mine";
      volume.persistentVolumeClaim.claimName = "mine";
    }
  ];
  store = mlops.mkObjectStore (
    {
      namespace = "data";
      buckets = [ "mlflow" ];
    }
    // mounted
  );
  mlflow = mlops.mkMLflowTracking {
    namespace = "ml";
    trackingUri = "http://mlflow.ml.svc:5000";
    artifactStore = store.buckets.mlflow;
  };
  platform = mlops.mkPlatform {
    name = "acme";
    components = { inherit store mlflow; };
    extraObjects = [ claim ];
  };
  waveOf =
    kind: name:
    (head (
      filter (
        entry: entry.object.kind == kind && entry.object.metadata.name == name
      ) platform.set.entries
    )).wave;
in
{
  testOwnClaimComesWithTheFirstPodThatMountsIt = {
    expr = waveOf "PersistentVolumeClaim" "mine" == waveOf "Deployment" "store";
    expected = true;
  };
  testComponentsClaimComesWithItsPod = {
    expr = waveOf "PersistentVolumeClaim" "mlflow-data" == waveOf "Deployment" "mlflow";
    expected = true;
  };
  testTheTwoAreInDifferentWaves = {
    expr = waveOf "Deployment" "store" < waveOf "Deployment" "mlflow";
    expected = true;
  };
}
