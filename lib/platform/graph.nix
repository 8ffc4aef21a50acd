# The wiring of a platform as nodes and edges.
let
  inherit (builtins)
    attrNames
    filter
    groupBy
    head
    listToAttrs
    map
    toString
    ;
in
{
  /**
    Nodes are components and what the user brings; edges are flows (with the port) and requirements.

    # Type

    ```
    graph :: { components, flows, requirementEdges, external } -> { nodes, edges }
    ```
  */
  graph =
    {
      components,
      flows,
      requirementEdges,
      external,
    }:
    let
      hosts = attrNames (
        listToAttrs (
          map (flow: {
            name = flow.host;
            value = null;
          }) (filter (flow: flow.target == null) flows)
        )
      );
      flowEdges = map (flow: {
        inherit (flow) from;
        to = if flow.target == null then flow.host else flow.target.component;
        label = toString flow.port;
        kind = "flow";
      }) flows;
      requireEdges = map (
        edge:
        edge
        // {
          label = "";
          kind = "requires";
        }
      ) requirementEdges;
      distinct =
        edges:
        let
          keyed = groupBy (edge: "${edge.from}|${edge.to}|${edge.label}|${edge.kind}") edges;
        in
        map (key: head keyed.${key}) (attrNames keyed);
    in
    {
      nodes =
        map (id: {
          inherit id;
          label = id;
          inherit (components.${id}) module namespace kind;
        }) (attrNames components)
        ++ map (requirement: {
          id = requirement.name;
          label = requirement.name;
          module = requirement.name;
          namespace = null;
          kind = "external";
        }) external
        ++ map (host: {
          id = host;
          label = host;
          module = "";
          namespace = null;
          kind = "external";
        }) hosts;
      edges = filter (edge: edge.from != edge.to) (distinct (flowEdges ++ requireEdges));
    };
}
