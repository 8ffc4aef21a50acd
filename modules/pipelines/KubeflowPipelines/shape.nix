# Objects in upstream's shape: fixed names and selectors, hardened pods. Every part gets `scope`, the plan and this.
scope: plan:
let
  inherit (builtins) isList map;
  inherit (scope) k8s images;

  # Upstream puts it on every object and into every selector; programs and people find the pods by it.
  mark = {
    application-crd-id = "kubeflow-pipelines";
  };

  # Upstream's images are made for any user of group 0.
  user = {
    runAsUser = 1000;
    runAsGroup = 0;
    runAsNonRoot = true;
    seccompProfile.type = "RuntimeDefault";
  };

  unprivileged = as: container: container // { security = as // (container.security or { }); };

  # Resources of a small program of which upstream says nothing.
  upTo = limit: {
    requests = {
      cpu = "10m";
      memory = "64Mi";
    };
    limits.memory = limit;
  };
  small = upTo "512Mi";

  tcp = port: {
    inherit port;
    protocol = "TCP";
  };

  deployment =
    {
      name,
      app ? {
        app = name;
      },
      runAs ? user,
      containers,
      ...
    }@args:
    k8s.deployment (
      {
        role = "ml-pipeline";
        extended = false;
        selector = app // mark;
        volumes.tmp = { };
      }
      // removeAttrs args [
        "app"
        "runAs"
      ]
      // {
        containers = map (unprivileged runAs) containers;
      }
    );
in
{
  inherit
    deployment
    mark
    small
    tcp
    unprivileged
    upTo
    user
    ;

  named = name: { app = name; } // mark;
  component = name: { component = name; } // mark;

  # A variable's value from the settings of the installation, and the same where the key may be missing.
  install = key: {
    configMapKeyRef = {
      name = "pipeline-install-config";
      inherit key;
    };
  };
  optional = key: {
    configMapKeyRef = {
      name = "pipeline-install-config";
      inherit key;
      optional = true;
    };
  };

  # Waits until a port answers; pods then start in an order that needs no restarts.
  waitFor = what: host: port: {
    name = "wait-for-${what}";
    image = images.wait;
    command = [
      "/bin/sh"
      "-ec"
    ];
    args = [
      ''
        tries=0
        until nc -z -w 2 "$WAIT_HOST" "$WAIT_PORT"; do
          tries=$((tries + 1))
          if [ "$tries" -ge 60 ]; then
            echo "$WAIT_HOST:$WAIT_PORT does not answer"
            exit 1
          fi
          echo "waiting for $WAIT_HOST:$WAIT_PORT"
          sleep 5
        done
      ''
    ];
    env = [
      { WAIT_HOST = host; }
      { WAIT_PORT = port; }
    ];
    resources = {
      requests = {
        cpu = "10m";
        memory = "16Mi";
      };
      limits = {
        cpu = "100m";
        memory = "64Mi";
      };
    };
    security = removeAttrs user [ "runAsGroup" ];
  };

  /*
    A ServiceAccount and its rights: `rules` in the namespace, `clusterRules` everywhere (with several users, whose
    runs are in namespaces of their own). `ignore` is an exception from a policy, with its reason.
  */
  identity =
    {
      account,
      role,
      binding,
      rules,
      clusterRules ? null,
      annotations ? { },
      apiAccess ? false,
      ignore ? null,
    }:
    let
      clusterRole = plan.clusterName role;
    in
    [
      (k8s.serviceAccount {
        name = account;
        inherit annotations apiAccess;
      })
      (k8s.role {
        name = role;
        inherit rules;
        # Where the checks of the command line look for the reason of an exception.
        annotations = if ignore == null then { } else { "mlops-nix.dev/ignore" = ignore; };
      })
      (k8s.roleBinding {
        name = binding;
        roleName = role;
        serviceAccount = account;
        subjects = [ { name = account; } ];
      })
    ]
    ++ (
      if clusterRules == null || !plan.multiUser then
        [ ]
      else
        [
          (k8s.clusterRole {
            name = clusterRole;
            rules = clusterRules;
          })
          (k8s.clusterRoleBinding {
            name = plan.clusterName binding;
            roleName = clusterRole;
            subjects = [ { name = account; } ];
          })
        ]
    );

  rule = group: resources: verbs: {
    apiGroups = if isList group then group else [ group ];
    inherit resources verbs;
  };
  rights = {
    read = [
      "get"
      "list"
      "watch"
    ];
    edit = [
      "get"
      "list"
      "watch"
      "update"
      "patch"
    ];
    manage = [
      "create"
      "get"
      "list"
      "watch"
      "update"
      "patch"
      "delete"
    ];
  };

  # The namespace that a program watches: its own, or all of them.
  watched = if plan.multiUser then "" else k8s.field "metadata.namespace";

  # Certificates of the installation's own authority, for TLS between its programs.
  tls = {
    secret = "kfp-api-tls-cert";
    directory = "/etc/pki/tls/certs";
    volumes =
      if plan.tls then
        {
          tls-certs.secret.secretName = "kfp-api-tls-cert";
        }
      else
        { };
    mounts =
      if plan.tls then
        {
          tls-certs = {
            mountPath = "/etc/pki/tls/certs";
            readOnly = true;
          };
        }
      else
        { };
  };

  database = {
    user =
      if plan.database.ownSecret then
        k8s.secretKey {
          name = "mysql-secret";
          key = "username";
        }
      else
        plan.database.username;
    password = k8s.secretKey { inherit (plan.database.password) name key; };
  };

  store =
    let
      inherit (plan.store) keys;
      key =
        field:
        if keys == null then
          ""
        else
          k8s.secretKey {
            inherit (keys) name;
            key = keys.${field};
          };
    in
    {
      accessKey = key "accessKey";
      secretKey = key "secretKey";
    };

  # Every object carries upstream's label.
  labelled = map (
    object:
    object
    // {
      metadata = object.metadata // {
        labels = (object.metadata.labels or { }) // mark;
      };
    }
  );
}
