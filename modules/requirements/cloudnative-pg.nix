{
  summary = "CloudNativePG, the operator of PostgreSQL clusters";
  version = "v1.30.0";
  url = "https://github.com/cloudnative-pg/cloudnative-pg/releases/download/v1.30.0/cnpg-1.30.0.yaml";
  crds = [
    "clusters.postgresql.cnpg.io"
    "databases.postgresql.cnpg.io"
    "poolers.postgresql.cnpg.io"
    "scheduledbackups.postgresql.cnpg.io"
  ];
}
