# KServe's controllers: the workload, its Services, identity and rights of each.
{
  k8s,
  config,
  images,
  namespace,
  selfLabels,
  selectorLabels,
  serving,
}:
let

  rbac = import ./rbac.nix;
  webhooks = import ./webhooks.nix { inherit k8s namespace selfLabels; };

  controlLabels = name: {
    control-plane = name;
    "controller-tools.k8s.io" = "1.0";
  };

  health =
    extra:
    {
      failureThreshold = 5;
      initialDelaySeconds = 30;
      timeoutSeconds = 5;
    }
    // extra;

  security = {
    privileged = false;
    runAsNonRoot = true;
  };

  webhookPort = {
    name = "webhook-server";
    containerPort = 9443;
    protocol = "TCP";
  };

  certificate = secretName: {
    cert.secret = {
      defaultMode = 420;
      inherit secretName;
    };
  };
  certificateMount.cert = {
    mountPath = "/tmp/k8s-webhook-server/serving-certs";
    readOnly = true;
  };

  manager =
    {
      image,
      args ? null,
      env ? [ ],
      ports ? [ ],
      mounts ? certificateMount,
      resources,
      probed ? true,
      livenessPeriod ? null,
      security ? { },
    }:
    {
      name = "manager";
      inherit
        image
        mounts
        resources
        ;
      ports =
        ports
        ++ (
          if probed then
            [
              {
                name = "health";
                containerPort = 8081;
                protocol = "TCP";
              }
            ]
          else
            [ ]
        );
      pullPolicy = "Always";
      command = [ "/manager" ];
      env = [ { POD_NAMESPACE = k8s.field "metadata.namespace"; } ] ++ env;
      security = managerSecurity // security;
    }
    // (if args == null then { } else { inherit args; })
    // (
      if !probed then
        { }
      else
        {
          liveness = k8s.httpProbe (
            {
              path = "/healthz";
              port = 8081;
            }
            // health (if livenessPeriod == null then { } else { periodSeconds = livenessPeriod; })
          );
          readiness = k8s.httpProbe (
            {
              path = "/readyz";
              port = 8081;
            }
            // health { periodSeconds = 5; }
          );
        }
    );
  managerSecurity = security;

  workload =
    {
      name,
      role,
      grace ? 10,
      podAnnotations ? { },
      pod ? { },
      ...
    }@args:
    removeAttrs args [
      "grace"
      "pod"
    ]
    // {
      labels = controlLabels name // selfLabels;
      selector = selectorLabels // controlLabels name;
      podLabels = selfLabels;
      podAnnotations = {
        "kubectl.kubernetes.io/default-container" = "manager";
      }
      // podAnnotations;
      serviceAccount = name;
      # Controllers talk to the API server.
      apiAccess = true;
      pod = {
        terminationGracePeriodSeconds = grace;
      }
      // pod;
    };

  account =
    role: name:
    k8s.serviceAccount {
      inherit name role;
      apiAccess = true;
      labels = selfLabels;
    };

  clusterRights = role: name: serviceAccount: rules: binding: [
    (k8s.clusterRole {
      inherit name role rules;
      labels = selfLabels;
    })
    (k8s.clusterRoleBinding {
      name = binding;
      roleName = name;
      inherit role serviceAccount;
      labels = selfLabels;
    })
  ];

  rights = role: name: serviceAccount: rules: [
    (k8s.role {
      inherit name role rules;
      labels = selfLabels;
    })
    (k8s.roleBinding {
      name = "${name}binding";
      roleName = name;
      inherit role serviceAccount;
      labels = selfLabels;
    })
  ];

  webhookService =
    role: name: control: port:
    k8s.service {
      inherit name role;
      labels = selfLabels;
      selector = selectorLabels // {
        control-plane = control;
      };
      ports = [
        (
          {
            port = 443;
            targetPort = "webhook-server";
          }
          // port
        )
      ];
    };

  controller = "kserve-controller-manager";
  llm = "llmisvc-controller-manager";
  local = "kserve-localmodel-controller-manager";
  node = "kserve-localmodelnode-agent";
