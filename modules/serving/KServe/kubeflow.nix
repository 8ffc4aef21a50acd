# Roles of Kubeflow's profiles for the objects of KServe.
{ k8s, selfLabels }:
let
  inherit (import ./rbac.nix) kubeflow;
  aggregate = to: { "rbac.authorization.kubeflow.org/aggregate-to-${to}" = "true"; };
  role =
    name: labels: rules:
    k8s.clusterRole {
      inherit name rules;
      labels = selfLabels // labels;
    };
in
[
  (
    role "kubeflow-kserve-admin" (aggregate "kubeflow-admin") [ ]
    // {
      aggregationRule.clusterRoleSelectors = [ { matchLabels = aggregate "kubeflow-kserve-admin"; } ];
    }
  )
  (role "kubeflow-kserve-edit" (
    aggregate "kubeflow-edit" // aggregate "kubeflow-kserve-admin"
  ) kubeflow.edit)
  (role "kubeflow-kserve-view" (aggregate "kubeflow-view") kubeflow.view)
]
