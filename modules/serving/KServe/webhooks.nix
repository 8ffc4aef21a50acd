# Admission webhooks and the certificates that they serve with. Source: kserve/kserve v0.20.0, config/webhook.
{
  k8s,
  namespace,
  selfLabels,
}:
let
  inherit (builtins) map;

  webhook =
    {
      service,
      kind,
      verb,
      version,
      plural,
      reviews,
      server ? "kserve-webhook-server",
      suffix,
      operations,
      extra ? { },
    }:
    {
      name = "${kind}.${server}.${suffix}";
      admissionReviewVersions = reviews;
      clientConfig.service = {
        name = service;
        inherit namespace;
        path = "/${verb}-serving-kserve-io-${version}-${kind}";
      };
      failurePolicy = "Fail";
      sideEffects = "None";
      rules = [
        {
          apiGroups = [ "serving.kserve.io" ];
          apiVersions = [ version ];
          inherit operations;
          resources = [ plural ];
        }
      ];
    }
    // extra;

  upsert = [
    "CREATE"
    "UPDATE"
  ];
  always = upsert ++ [ "DELETE" ];

  configuration =
    {
      kind,
      name,
      certificate,
      webhooks,
      role,
    }:
    k8s.object {
      apiVersion = "admissionregistration.k8s.io/v1";
      inherit
        kind
        name
        role
        webhooks
        ;
      scope = "Cluster";
      labels = selfLabels;
      annotations."cert-manager.io/inject-ca-from" = "${namespace}/${certificate}";
    };

  certificate =
    {
      name,
      service,
      secret,
      role,
    }:
    k8s.object {
      apiVersion = "cert-manager.io/v1";
      kind = "Certificate";
      inherit name role;
      labels = selfLabels;
      spec = {
        commonName = "${service}.${namespace}.svc";
        dnsNames = [ "${service}.${namespace}.svc" ];
        issuerRef = {
          kind = "Issuer";
          name = "selfsigned-issuer";
        };
        secretName = secret;
      };
    };

  # v1alpha1 and v1alpha2 of the LLM kinds, each with a webhook of its own.
  llmWebhook =
    {
      kind,
      version,
      verb ? "validate",
      suffix ? "validator",
      operations ? upsert,
    }:
    webhook {
      service = "llmisvc-webhook-server-service";
      inherit
        kind
        version
        verb
        operations
        ;
      plural = "${kind}s";
      suffix = "${version}.${suffix}";
      reviews = [
        "v1"
        "v1beta1"
      ];
      extra.matchPolicy = "Exact";
    };
  versions = [
    "v1alpha2"
    "v1alpha1"
  ];
  validating =
    {
      kind,
      plural ? "${kind}s",
      version ? "v1alpha1",
      service ? "kserve-webhook-server-service",
      certificate ? "serving-cert",
      operations ? upsert,
      role ? "kserve",
    }:
    configuration {
      kind = "ValidatingWebhookConfiguration";
      name = "${kind}.serving.kserve.io";
      inherit certificate role;
      webhooks = [
        (webhook {
          inherit
            service
            kind
            version
            plural
            operations
            ;
          verb = "validate";
          suffix = "validator";
          reviews = [ "v1beta1" ];
        })
      ];
    };
in
{
  kserve = [
    (certificate {
      name = "serving-cert";
      service = "kserve-webhook-server-service";
      secret = "kserve-webhook-server-cert";
      role = "kserve";
    })
    (configuration {
      kind = "MutatingWebhookConfiguration";
      name = "inferenceservice.serving.kserve.io";
      certificate = "serving-cert";
      role = "kserve";
      webhooks = [
        (webhook {
          service = "kserve-webhook-server-service";
          kind = "inferenceservice";
          verb = "mutate";
          version = "v1beta1";
          plural = "inferenceservices";
          reviews = [ "v1beta1" ];
          suffix = "defaulter";
          operations = upsert;
        })
        {
          name = "inferenceservice.kserve-webhook-server.pod-mutator";
          admissionReviewVersions = [ "v1beta1" ];
          clientConfig.service = {
            name = "kserve-webhook-server-service";
            inherit namespace;
            path = "/mutate-pods";
          };
          failurePolicy = "Fail";
          sideEffects = "None";
          reinvocationPolicy = "IfNeeded";
          namespaceSelector.matchExpressions = [
            {
              key = "control-plane";
              operator = "DoesNotExist";
            }
          ];
          objectSelector.matchExpressions = [
            {
              key = "serving.kserve.io/inferenceservice";
              operator = "Exists";
            }
          ];
          rules = [
            {
              apiGroups = [ "" ];
              apiVersions = [ "v1" ];
              operations = [ "CREATE" ];
              resources = [ "pods" ];
            }
          ];
        }
      ];
    })
    (validating { kind = "clusterservingruntime"; })
    (validating { kind = "inferencegraph"; })
    (validating {
      kind = "inferenceservice";
      version = "v1beta1";
    })
    (validating { kind = "servingruntime"; })
    (validating { kind = "trainedmodel"; })
  ];

  llm = [
    (certificate {
      name = "llmisvc-serving-cert";
      service = "llmisvc-webhook-server-service";
      secret = "llmisvc-webhook-server-cert";
      role = "llmisvc";
    })
    (configuration {
      kind = "MutatingWebhookConfiguration";
      name = "llminferenceservice.serving.kserve.io";
      certificate = "llmisvc-serving-cert";
      role = "llmisvc";
      webhooks =
        map
          (
            version:
            llmWebhook {
              kind = "llminferenceservice";
              inherit version;
              verb = "mutate";
              suffix = "defaulter";
            }
          )
          [
            "v1alpha1"
            "v1alpha2"
          ];
    })
    (configuration {
      kind = "ValidatingWebhookConfiguration";
      name = "llminferenceservice.serving.kserve.io";
      certificate = "llmisvc-serving-cert";
      role = "llmisvc";
      webhooks = map (
        version:
        llmWebhook {
          kind = "llminferenceservice";
          inherit version;
        }
      ) versions;
    })
    (configuration {
      kind = "ValidatingWebhookConfiguration";
      name = "llminferenceserviceconfig.serving.kserve.io";
      certificate = "llmisvc-serving-cert";
      role = "llmisvc";
      webhooks = map (
        version:
        llmWebhook {
          kind = "llminferenceserviceconfig";
          inherit version;
          operations = always;
        }
      ) versions;
    })
  ];

  localModel = [
    (certificate {
      name = "localmodel-serving-cert";
      service = "localmodel-webhook-server-service";
      secret = "localmodel-webhook-server-cert";
      role = "localmodel";
    })
    (validating {
      kind = "localmodelcache";
      service = "localmodel-webhook-server-service";
      certificate = "localmodel-serving-cert";
      operations = always;
      role = "localmodel";
    })
  ];
}
