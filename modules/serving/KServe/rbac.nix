# Rights of KServe's controllers. Source: kserve/kserve v0.20.0, config/rbac.
let
  rule = apiGroups: resources: verbs: { inherit apiGroups resources verbs; };
  own = [
    "create"
    "delete"
    "get"
    "list"
    "patch"
    "update"
    "watch"
  ];
  read = [
    "get"
    "list"
    "watch"
  ];
  status = [
    "get"
    "patch"
    "update"
  ];
  kserve = [ "serving.kserve.io" ];
  leases = [ "coordination.k8s.io" ];
in
{
  leaderElection = [
    (rule leases
      [ "leases" ]
      [
        "create"
        "get"
        "list"
        "update"
      ]
    )
    (rule [ "" ]
      [ "configmaps" ]
      [
        "get"
        "list"
        "watch"
        "create"
        "update"
        "patch"
        "delete"
      ]
    )
    (rule [ "" ]
      [ "configmaps/status" ]
      [
        "get"
        "update"
        "patch"
      ]
    )
    (rule [ "" ] [ "events" ] [ "create" ])
  ];

  llmLeaderElection = [
    (rule leases
      [ "leases" ]
      [
        "create"
        "get"
        "list"
        "update"
      ]
    )
  ];

  manager = [
    (rule [ "" ]
      [ "configmaps" ]
      [
        "create"
        "get"
        "update"
      ]
    )
    (rule
      [ "" ]
      [
        "events"
        "services"
      ]
      own
    )
    (rule
      [ "" ]
      [
        "namespaces"
        "pods"
      ]
      read
    )
    (rule [ "" ]
      [
        "secrets"
        "serviceaccounts"
      ]
      [ "get" ]
    )
    (rule
      [ "admissionregistration.k8s.io" ]
      [
        "mutatingwebhookconfigurations"
        "validatingwebhookconfigurations"
      ]
      own
    )
    (rule [ "apps" ] [ "deployments" ] own)
    (rule [ "autoscaling" ] [ "horizontalpodautoscalers" ] own)
    (rule [ "gateway.networking.k8s.io" ] [ "httproutes" ] own)
    (rule
      [ "keda.sh" ]
      [
        "scaledobjects"
        "scaledobjects/finalizers"
      ]
      own
    )
    (rule [ "keda.sh" ] [ "scaledobjects/status" ] status)
    (rule
      [ "networking.istio.io" ]
      [
        "virtualservices"
        "virtualservices/finalizers"
      ]
      own
    )
    (rule [ "networking.istio.io" ] [ "virtualservices/status" ] status)
    (rule [ "networking.k8s.io" ] [ "ingresses" ] own)
    (rule
      [ "opentelemetry.io" ]
      [
        "opentelemetrycollectors"
        "opentelemetrycollectors/finalizers"
      ]
      own
    )
    (rule [ "opentelemetry.io" ] [ "opentelemetrycollectors/status" ] status)
    (rule
      [ "serving.knative.dev" ]
      [
        "services"
        "services/finalizers"
      ]
      own
    )
    (rule [ "serving.knative.dev" ] [ "services/status" ] status)
    (rule kserve [
      "clusterservingruntimes"
      "clusterservingruntimes/finalizers"
      "clusterstoragecontainers"
      "inferencegraphs"
      "inferencegraphs/finalizers"
      "inferenceservices"
      "inferenceservices/finalizers"
      "servingruntimes"
      "servingruntimes/finalizers"
      "trainedmodels"
    ] own)
    (rule kserve [
      "clusterservingruntimes/status"
      "inferencegraphs/status"
      "inferenceservices/status"
      "servingruntimes/status"
      "trainedmodels/status"
    ] status)
    (rule kserve [
      "localmodelcaches"
      "localmodelnamespacecaches"
    ] read)
  ];

  proxy = [
    (rule [ "authentication.k8s.io" ] [ "tokenreviews" ] [ "create" ])
    (rule [ "authorization.k8s.io" ] [ "subjectaccessreviews" ] [ "create" ])
  ];

  llm =
    let
      crds = [
        "llminferenceserviceconfigs.serving.kserve.io"
        "llminferenceservices.serving.kserve.io"
      ];
    in
    [
      {
        nonResourceURLs = [ "/metrics" ];
        verbs = [ "get" ];
      }
      (rule
        [ "" ]
        [
          "configmaps"
          "pods"
        ]
        read
      )
      (rule [ "" ]
        [ "events" ]
        [
          "create"
          "patch"
          "update"
        ]
      )
      (rule
        [ "" ]
        [
          "secrets"
          "serviceaccounts"
          "services"
        ]
        own
      )
      (rule [ "apiextensions.k8s.io" ] [ "customresourcedefinitions" ] read // { resourceNames = crds; })
      (
        rule [ "apiextensions.k8s.io" ]
          [ "customresourcedefinitions/status" ]
          [
            "patch"
            "update"
          ]
        // {
          resourceNames = crds;
        }
      )
      (rule [ "apps" ] [ "deployments" ] own)
      (rule [ "authentication.k8s.io" ]
        [
          "subjectaccessreviews"
          "tokenreviews"
        ]
        [ "create" ]
      )
      (rule [ "authorization.k8s.io" ] [ "subjectaccessreviews" ] [ "create" ])
      (rule [ "autoscaling" ] [ "horizontalpodautoscalers" ] own)
      (rule leases [ "leases" ] own)
      (rule [ "discovery.k8s.io" ] [ "endpointslices" ] read)
      (rule
        [ "gateway.networking.k8s.io" ]
        [
          "gatewayclasses"
          "gateways"
          "httproutes"
        ]
        own
      )
      (rule
        [ "inference.networking.k8s.io" ]
        [
          "inferencemodels"
          "inferenceobjectives"
          "inferencepools"
        ]
        own
      )
      (rule
        [ "inference.networking.x-k8s.io" ]
        [
          "inferencemodelrewrites"
          "inferencemodels"
          "inferenceobjectives"
          "inferencepoolimports"
          "inferencepools"
        ]
        own
      )
      (rule [ "keda.sh" ] [ "scaledobjects" ] own)
      (rule [ "leaderworkerset.x-k8s.io" ] [ "leaderworkersets" ] own)
      (rule
        [ "llm-d.ai" ]
        [
          "inferencemodelrewrites"
          "inferenceobjectives"
        ]
        read
      )
      (rule [ "llmd.ai" ] [ "variantautoscalings" ] own)
      (rule [ "networking.k8s.io" ] [ "ingresses" ] own)
      (rule
        [ "rbac.authorization.k8s.io" ]
        [
          "clusterrolebindings"
          "rolebindings"
          "roles"
        ]
        own
      )
      (rule
        [ "resource.k8s.io" ]
        [
          "resourceclaims"
          "resourceclaimtemplates"
        ]
        own
      )
      (rule kserve [
        "llminferenceserviceconfigs"
        "llminferenceservices"
      ] own)
      (rule kserve
        [
          "llminferenceserviceconfigs/finalizers"
          "llminferenceservices/finalizers"
        ]
        [ "update" ]
      )
      (rule kserve [
        "llminferenceserviceconfigs/status"
        "llminferenceservices/status"
      ] status)
      (rule kserve [
        "localmodelcaches"
        "localmodelnamespacecaches"
      ] read)
    ];

  localModel = [
    (rule [ "" ] [ "configmaps" ] [ "get" ])
    (rule [ "" ] [ "nodes" ] read)
    (rule [ "" ]
      [ "nodes/status" ]
      [
        "get"
        "watch"
      ]
    )
    (rule
      [ "" ]
      [
        "persistentvolumeclaims"
        "persistentvolumes"
      ]
      own
    )
    (rule kserve [
      "inferenceservices"
      "llminferenceservices"
      "localmodelnodegroups"
    ] read)
    (rule kserve [
      "localmodelcaches"
      "localmodelnamespacecaches"
      "localmodelnodes"
    ] own)
    (rule kserve [
      "localmodelcaches/status"
      "localmodelnamespacecaches/status"
    ] status)
    (rule kserve
      [ "localmodelnodes/status" ]
      [
        "get"
        "watch"
      ]
    )
  ];

  localModelNode = [
    (rule [ "" ] [ "configmaps" ] [ "get" ])
    (rule
      [ "" ]
      [
        "nodes"
        "secrets"
        "serviceaccounts"
      ]
      read
    )
    (rule [ "" ]
      [ "nodes/status" ]
      [
        "get"
        "watch"
      ]
    )
    (rule [ "batch" ] [ "jobs" ] own)
    (rule [ "batch" ] [ "jobs/status" ] [ "get" ])
    (rule kserve [
      "clusterstoragecontainers"
      "localmodelnodegroups"
    ] read)
    (rule kserve [ "localmodelnodes" ] own)
    (rule kserve [ "localmodelnodes/status" ] status)
  ];

  # Roles that Kubeflow's profiles aggregate.
  kubeflow =
    let
      models = [
        "inferencegraphs"
        "inferenceservices"
        "servingruntimes"
        "trainedmodels"
        "llminferenceservices"
        # Upstream's own spelling names no resource; both are here, so that the role works and stays comparable.
        "lllminferenceserviceconfigs"
        "llminferenceserviceconfigs"
      ];
      revisions = [
        "services"
        "services/status"
        "routes"
        "routes/status"
        "configurations"
        "configurations/status"
        "revisions"
        "revisions/status"
      ];
      change = [
        "get"
        "list"
        "watch"
        "create"
        "delete"
        "deletecollection"
        "patch"
        "update"
      ];
    in
    {
      edit = [
        (rule kserve models change)
        (rule [ "serving.knative.dev" ] revisions change)
      ];
      view = [
        (rule kserve models read)
        (rule [ "serving.knative.dev" ] revisions [
          "get"
          "list"
        ])
      ];
    };
}
