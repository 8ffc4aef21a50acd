# Constructors of Kubernetes objects with safe defaults. `bind context` closes them over a component: its
# namespace, labels, the user's common options and the platform's settings.
let
  inherit (builtins) mapAttrs;
  containers = import ./container.nix;
  bound =
    import ./workload.nix
    // import ./network.nix
    // import ./configuration.nix
    // import ./operation.nix
    // {
      object = context: import ./object.nix context;
    };
in
{
  inherit (containers)
    configMapKey
    container
    env
    execProbe
    field
    httpProbe
    mounts
    secretKey
    tcpProbe
    ;
  quantity = import ./quantity.nix;

  /**
    The constructors for one component. `lib.kubernetes.bind (lib.kubernetes.context { … })` is what a module's
    `render` gets as `k8s`.

    # Type

    ```
    bind :: Context -> { deployment, service, configMap, … }
    ```
  */
  bind =
    context:
    {
      inherit (containers)
        configMapKey
        container
        env
        execProbe
        field
        httpProbe
        mounts
        secretKey
        tcpProbe
        ;
      inherit (context) labels selector metadata;
    }
    // mapAttrs (_: constructor: constructor context) bound;

  context = import ./context.nix;
}
