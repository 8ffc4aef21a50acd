/**
  Any other object, with the component's labels and namespace: custom resources above all. `scope = "Cluster"`
  leaves the namespace out; `phase` is "prepare", "run", "finish" (after the component's workloads run) or
  "operator-config". `unchecked` says that the kind's CRD is not
  among those that the library knows, so that its fields are not checked at evaluation.

  # Type

  ```
  object :: Context -> { apiVersion, kind, name, scope ? "Namespaced", phase ? "run", … the object's own fields } -> Object
  ```

  # Examples

  ```nix
  k8s.object { apiVersion = "cert-manager.io/v1"; kind = "Issuer"; name = "selfsigned"; spec.selfSigned = { }; }
  ```
*/
let
  inherit (import ../internal.nix) mark;
in
context:
{
  apiVersion,
  kind,
  name,
  namespace ? context.namespace,
  role ? null,
  labels ? { },
  annotations ? { },
  scope ? "Namespaced",
  phase ? null,
  unchecked ? false,
  ...
}@args:
let
  metadata = context.metadata {
    inherit
      name
      namespace
      role
      labels
      annotations
      ;
  };
  object =
    removeAttrs args [
      "name"
      "namespace"
      "role"
      "labels"
      "annotations"
      "scope"
      "phase"
      "unchecked"
    ]
    // {
      metadata = if scope == "Cluster" then removeAttrs metadata [ "namespace" ] else metadata;
    };
in
if phase == null && !unchecked then
  object
else
  mark (
    (if phase == null then { } else { inherit phase; })
    // (if unchecked then { inherit unchecked; } else { })
  ) object
