# Identities of the pods that are steps of runs.
{
  scope,
  plan,
  shape,
}:
let
  inherit (scope) config k8s;
  inherit (shape) rule;
  any = [ "*" ];
in
shape.identity {
  account = "pipeline-runner";
  role = "pipeline-runner";
  binding = "pipeline-runner-binding";
  # Drivers and launchers read configuration and Secrets, and steps may create what pipelines consist of.
  apiAccess = true;
  ignore = "wildcard-rule=upstream's rights of steps, which create what pipelines consist of";
  inherit (config.serviceAccount) annotations;
  rules = [
    (rule "" [ "secrets" ] [ "get" ])
    (rule "" [ "configmaps" ] [ "get" "watch" "list" ])
    (rule "" [ "persistentvolumes" "persistentvolumeclaims" ] any)
    (rule "snapshot.storage.k8s.io" [ "volumesnapshots" ] [ "create" "delete" "get" ])
    (rule "argoproj.io" [ "workflows" ] shape.rights.edit)
    (rule "" [ "pods" "pods/exec" "pods/log" "services" ] any)
    (rule [ "" "apps" "extensions" ] [ "deployments" "replicasets" ] any)
    (rule "kubeflow.org" any any)
    (rule "batch" [ "jobs" ] any)
    (rule "machinelearning.seldon.io" [ "seldondeployments" ] any)
    (rule "argoproj.io" [ "workflowtaskresults" ] [ "create" "patch" ])
    (rule "mlflow.kubeflow.org" [ "experiments" ] [ "get" "list" "create" "update" ])
  ];
}
# The SDK of v1 pipelines built images with it.
++ (
  if plan.v1 then [ (k8s.serviceAccount { name = "kubeflow-pipelines-container-builder"; }) ] else [ ]
)
