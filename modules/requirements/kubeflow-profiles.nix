{
  summary = "Kubeflow's profiles: a namespace for each user, with the gateway and the sign-in before it";
  crds = [ "profiles.kubeflow.org" ];
}
