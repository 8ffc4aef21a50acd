# Network flows: who connects to whom, and the policies that allow just that.
let
  inherit (builtins)
    attrNames
    any
    concatLists
    elemAt
    filter
    head
    listToAttrs
    map
    match
    toString
    ;
  inherit (import ../kubernetes/pods.nix) templateOf;

  # service[.namespace[.svc[.cluster.local]]], or null for a host outside the cluster.
  parseHost =
    own: host:
    let
      parts = match "([a-z0-9]([-a-z0-9]*[a-z0-9])?)([.]([a-z0-9]([-a-z0-9]*[a-z0-9])?))?([.]svc([.]cluster[.]local)?[.]?)?" host;
    in
    if parts == null then
      null
    else
      {
        service = head parts;
        namespace = if elemAt parts 3 == null then own else elemAt parts 3;
        # `db.example` may be a service of namespace `example`, or a host of the world.
        certain = elemAt parts 3 == null || elemAt parts 5 != null;
      };

  namespacePeer = namespace: {
    namespaceSelector.matchLabels."kubernetes.io/metadata.name" = namespace;
  };

  tcp = port: {
    inherit port;
    protocol = "TCP";
  };

  dns = {
    to = [ (namespacePeer "kube-system") ];
    ports = [
      {
        port = 53;
        protocol = "UDP";
      }
      (tcp 53)
    ];
  };

  # The API server is no pod: a policy can name only its ports.
  apiServer = {
    ports = [
      (tcp 443)
      (tcp 6443)
    ];
  };

  anywhere = ports: { inherit ports; };

  usesApi =
    component:
    component.apiAccess
    || any (
      object:
      let
        template = templateOf object;
      in
      template != null && template.spec.automountServiceAccountToken or true
    ) component.rendered;

  policy =
    component: pods: suffix:
    {
      ingress,
      egress,
    }:
    {
      apiVersion = "networking.k8s.io/v1";
      kind = "NetworkPolicy";
      metadata = component.context.metadata {
        name = "${component.name}${suffix}";
        inherit (component) namespace;
      };
      spec = {
        podSelector.matchLabels = pods;
        policyTypes = [
          "Ingress"
          "Egress"
        ];
      }
      // (if ingress == [ ] then { } else { inherit ingress; })
      // (if egress == [ ] then { } else { inherit egress; });
    };

  hasRoute = component: component.config.ingress.enabled or false;
  # The way in from outside: from the controller where it is known, else from everywhere.
  fromOutside =
    component:
    let
      controller = component.config.ingress.controllerNamespace or null;
    in
    if controller == null then { } else { from = [ (namespacePeer controller) ]; };

  # Rules that follow from the component alone: its own pods among themselves, DNS, the API, the way in from
  # outside, metrics, what the user allows.
  ownRules =
    component:
    let
      inherit (component) config;
      among = map (pods: { podSelector.matchLabels = pods; }) component.pods;
      options =
        config.networkPolicy or {
          allowFrom = [ ];
          allowTo = [ ];
        };
    in
    {
      ingress =
        (if among == [ ] then [ ] else [ { from = among; } ])
        ++ (if hasRoute component && component.routed == null then [ (fromOutside component) ] else [ ])
        ++ (
          if config.monitoring.enabled or false then
            [ { from = [ (namespacePeer component.settings.monitoring.namespace) ]; } ]
          else
            [ ]
        )
        ++ map (open: { ports = [ (tcp open.port) ]; }) component.open
        ++ (if options.allowFrom == [ ] then [ ] else [ { from = options.allowFrom; } ]);
      egress = [
        dns
      ]
      ++ (if among == [ ] then [ ] else [ { to = among; } ])
      ++ (if usesApi component then [ apiServer ] else [ ])
      ++ options.allowTo;
    };

  wanted = component: component.config.networkPolicy.enabled or true && component.pods != [ ];

  policies =
    component: extra:
    let
      rules = ownRules component;
      numbered = builtins.genList (index: {
        inherit index;
        pods = elemAt component.pods index;
      }) (builtins.length component.pods);
    in
    if !(wanted component) then
      [ ]
    else
      map (
        { index, pods }:
        policy component pods (if index == 0 then "" else "-${toString index}") {
          ingress = rules.ingress ++ extra.ingress;
          egress = rules.egress ++ extra.egress;
        }
      ) numbered
      ++ (
        if hasRoute component && component.routed != null then
          [
            (policy component component.routed.pods "-route" {
              ingress = [ (fromOutside component // { ports = [ (tcp component.routed.port) ]; }) ];
              egress = [ ];
            })
          ]
        else
          [ ]
      );

  egressTo =
    flow:
    if flow.target == null then
      anywhere [ (tcp flow.port) ]
    else if flow.target.through or [ ] != [ ] then
      # A gateway of somebody else's answers for the service; at which port its pods listen is not known here.
      { to = map namespacePeer flow.target.through; }
    else
      {
        to = [
          (
            (if flow.target.namespace == flow.namespace then { } else namespacePeer flow.target.namespace)
            // {
              podSelector.matchLabels = flow.target.pods;
            }
          )
        ];
        ports = [ (tcp flow.target.port) ];
      };

  ingressFrom = flow: {
    from = map (
      pods:
      (if flow.target.namespace == flow.namespace then { } else namespacePeer flow.namespace)
      // {
        podSelector.matchLabels = pods;
      }
    ) flow.pods;
    ports = [ (tcp flow.target.port) ];
  };
