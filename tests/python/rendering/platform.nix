# A hand-made set document, small enough to read: what the library gives, without the library.
{
  crdUrl ? "https://example.invalid/widgets.yaml",
  crdSha256 ? "0000000000000000000000000000000000000000000000000000000000000000",
  crds ? false,
  replicas ? 2,
}:
let
  inherit (builtins) toJSON;
  entry = wave: component: file: object: {
    inherit
      wave
      component
      file
      object
      ;
    yaml = toJSON object + "\n";
  };
in
{
  set = {
    format = "mlops-nix/set/v1";
    name = "acme";
    kubernetesVersion = "1.36";
    components = [
      {
        name = "mlflow";
        module = "mlflow";
        builder = "mkMLflowTracking";
        version = "3.17.2";
        namespace = "ml-platform";
        summary = "Experiment tracking and model registry";
        requires = [ "widgets.example.com" ];
        objects = 2;
        kind = "component";
      }
      {
        name = "postgres";
        module = "postgresql";
        builder = "mkPostgreSQL";
        version = "18.1";
        namespace = "ml-platform";
        summary = "Relational database";
        requires = [ ];
        objects = 1;
        kind = "store";
      }
    ];
    waves = [
      {
        name = "namespaces";
        number = 0;
      }
      {
        name = "config";
        number = 20;
      }
      {
        name = "stage-1";
        number = 55;
      }
    ];
    entries = [
      (entry 0 null "00-namespaces/namespace-ml-platform.yaml" {
        apiVersion = "v1";
        kind = "Namespace";
        metadata.name = "ml-platform";
      })
      (entry 20 "mlflow" "20-config/mlflow/configmap-mlflow.yaml" {
        apiVersion = "v1";
        kind = "ConfigMap";
        metadata = {
          name = "mlflow";
          namespace = "ml-platform";
        };
        data.greeting = "hello";
      })
      (entry 20 "postgres" "20-config/postgres/service-postgres.yaml" {
        apiVersion = "v1";
        kind = "Service";
        metadata = {
          name = "postgres";
          namespace = "ml-platform";
        };
        spec.ports = [ { port = 5432; } ];
      })
      (entry 55 "mlflow" "55-stage-1/mlflow/deployment-mlflow.yaml" {
        apiVersion = "apps/v1";
        kind = "Deployment";
        metadata = {
          name = "mlflow";
          namespace = "ml-platform";
        };
        spec = {
          inherit replicas;
          selector.matchLabels.app = "mlflow";
          template = {
            metadata.labels.app = "mlflow";
            spec.containers = [
              {
                name = "mlflow";
                image = "ghcr.io/mlflow/mlflow:v3.17.2-full";
              }
            ];
          };
        };
      })
    ];
    crds =
      if crds then
        [
          {
            name = "widgets.example.com";
            file = "10-crds/widgets.yaml";
            url = crdUrl;
            sha256 = crdSha256;
            bytes = null;
            names = [ "widgets.example.com" ];
            requiredBy = [ "mlflow" ];
          }
        ]
      else
        [ ];
    external = [
      {
        name = "cert-manager";
        summary = "Issues certificates";
        version = "v1.21.1";
        url = "https://github.com/cert-manager/cert-manager/releases/download/v1.21.1/cert-manager.yaml";
        requiredBy = [ "mlflow" ];
        crds = [ "certificates.cert-manager.io" ];
      }
    ];
    images = [
      {
        image = "ghcr.io/mlflow/mlflow:v3.17.2-full";
        components = [ "mlflow" ];
      }
      {
        image = "postgres:18.1";
        components = [ "postgres" ];
      }
    ];
    secrets = [
      {
        namespace = "ml-platform";
        name = "mlflow-db";
        type = "Opaque";
        component = "mlflow";
        purpose = "the database of the tracking server";
        keys = [
          {
            key = "username";
            purpose = "its user";
            generate = null;
            value = "mlflow";
            copyOf = null;
          }
          {
            key = "password";
            purpose = "the password of that user";
            generate.length = 32;
            value = null;
            copyOf = null;
          }
          {
            key = "ca.crt";
            purpose = "the authority that signed its certificate";
            generate = null;
            value = null;
            copyOf = null;
          }
        ];
        annotations = { };
      }
    ];
    endpoints = [
      {
        component = "mlflow";
        name = "http";
        url = "http://mlflow.ml-platform.svc:5000";
        namespace = "ml-platform";
        service = "mlflow";
        port = 5000;
      }
    ];
    warnings = [
      {
        component = "mlflow";
        text = "two replicas of the server share no upload sessions; a client that uploads a large artifact in parts must come back to the same one";
      }
    ];
    graph = {
      nodes = [
        {
          id = "mlflow";
          label = "mlflow";
          module = "mlflow";
          namespace = "ml-platform";
          kind = "component";
        }
        {
          id = "postgres";
          label = "postgres";
          module = "postgresql";
          namespace = "ml-platform";
          kind = "store";
        }
        {
          id = "cert-manager";
          label = "cert-manager";
          module = null;
          namespace = null;
          kind = "external";
        }
      ];
      edges = [
        {
          from = "mlflow";
          to = "postgres";
          label = "5432";
          kind = "flow";
        }
        {
          from = "mlflow";
          to = "cert-manager";
          label = null;
          kind = "requires";
        }
      ];
    };
  };
}
