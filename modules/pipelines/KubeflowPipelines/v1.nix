# What only pipelines of version 1 use: the step cache with its webhook, visualizations, TensorBoard viewers.
{
  scope,
  plan,
  shape,
}:
let
  inherit (scope)
    config
    k8s
    images
    namespace
    ;
  inherit (shape) install rights rule;

  evictable."cluster-autoscaler.kubernetes.io/safe-to-evict" = "true";

  cacheRules = [
    (rule "" [ "pods" ] rights.edit)
    (rule "" [ "configmaps" ] [ "get" ])
    (rule "argoproj.io" [ "workflows" ] rights.edit)
  ];
  viewerRules = [
    (rule "*" [ "deployments" "services" ] rights.manage)
    (rule "kubeflow.org" [ "viewers" "viewers/finalizers" ] rights.manage)
  ];

  cacheServer =
    shape.identity {
      account = "kubeflow-pipelines-cache";
      role = "kubeflow-pipelines-cache-role";
      binding = "kubeflow-pipelines-cache-binding";
      rules = cacheRules;
      clusterRules = cacheRules;
    }
    ++ [
      (k8s.service {
        name = "cache-server";
        role = "ml-pipeline";
        selector = shape.named "cache-server";
        ports = [
          {
            port = 443;
            targetPort = "webhook-api";
          }
        ];
      })
      (shape.deployment {
        name = "cache-server";
        apiAccess = true;
        serviceAccount = "kubeflow-pipelines-cache";
        containers = [
          {
            name = "server";
            image = images.cache-server;
            args = [
              "--db_driver=$(DBCONFIG_DRIVER)"
              "--db_host=$(DBCONFIG_HOST_NAME)"
              "--db_port=$(DBCONFIG_PORT)"
              "--db_name=$(DBCONFIG_DB_NAME)"
              "--db_user=$(DBCONFIG_USER)"
              "--db_password=$(DBCONFIG_PASSWORD)"
              "--namespace_to_watch=$(NAMESPACE_TO_WATCH)"
              "--listen_port=$(WEBHOOK_PORT)"
            ]
            ++ (
              if plan.certManagedCache then
                [
                  "--tls_cert_filename=tls.crt"
                  "--tls_key_filename=tls.key"
                ]
              else
                [ ]
            );
            env = {
              DEFAULT_CACHE_STALENESS = install "DEFAULT_CACHE_STALENESS";
              MAXIMUM_CACHE_STALENESS = install "MAXIMUM_CACHE_STALENESS";
              CACHE_IMAGE = install "cacheImage";
              CACHE_NODE_RESTRICTIONS = install "cacheNodeRestrictions";
              DBCONFIG_DRIVER = "mysql";
              DBCONFIG_DB_NAME = install "cacheDb";
              DBCONFIG_HOST_NAME = install "mysqlHost";
              DBCONFIG_PORT = install "mysqlPort";
              DBCONFIG_USER = shape.database.user;
              DBCONFIG_PASSWORD = shape.database.password;
              NAMESPACE_TO_WATCH = shape.watched;
              WEBHOOK_PORT = "8443";
            };
            ports.webhook-api = 8443;
            readiness = k8s.tcpProbe { port = "webhook-api"; };
            resources = shape.small;
            mounts = {
              webhook-tls-certs = {
                mountPath = "/etc/webhook/certs";
                readOnly = true;
              };
              tmp = "/tmp";
            };
          }
        ];
        volumes = {
          tmp = { };
          webhook-tls-certs.secret.secretName = "webhook-server-tls";
        };
      })
    ];

  certificate = [
    (k8s.object {
      apiVersion = "cert-manager.io/v1";
      kind = "Issuer";
      name = "kfp-cache-selfsigned-issuer";
      spec.selfSigned = { };
    })
    (k8s.object {
      apiVersion = "cert-manager.io/v1";
      kind = "Certificate";
      name = "kfp-cache-cert";
      spec = {
        commonName = "kfp-cache-cert";
        isCA = true;
        dnsNames = [
          "cache-server"
          "cache-server.${namespace}"
          "cache-server.${namespace}.svc"
        ];
        issuerRef = {
          kind = "Issuer";
          name = "kfp-cache-selfsigned-issuer";
        };
        secretName = "webhook-server-tls";
      };
    })
    (k8s.object {
      apiVersion = "admissionregistration.k8s.io/v1";
      kind = "MutatingWebhookConfiguration";
      name = "cache-webhook-${namespace}";
      scope = "Cluster";
      annotations."cert-manager.io/inject-ca-from" = "${namespace}/kfp-cache-cert";
      webhooks = [
        {
          name = "cache-server.${namespace}.svc";
          clientConfig.service = {
            name = "cache-server";
            inherit namespace;
            path = "/mutate";
          };
          failurePolicy = "Ignore";
          rules = [
            {
              apiGroups = [ "" ];
              apiVersions = [ "v1" ];
              operations = [ "CREATE" ];
              resources = [ "pods" ];
            }
          ];
          objectSelector.matchLabels."pipelines.kubeflow.org/cache_enabled" = "true";
          sideEffects = "None";
          timeoutSeconds = 5;
          admissionReviewVersions = [ "v1beta1" ];
        }
      ];
    })
  ];

  deployerAccount = "kubeflow-pipelines-cache-deployer-sa";
  deployerRole = plan.clusterName "kubeflow-pipelines-cache-deployer-clusterrole";
  deployer =
    shape.identity {
      account = deployerAccount;
      role = "kubeflow-pipelines-cache-deployer-role";
      binding = "kubeflow-pipelines-cache-deployer-rolebinding";
      rules = [ (rule "" [ "secrets" ] [ "create" "delete" "get" "patch" "list" ]) ];
    }
    ++ [
      (k8s.clusterRole {
        name = deployerRole;
        rules = [
          (rule "certificates.k8s.io"
            [
              "certificatesigningrequests"
              "certificatesigningrequests/approval"
            ]
            [ "create" "delete" "get" "update" ]
          )
          (rule "admissionregistration.k8s.io"
            [ "mutatingwebhookconfigurations" ]
            [
              "create"
              "delete"
              "get"
              "list"
              "patch"
            ]
          )
          (
            rule "certificates.k8s.io" [ "signers" ] [ "approve" ]
            // {
              resourceNames = [ "kubernetes.io/*" ];
            }
          )
        ];
      })
      (k8s.clusterRoleBinding {
        name = plan.clusterName "kubeflow-pipelines-cache-deployer-clusterrolebinding";
        roleName = deployerRole;
        subjects = [ { name = deployerAccount; } ];
      })
      (shape.deployment {
        name = "cache-deployer-deployment";
        app.app = "cache-deployer";
        apiAccess = true;
        serviceAccount = deployerAccount;
        strategy = "Recreate";
        ignore.writable-root-filesystem = "downloads kubectl and writes certificates into its working directory";
        containers = [
          {
            name = "main";
            image = images.cache-deployer;
            env.NAMESPACE_TO_WATCH = k8s.field "metadata.namespace";
            security.readOnlyRootFilesystem = false;
            resources = shape.small;
          }
        ];
        volumes = { };
      })
    ];

  viewers =
    shape.identity {
      account = "ml-pipeline-viewer-crd-service-account";
      role = "ml-pipeline-viewer-controller-role";
      binding = "ml-pipeline-viewer-crd-binding";
      rules = viewerRules;
      clusterRules = viewerRules;
    }
    ++ [
      (k8s.serviceAccount { name = "kubeflow-pipelines-viewer"; })
      (shape.deployment {
        name = "ml-pipeline-viewer-crd";
        apiAccess = true;
        serviceAccount = "ml-pipeline-viewer-crd-service-account";
        podAnnotations = evictable;
        containers = [
          {
            name = "ml-pipeline-viewer-crd";
            image = images.viewer;
            env = {
              MAX_NUM_VIEWERS = "50";
              NAMESPACE = shape.watched;
            };
            resources = shape.small;
            mounts.tmp = "/tmp";
          }
        ];
      })
    ];

  visualizations = [
    (k8s.serviceAccount { name = "ml-pipeline-visualizationserver"; })
    (k8s.service {
      name = "ml-pipeline-visualizationserver";
      role = "ml-pipeline";
      selector = shape.named "ml-pipeline-visualizationserver";
      ports = [
        {
          name = "http";
          port = 8888;
          protocol = "TCP";
          targetPort = 8888;
        }
      ];
    })
    (shape.deployment {
      name = "ml-pipeline-visualizationserver";
      serviceAccount = "ml-pipeline-visualizationserver";
      podAnnotations = evictable;
      ignore.writable-root-filesystem = "runs notebooks, whose kernels write into the home directory";
      containers = [
        {
          name = "ml-pipeline-visualizationserver";
          image = images.visualization;
          ports.http = 8888;
          security.readOnlyRootFilesystem = false;
          liveness = k8s.httpProbe probe;
          readiness = k8s.httpProbe probe;
          resources = {
            requests = {
              cpu = "30m";
              memory = "500Mi";
            };
            limits.memory = "1Gi";
          };
        }
      ];
      volumes = { };
    })
  ];
  probe = {
    path = "/";
    port = "http";
    initialDelaySeconds = 3;
    periodSeconds = 5;
    timeoutSeconds = 2;
  };
in
(if plan.v1 then viewers ++ visualizations else [ ])
++ (
  if plan.cache then cacheServer ++ (if plan.certManagedCache then certificate else deployer) else [ ]
)
