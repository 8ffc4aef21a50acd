{
  summary = "cert-manager, which makes certificates and puts CA bundles into webhooks";
  version = "v1.21.1";
  url = "https://github.com/cert-manager/cert-manager/releases/download/v1.21.1/cert-manager.yaml";
  crds = [
    "certificaterequests.cert-manager.io"
    "certificates.cert-manager.io"
    "clusterissuers.cert-manager.io"
    "issuers.cert-manager.io"
  ];
}