in
{
  pods = [
    { control-plane = controller; }
  ]
  ++ (if config.llmisvc.enabled then [ { control-plane = llm; } ] else [ ])
  ++ (
    if config.localModel.enabled then
      [
        { control-plane = local; }
        { control-plane = node; }
      ]
    else
      [ ]
  );

  kserve = [
    (account "kserve" controller)
  ]
  ++ rights "kserve" "kserve-leader-election-role" controller rbac.leaderElection
  ++ clusterRights "kserve" "kserve-manager-role" controller rbac.manager "kserve-manager-rolebinding"
  ++ clusterRights "kserve" "kserve-proxy-role" controller rbac.proxy "kserve-proxy-rolebinding"
  ++ [
    (k8s.service {
      name = "${controller}-metrics-service";
      role = "kserve";
      labels = controlLabels controller // selfLabels;
      selector = selectorLabels // controlLabels controller;
      annotations = {
        "prometheus.io/port" = "8443";
        "prometheus.io/scheme" = "https";
        "prometheus.io/scrape" = "true";
      };
      ports = [
        {
          name = "https";
          port = 8443;
          targetPort = "https";
        }
      ];
    })
    (k8s.service {
      name = "${controller}-service";
      role = "kserve";
      labels = controlLabels controller // selfLabels;
      selector = selectorLabels // controlLabels controller;
      ports = [
        {
          port = 8443;
          protocol = "TCP";
          targetPort = "https";
        }
      ];
    })
    (webhookService "kserve" "kserve-webhook-server-service" controller { })
    (k8s.deployment (workload {
      name = controller;
      role = "kserve";
      replicas = config.controller.replicas;
      ignore.missing-readiness-probe = "kube-rbac-proxy has no port for its health, and without it only metrics are missing";
      podAnnotations = if config.kubeflow then { "sidecar.istio.io/inject" = "false"; } else { };
      containers = [
        (manager {
          image = images.controller;
          args = [
            "--metrics-addr=127.0.0.1:8080"
            "--leader-elect"
          ];
          env = [
            { SECRET_NAME = "kserve-webhook-server-cert"; }
          ]
          ++ (
            if serving.knativeNamespace == "knative-serving" then
              [ ]
            else
              [ { KNATIVE_CONFIG_AUTOSCALER_NAMESPACE = serving.knativeNamespace; } ]
          );
          ports = [ webhookPort ];
          inherit (config.controller) resources;
        })
        {
          name = "kube-rbac-proxy";
          image = images.proxy;
          args = [
            "--secure-listen-address=0.0.0.0:8443"
            "--upstream=http://127.0.0.1:8080/"
            "--logtostderr=true"
            "--v=10"
          ];
          ports.https = 8443;
          inherit security;
          inherit (config.proxy) resources;
        }
      ];
      volumes = certificate "kserve-webhook-server-cert";
    }))
    (k8s.object {
      apiVersion = "cert-manager.io/v1";
      kind = "Issuer";
      name = "selfsigned-issuer";
      labels = selfLabels;
      spec.selfSigned = { };
    })
  ]
  ++ k8s.podDisruptionBudget {
    name = controller;
    role = "kserve";
    inherit (config.controller) replicas;
    selector = selectorLabels // controlLabels controller;
  }
  ++ (
    if config.monitoring.enabled then
      k8s.serviceMonitor {
        name = controller;
        port = "https";
        role = "kserve";
        selector = controlLabels controller;
        # kube-rbac-proxy serves with a certificate that it signed itself, to whoever may get /metrics.
        endpoint = {
          scheme = "https";
          bearerTokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token";
          tlsConfig.insecureSkipVerify = true;
        };
      }
    else
      [ ]
  )
  ++ webhooks.kserve;

  llm =
    if !config.llmisvc.enabled then
      [ ]
    else
      [
        (account "llmisvc" llm)
      ]
      ++ rights "llmisvc" "llmisvc-leader-election-role" llm rbac.llmLeaderElection
      ++ clusterRights "llmisvc" "kserve-llmisvc-manager-role" llm rbac.llm "llmisvc-manager-rolebinding"
      ++ [
        (k8s.service {
          name = "${llm}-service";
          role = "llmisvc";
          labels = controlLabels llm // selfLabels;
          selector = selectorLabels // controlLabels llm;
          ports = [
            {
              name = "https";
              port = 8443;
              protocol = "TCP";
              targetPort = "metrics";
            }
          ];
        })
        (webhookService "llmisvc" "llmisvc-webhook-server-service" llm { name = "https"; })
        (k8s.deployment (workload {
          name = llm;
          role = "llmisvc";
          grace = 30;
          extended = false;
          containers = [
            (manager {
              image = images.llmisvc;
              args = [
                "--metrics-addr=127.0.0.1:8443"
                "--leader-elect"
              ];
              ports = [
                webhookPort
                {
                  name = "metrics";
                  containerPort = 8443;
                  protocol = "TCP";
                }
              ];
              livenessPeriod = 10;
              inherit (config.llmisvc) resources;
              security = {
                runAsUser = 1000;
                seccompProfile.type = "RuntimeDefault";
              };
            })
          ];
          volumes = certificate "llmisvc-webhook-server-cert";
        }))
      ]
      ++ webhooks.llm;

  localModel =
    if !config.localModel.enabled then
      [ ]
    else
      [
        (account "localmodel" local)
        (account "localmodel" node)
      ]
      ++
        clusterRights "localmodel" "kserve-localmodel-manager-role" local rbac.localModel
          "kserve-localmodel-manager-rolebinding"
      ++
        clusterRights "localmodel" "kserve-localmodelnode-agent-role" node rbac.localModelNode
          "kserve-localmodelnode-agent-rolebinding"
      ++ [
        (webhookService "localmodel" "localmodel-webhook-server-service" local { })
        (k8s.deployment (workload {
          name = local;
          role = "localmodel";
          extended = false;
          containers = [
            (manager {
              image = images.localModel;
              ports = [ webhookPort ];
              inherit (config.localModel) resources;
            })
          ];
          volumes = certificate "localmodel-webhook-server-cert";
        }))
        (k8s.daemonSet (workload {
          name = node;
          role = "localmodel";
          extended = false;
          placed = false;
          ignore = {
            "host-path" = "models are kept in a folder of the node, that is what the agent is for";
          };
          containers = [
            (manager {
              image = images.localModelNode;
              env = [ { NODE_NAME = k8s.field "spec.nodeName"; } ];
              mounts.models = {
                mountPath = "/mnt/models";
                readOnly = false;
              };
              probed = false;
              inherit (config.localModel) resources;
            })
          ];
          volumes.models.hostPath = {
            path = config.localModel.hostPath;
            type = "DirectoryOrCreate";
          };
          pod.nodeSelector = config.localModel.nodeSelector;
        }))
      ]
      ++ webhooks.localModel;
}
