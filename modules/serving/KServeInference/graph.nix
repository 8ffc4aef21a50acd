# InferenceGraph: a request goes through several models.
{
  types,
  option,
  common,
}:
let
  inherit (builtins)
    attrNames
    concatLists
    elemAt
    filter
    foldl'
    genList
    isAttrs
    length
    map
    mapAttrs
    removeAttrs
    toString
    ;
  inherit (import ../../../lib/text/nearest.nix) suggest;

  given = set: removeAttrs set (filter (name: set.${name} == null) (attrNames set));

  # A service by name, or the component that makes it.
  serviceName = types.mkType {
    name = "service name or component";
    expected = "the name of an InferenceService of this namespace, or a component from mkKServeInference";
    accepts =
      v:
      types.dnsLabel.accepts v
      || isAttrs v && v._type or null == "component" && v.module == "kserve-inference";
    convert = v: if isAttrs v then v.name else v;
    schema.type = "string";
  };

  step = types.submodule {
    name = "step";
    options = {
      name = option {
        type = types.string;
        default = null;
        description = "Name of the step.";
      };
      serviceName = option {
        type = serviceName;
        default = null;
        description = "InferenceService that is called.";
      };
      serviceUrl = option {
        type = types.urlOrEndpoint;
        default = null;
        description = "URL that is called.";
      };
      nodeName = option {
        type = types.string;
        default = null;
        description = "Node of the graph that goes on.";
      };
      data = option {
        type = types.enum [
          "$request"
          "$response"
        ];
        default = null;
        description = "What is sent: the first request, or the answer of the step before.";
      };
      weight = option {
        type = types.percent;
        default = null;
        description = "Percent of the requests (Splitter).";
      };
      condition = option {
        type = types.string;
        default = null;
        description = "GJSON expression that the request must meet (Switch).";
      };
      dependency = option {
        type = types.enum [
          "Soft"
          "Hard"
        ];
        default = null;
        description = "Whether a failure of the step ends the graph.";
      };
    };
  };

  node = types.submodule {
    name = "node";
    options = {
      routerType = option {
        type = types.enum [
          "Sequence"
          "Splitter"
          "Ensemble"
          "Switch"
        ];
        description = "How requests go through the steps.";
      };
      steps = option {
        type = types.listOf step;
        description = "Steps of the node.";
      };
    };
  };

  graph = types.submodule {
    name = "inference graph";
    options = {
      name = option {
        type = types.dnsLabel;
        default = null;
        defaultText = "NAME-graph";
        description = "Name of the InferenceGraph.";
      };
      nodes = option {
        type = types.attrsOf node;
        example.root = {
          routerType = "Sequence";
          steps = [
            { serviceName = "preprocess"; }
            {
              serviceName = "classify";
              data = "$response";
            }
          ];
        };
        description = "Nodes by name; requests start at `root`.";
      };
      timeout = option {
        type = types.positiveInt;
        default = null;
        description = "Seconds after which a request fails.";
      };
      minReplicas = option {
        type = types.unsignedInt;
        default = null;
        description = "Fewest replicas of the router.";
      };
      maxReplicas = option {
        type = types.positiveInt;
        default = null;
        description = "Most replicas of the router.";
      };
      resources = common.resources { };
    };
  };

  sum = foldl' (a: b: a + b) 0;

  problemsOf =
    path: nodes: name:
    let
      current = nodes.${name};
      here = "${path}.nodes.${name}";
      inherit (current) routerType steps;
      weights = filter (weight: weight != null) (map (step: step.weight) steps);
      total = sum weights;
      stepProblems =
        index:
        let
          step = elemAt steps index;
          place = "${here}.steps[${toString index}]";
          targets = filter (field: step.${field} != null) [
            "serviceName"
            "serviceUrl"
            "nodeName"
          ];
        in
        [
          {
            when = length targets != 1;
            path = place;
            message = "expected one of serviceName, serviceUrl and nodeName, found ${
              if targets == [ ] then "none" else builtins.concatStringsSep " and " targets
            }";
          }
          {
            when = step.nodeName != null && !(nodes ? ${step.nodeName});
            path = "${place}.nodeName";
            message = "no node of the name ${toString step.nodeName}${suggest (toString step.nodeName) (attrNames nodes)}";
          }
          {
            when = step.weight != null && routerType != "Splitter";
            path = "${place}.weight";
            message = "only a Splitter has weights; the node is a ${routerType}";
          }
          {
            when = step.condition == null && routerType == "Switch";
            path = "${place}.condition";
            message = "every step of a Switch has a condition";
          }
        ];
    in
    [
      {
        when = steps == [ ];
        path = "${here}.steps";
        message = "expected at least one step";
      }
      {
        when = routerType == "Splitter" && steps != [ ] && (length weights != length steps || total != 100);
        path = here;
        message =
          if length weights != length steps then
            "every step of a Splitter has a weight"
          else
            "weights add up to ${toString total}; expected 100";
      }
    ]
    ++ concatLists (genList stepProblems (length steps));
in
{
  type = graph;

  checks =
    graph:
    if graph == null then
      [ ]
    else
      [
        {
          when = !(graph.nodes ? root);
          path = "inferenceGraph.nodes";
          message = "requests start at a node of the name root; there are: ${builtins.concatStringsSep ", " (attrNames graph.nodes)}";
        }
        {
          when =
            graph.minReplicas != null && graph.maxReplicas != null && graph.minReplicas > graph.maxReplicas;
          path = "inferenceGraph.minReplicas";
          message = "minReplicas (${toString graph.minReplicas}) exceeds maxReplicas (${toString graph.maxReplicas})";
        }
      ]
      ++ builtins.concatMap (problemsOf "inferenceGraph" graph.nodes) (attrNames graph.nodes);

  render =
    {
      config,
      name,
      k8s,
      ...
    }:
    graph: [
      (k8s.object {
        apiVersion = "serving.kserve.io/v1alpha1";
        kind = "InferenceGraph";
        name = if graph.name == null then "${name}-graph" else graph.name;
        role = "graph";
        annotations."serving.kserve.io/deploymentMode" =
          if config.deploymentMode == "Serverless" then "Knative" else "Standard";
        spec = {
          nodes = mapAttrs (_: node: node // { steps = map given node.steps; }) graph.nodes;
        }
        // given {
          inherit (graph) timeout minReplicas maxReplicas;
        }
        // (if graph.resources == { } then { } else { inherit (graph) resources; })
        // removeAttrs k8s.placement [
          "topologySpreadConstraints"
          "priorityClassName"
        ];
      })
    ];
}
