# Certificates that cert-manager makes: for the webhook of pipelines that are resources, and for TLS between programs.
{
  scope,
  plan,
  shape,
}:
let
  inherit (scope) k8s namespace;

  # A certificate that signs itself: its users trust exactly it.
  selfSigned =
    {
      name,
      issuer,
      spec,
    }:
    [
      (k8s.object {
        apiVersion = "cert-manager.io/v1";
        kind = "Issuer";
        name = issuer;
        spec.selfSigned = { };
      })
      (k8s.object {
        apiVersion = "cert-manager.io/v1";
        kind = "Certificate";
        inherit name;
        spec = {
          commonName = name;
          isCA = true;
          issuerRef = {
            kind = "Issuer";
            name = issuer;
          };
          secretName = name;
        }
        // spec;
      })
    ];

  names = service: [
    service
    "${service}.${namespace}"
    "${service}.${namespace}.svc"
    "${service}.${namespace}.svc.cluster.local"
  ];

  webhook =
    kind: path:
    k8s.object {
      apiVersion = "admissionregistration.k8s.io/v1";
      inherit kind;
      name = plan.clusterName "pipelineversions.pipelines.kubeflow.org";
      scope = "Cluster";
      annotations."cert-manager.io/inject-ca-from" = "${namespace}/kfp-api-webhook-cert";
      webhooks = [
        (
          {
            name = "pipelineversions.pipelines.kubeflow.org";
            clientConfig.service = {
              name = "ml-pipeline";
              inherit namespace;
              path = "/webhooks/${path}-pipelineversion";
              port = 8443;
            };
            failurePolicy = "Fail";
            rules = [
              {
                apiGroups = [ "pipelines.kubeflow.org" ];
                apiVersions = [ "v2beta1" ];
                operations = [
                  "CREATE"
                  "UPDATE"
                ];
                resources = [ "pipelineversions" ];
                scope = "Namespaced";
              }
            ];
            sideEffects = "None";
            admissionReviewVersions = [ "v1" ];
          }
          // (
            # Another installation's pipelines are its own affair.
            if plan.multiUser then
              { }
            else
              {
                namespaceSelector.matchLabels."kubernetes.io/metadata.name" = namespace;
              }
          )
        )
      ];
    };
in
(
  if !plan.customResources then
    [ ]
  else
    selfSigned {
      name = "kfp-api-webhook-cert";
      issuer = "kfp-api-webhook-selfsigned-issuer";
      spec.dnsNames = names "ml-pipeline";
    }
    ++ [
      (webhook "MutatingWebhookConfiguration" "mutate")
      (webhook "ValidatingWebhookConfiguration" "validate")
    ]
)
++ (
  if !plan.tls then
    [ ]
  else
    selfSigned {
      name = shape.tls.secret;
      issuer = "kfp-api-tls-selfsigned-issuer";
      spec.dnsNames =
        names "ml-pipeline" ++ names "metadata-grpc-service" ++ names "metadata-envoy-service";
    }
)
