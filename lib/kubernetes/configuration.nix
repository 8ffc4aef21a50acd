# Configuration, storage and identity of a component.
let
  inherit (builtins) map;
  optional = import ../optional.nix;

  named =
    context:
    {
      name,
      role ? null,
      labels ? { },
      annotations ? { },
      namespace ? context.namespace,
      ...
    }:
    context.metadata {
      inherit
        name
        role
        labels
        annotations
        namespace
        ;
    };

  /**
    A ConfigMap. Pods that read it carry a checksum of it, so that a change rolls them.

    # Type

    ```
    configMap :: Context -> { name, data, binaryData ? {}, … } -> ConfigMap
    ```
  */
  configMap =
    context:
    {
      data ? { },
      binaryData ? { },
      ...
    }@args:
    {
      apiVersion = "v1";
      kind = "ConfigMap";
      metadata = named context args;
    }
    // optional "data" data { }
    // optional "binaryData" binaryData { };

  /**
    A ServiceAccount with the user's annotations (cloud identity) and the pull secrets.

    # Type

    ```
    serviceAccount :: Context -> { name, annotations ? {}, secrets ? [] } -> ServiceAccount
    ```
  */
  serviceAccount =
    context:
    {
      secrets ? [ ],
      apiAccess ? false,
      ...
    }@args:
    let
      pull = (context.config.imagePullSecrets or [ ]) ++ context.settings.imagePullSecrets;
    in
    {
      apiVersion = "v1";
      kind = "ServiceAccount";
      metadata = named context args;
      automountServiceAccountToken = apiAccess;
    }
    // optional "imagePullSecrets" (map (name: { inherit name; }) pull) [ ]
    // optional "secrets" (map (name: { inherit name; }) secrets) [ ];

  /**
    A claim of storage. The storage class is the user's, else the platform's, else the cluster's default.

    # Type

    ```
    claim :: Context -> { name, size, storageClass ? null, accessMode ? "ReadWriteOnce" } -> PersistentVolumeClaim
    ```
  */
  claim = context: args: {
    apiVersion = "v1";
    kind = "PersistentVolumeClaim";
    metadata = named context args;
    spec = claimSpec context args;
  };

  /**
    The specification of a claim alone, for claim templates of a StatefulSet.

    # Type

    ```
    claimSpec :: Context -> { size, storageClass ? null, accessMode ? "ReadWriteOnce", ... } -> PersistentVolumeClaimSpec
    ```
  */
  claimSpec =
    context:
    {
      size,
      storageClass ? null,
      accessMode ? "ReadWriteOnce",
      ...
    }:
    {
      accessModes = [ accessMode ];
      resources.requests.storage = size;
    }
    // optional "storageClassName" (
      if storageClass != null then storageClass else context.settings.storageClass
    ) null;

  rules =
    kind: context:
    { rules, ... }@args:
    {
      apiVersion = "rbac.authorization.k8s.io/v1";
      inherit kind rules;
      metadata = if kind == "ClusterRole" then clusterNamed context args else named context args;
    };

  clusterNamed = context: args: removeAttrs (named context args) [ "namespace" ];

  subjectsOf =
    context: args:
    map (
      subject:
      {
        kind = "ServiceAccount";
        inherit (context) namespace;
      }
      // subject
    ) (args.subjects or [ { name = args.serviceAccount; } ]);

  binding =
    kind: context: args:
    let
      roleKind = args.roleKind or (if kind == "ClusterRoleBinding" then "ClusterRole" else "Role");
    in
    {
      apiVersion = "rbac.authorization.k8s.io/v1";
      inherit kind;
      metadata = if kind == "ClusterRoleBinding" then clusterNamed context args else named context args;
      roleRef = {
        apiGroup = "rbac.authorization.k8s.io";
        kind = roleKind;
        name = args.roleName or args.name;
      };
      subjects = subjectsOf context args;
    };
in
{
  inherit
    claim
    claimSpec
    configMap
    serviceAccount
    ;

  /**
    A Role of the component's namespace.

    # Type

    ```
    role :: Context -> { name, rules, … } -> Role
    ```
  */
  role = rules "Role";
  /**
    A ClusterRole: as `role`, cluster-wide.

    # Type

    ```
    clusterRole :: Context -> { name, rules, … } -> ClusterRole
    ```
  */
  clusterRole = rules "ClusterRole";

  /**
    Bind a role to a ServiceAccount. The role has the name of the binding unless `roleName` (and `roleKind`) say otherwise.

    # Type

    ```
    roleBinding :: Context -> { name, serviceAccount | subjects, roleName ?, roleKind ? } -> RoleBinding
    ```
  */
  roleBinding = binding "RoleBinding";
  /**
    Bind a ClusterRole in every namespace: as `roleBinding`, cluster-wide.

    # Type

    ```
    clusterRoleBinding :: Context -> { name, serviceAccount | subjects, roleName ? } -> ClusterRoleBinding
    ```
  */
  clusterRoleBinding = binding "ClusterRoleBinding";
}
