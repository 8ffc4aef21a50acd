{
  summary = "Argo's workflow controller of the 4.0 line, watching the namespaces of those who need it";
  version = "v4.0.10";
  url = "https://github.com/argoproj/argo-workflows/releases/download/v4.0.10/install.yaml";
  crds = [
    "clusterworkflowtemplates.argoproj.io"
    "cronworkflows.argoproj.io"
    "workflowartifactgctasks.argoproj.io"
    "workfloweventbindings.argoproj.io"
    "workflows.argoproj.io"
    "workflowtaskresults.argoproj.io"
    "workflowtasksets.argoproj.io"
    "workflowtemplates.argoproj.io"
  ];
}
