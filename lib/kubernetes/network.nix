# How others reach a component: Services, and routes from outside the cluster.
let
  inherit (builtins)
    attrNames
    isInt
    isList
    map
    ;
  optional = import ../optional.nix;

  portEntry =
    name: value:
    if isInt value then
      {
        inherit name;
        port = value;
        targetPort = name;
        protocol = "TCP";
      }
    else
      {
        inherit name;
        targetPort = name;
        protocol = "TCP";
      }
      // value;

  /**
    A Service. `ports` is `{ http = 80; }` (the target port is the container port of the same name), entries with
    more (`{ http = { port = 80; targetPort = 8080; nodePort = 30080; }; }`), or a list as in the API.

    # Type

    ```
    service :: Context -> AttrSet -> Service
    ```

    # Examples

    ```nix
    k8s.service { inherit name; ports.http = 5000; }
    ```
  */
  service =
    context:
    {
      name,
      ports,
      namespace ? context.namespace,
      role ? "server",
      selector ? context.selector role,
      headless ? false,
      type ? null,
      labels ? { },
      annotations ? { },
      spec ? { },
    }:
    {
      apiVersion = "v1";
      kind = "Service";
      metadata = context.metadata {
        inherit
          name
          namespace
          role
          labels
          annotations
          ;
      };
      spec = {
        inherit selector;
        ports = if isList ports then ports else map (port: portEntry port ports.${port}) (attrNames ports);
      }
      // (if headless then { clusterIP = "None"; } else { })
      // optional "type" type null
      // spec;
    };

  /**
    The way in from outside, as the user's `ingress` section says: nothing, an Ingress, or a Gateway API HTTPRoute.

    # Inputs

    `name`, `service`, `port` (number of the Service), `ingress` (the section), `paths` (prefixes, default the section's path),
    `annotations`

    # Type

    ```
    route :: Context -> AttrSet -> [Object]
    ```
  */
  route =
    context:
    {
      name,
      service ? name,
      port,
      ingress ? context.config.ingress,
      paths ? [ ingress.path ],
      role ? null,
      annotations ? { },
    }:
    if !ingress.enabled then
      [ ]
    else if ingress.gateway.name != null then
      [
        {
          apiVersion = "gateway.networking.k8s.io/v1";
          kind = "HTTPRoute";
          metadata = context.metadata {
            inherit name role;
            annotations = ingress.annotations;
          };
          spec = {
            parentRefs = [
              (
                {
                  inherit (ingress.gateway) name;
                }
                // optional "namespace" ingress.gateway.namespace null
                // optional "sectionName" ingress.gateway.sectionName null
              )
            ];
            hostnames = [ ingress.host ];
            rules = [
              {
                matches = map (path: {
                  path = {
                    type = "PathPrefix";
                    value = path;
                  };
                }) paths;
                backendRefs = [
                  {
                    name = service;
                    inherit port;
                  }
                ];
              }
            ];
          };
        }
      ]
    else
      [
        {
          apiVersion = "networking.k8s.io/v1";
          kind = "Ingress";
          metadata = context.metadata {
            inherit name role;
            annotations =
              annotations
              // (
                if ingress.tls.enabled && ingress.tls.issuer != null then
                  { "cert-manager.io/cluster-issuer" = ingress.tls.issuer; }
                else
                  { }
              )
              // ingress.annotations;
          };
          spec = {
            rules = [
              {
                inherit (ingress) host;
                http.paths = map (path: {
                  inherit path;
                  pathType = "Prefix";
                  backend.service = {
                    name = service;
                    port.number = port;
                  };
                }) paths;
              }
            ];
          }
          // optional "ingressClassName" ingress.class null
          // (
            if ingress.tls.enabled then
              {
                tls = [
                  {
                    hosts = [ ingress.host ];
                    inherit (ingress.tls) secretName;
                  }
                ];
              }
            else
              { }
          );
        }
      ];
in
{
  inherit route service;
}
