{
  summary = "the barman-cloud plugin of CloudNativePG, which writes backups to object stores";
  version = "v0.14.0";
  url = "https://github.com/cloudnative-pg/plugin-barman-cloud/releases/download/v0.14.0/manifest.yaml";
  crds = [ "objectstores.barmancloud.cnpg.io" ];
}
