# Shows that every option of a builder reaches its output: each is changed once, and something must differ.
#
#   import (root + "/tests/effects.nix") mlops.mkX {
#     base = { … };                                     # valid arguments
#     changes."ui.replicas" = 3;                        # the option, set to this on top of the base
#     changes."auth.type" = { given = { … }; to = …; };  # … on top of the base and these arguments
#     changes.llm = { on = { … }; to = …; };             # … on top of these arguments alone
#   }
#
# gives two tests: no option was forgotten, and none is without effect.
builder:
{ base, changes }:
let
  inherit (builtins)
    attrNames
    elem
    filter
    head
    isAttrs
    isString
    length
    map
    mapAttrs
    split
    tail
    toJSON
    unsafeDiscardStringContext
    ;

  steps = path: filter (part: isString part && part != "") (split "[.]" path);

  set =
    path: value: args:
    let
      name = head path;
    in
    args
    // {
      ${name} = if length path == 1 then value else set (tail path) value (args.${name} or { });
    };

  merge =
    old: new:
    if isAttrs old && isAttrs new && !(old ? _type) && !(new ? _type) then
      old // mapAttrs (name: value: if old ? ${name} then merge old.${name} value else value) new
    else
      new;

  # As in a platform, so that what only a platform can resolve (node pools) shows too.
  settings = {
    nodePools.gpu = {
      selector.pool = "gpu";
      tolerations = [ ];
    };
  };

  outcome =
    args:
    let
      component = (builder args).bind settings;
    in
    unsafeDiscardStringContext (toJSON {
      inherit (component)
        rendered
        secrets
        requires
        connections
        namespace
        name
        ;
      endpoints = mapAttrs (_: endpoint: endpoint.url) component.endpoints;
      policies = (import ../lib/platform/network.nix).standalone component;
    });

  # A version can't be changed where only one is rendered.
  fixed = length builder.reference.versions == 1;
  options = filter (path: !(fixed && path == "version")) (
    map (option: option.path) builder.reference.options
  );

  changed =
    path:
    let
      change = changes.${path};
      elaborate = isAttrs change && change ? to;
      before = if elaborate then merge (change.on or base) (change.given or { }) else base;
      value = if elaborate then change.to else change;
    in
    outcome before != outcome (set (steps path) value before);
in
{
  testEveryOptionHasACase = {
    expr = filter (path: !(changes ? ${path})) options;
    expected = [ ];
  };
  testEveryCaseIsAnOption = {
    expr = filter (path: !(elem path options)) (attrNames changes);
    expected = [ ];
  };
  testEveryOptionChangesTheOutput = {
    expr = filter (path: !(changed path)) (filter (path: elem path options) (attrNames changes));
    expected = [ ];
  };
}
