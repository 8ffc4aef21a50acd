{
  summary = "KEDA, which scales workloads by events and down to zero";
  version = "v2.20.2";
  url = "https://github.com/kedacore/keda/releases/download/v2.20.2/keda-2.20.2.yaml";
  crds = [
    "clustertriggerauthentications.keda.sh"
    "scaledobjects.keda.sh"
    "triggerauthentications.keda.sh"
  ];
}
