/**
  What the constructors must know of a component: names, labels, configuration, settings of the platform.

  # Type

  ```
  context :: { name, namespace, module, version ? null, config ? {}, settings ? {} } -> Context
  ```
*/
{
  name,
  namespace,
  module ? name,
  version ? null,
  config ? { },
  settings ? { },
}:
let
  allSettings = import ../platform/settings.nix // settings;
  identity = {
    "app.kubernetes.io/name" = module;
    "app.kubernetes.io/instance" = name;
  };
  # Selectors rest on the identity, so labels of the user's cannot change it.
  common =
    allSettings.labels
    // (config.labels or { })
    // identity
    // {
      "app.kubernetes.io/managed-by" = "mlops-nix";
    }
    // (
      if allSettings.platform == null then
        { }
      else
        { "app.kubernetes.io/part-of" = allSettings.platform; }
    );
  withRole =
    set: role: if role == null then set else set // { "app.kubernetes.io/component" = role; };
  ownNamespace = namespace;
  commonAnnotations = config.annotations or { };
in
{
  inherit
    name
    namespace
    module
    version
    config
    ;
  settings = allSettings;

  # Labels of an object that plays a role in the component.
  labels = withRole common;

  # The labels that never change, which selectors are made of.
  selector = withRole identity;

  metadata =
    {
      name,
      namespace ? null,
      role ? null,
      labels ? { },
      annotations ? { },
    }@args:
    let
      allAnnotations = commonAnnotations // annotations;
    in
    {
      inherit name;
      namespace = args.namespace or ownNamespace;
      labels = withRole common role // labels;
    }
    // (if allAnnotations == { } then { } else { annotations = allAnnotations; });
}