in
{
  inherit parseHost;

  /**
    Policies of a component that stands alone: open to its own namespace, and out to what it is wired to.

    # Type

    ```
    standalone :: Component -> [NetworkPolicy]
    ```
  */
  standalone =
    component:
    policies component {
      ingress = [ { from = [ { podSelector = { }; } ]; } ];
      egress = map (
        connection:
        let
          host = parseHost component.namespace connection.host;
        in
        if host == null || !host.certain then
          anywhere [ (tcp connection.port) ]
        else
          {
            to = [ (namespacePeer host.namespace) ];
          }
      ) component.connections;
    };

  /**
    Policies of a component in a platform: exactly the flows.

    # Type

    ```
    forFlows :: { outgoing :: [Flow], incoming :: [Flow] } -> Component -> [NetworkPolicy]
    ```
  */
  forFlows =
    { outgoing, incoming }:
    component:
    policies component {
      ingress = map ingressFrom (
        filter (flow: flow.pods != [ ] && flow.target.through or [ ] == [ ]) incoming
      );
      egress = map egressTo outgoing;
    };

  /**
    Policies of a namespace: nothing in or out but name resolution.

    # Type

    ```
    defaultDeny :: Labels -> String -> [NetworkPolicy]
    ```
  */
  defaultDeny =
    labels: namespace:
    let
      make = name: spec: {
        apiVersion = "networking.k8s.io/v1";
        kind = "NetworkPolicy";
        metadata = {
          inherit name namespace labels;
        };
        inherit spec;
      };
    in
    [
      (make "default-deny" {
        podSelector = { };
        policyTypes = [
          "Ingress"
          "Egress"
        ];
      })
      (make "allow-dns" {
        podSelector = { };
        policyTypes = [ "Egress" ];
        egress = [ dns ];
      })
    ];

  /**
    The flows of a platform. A connection names a host and a port; the Service of that name, or the endpoint of a
    component, says which pods are meant.

    # Inputs

    `components`: bound components by id
    `services`: `{ "<namespace>/<name>" = { component, service }; }`
    `external`: names or patterns of hosts that the user declared external

    # Type

    ```
    flows :: { components, services, isExternal } -> { flows :: [Flow], unresolved :: [Problem] }
    ```
  */
  flows =
    {
      components,
      services,
      isExternal,
    }:
    let
      endpoints = listToAttrs (
        concatLists (
          map (
            id:
            map (
              endpoint:
              let
                data = components.${id}.endpoints.${endpoint};
              in
              {
                name = "${data.namespace}/${data.service}";
                value = {
                  component = id;
                  endpoint = data;
                };
              }
            ) (attrNames components.${id}.endpoints)
          ) (attrNames components)
        )
      );

      targetPort =
        service: port:
        let
          entry = filter (
            candidate: candidate.port == port || candidate.name or null == port
          ) service.spec.ports;
        in
        if entry == [ ] then port else (head entry).targetPort or (head entry).port;

      targetOf =
        key: namespace: port:
        if services ? ${key} && services.${key}.service.spec ? selector then
          {
            inherit (services.${key}) component;
            inherit namespace;
            pods = services.${key}.service.spec.selector;
            port = targetPort services.${key}.service port;
          }
        else if endpoints ? ${key} then
          {
            inherit (endpoints.${key}) component;
            inherit namespace;
            pods = endpoints.${key}.endpoint.podLabels;
            port = endpoints.${key}.endpoint.targetPort;
            through = endpoints.${key}.endpoint.through or [ ];
          }
        else
          null;

      flowOf =
        id: connection:
        let
          component = components.${id};
          host = parseHost component.namespace connection.host;
          key = if host == null then "" else "${host.namespace}/${host.service}";
          target = if host == null then null else targetOf key host.namespace connection.port;
          known = target != null || host == null || !host.certain || isExternal connection.host key;
        in
        {
          from = id;
          inherit (component) namespace;
          pods = if connection ? from then [ connection.from ] else component.pods;
          inherit (connection) port host;
          option = connection.option or "";
          order = connection.order or true;
          inherit target known;
        };

      all = concatLists (map (id: map (flowOf id) components.${id}.connections) (attrNames components));
    in
    {
      flows = filter (flow: flow.known) all;
      unresolved = filter (flow: !flow.known) all;
    };
}
