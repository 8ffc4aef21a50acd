# Finds the set document in what a target evaluates to: a platform, a component, or an attribute set with `platform`.
# One function of the library (or null, where the target is a flake's output and brings its own) and of the attribute path that
# the user named, so that its text can be handed to `nix eval --apply`: pure evaluation allows no import from outside the flake.
mlops: path:
let
  inherit (builtins)
    attrNames
    concatStringsSep
    foldl'
    functionArgs
    intersectAttrs
    isAttrs
    isFunction
    length
    match
    toXML
    typeOf
    ;

  describe =
    value:
    if isAttrs value then
      let
        names = attrNames value;
        shown = builtins.genList (builtins.elemAt names) (if length names > 8 then 8 else length names);
      in
      if names == [ ] then
        "an empty attribute set"
      else
        "an attribute set with ${concatStringsSep ", " shown}${if length names > 8 then ", …" else ""}"
    else if value == null then
      "null"
    else
      "a ${typeOf value}";

  # `{ mlops }:` gets the library by name, `{ mkPlatform, ... }:` and `mlops:` get the library itself. Whether a function
  # takes more than it names only toXML tells.
  call =
    function:
    let
      arguments = functionArgs function;
      # What neither we nor a default give: Nix's own message would name this file here.
      unknown = builtins.filter (
        name: !arguments.${name} && !(name == "mlops" || (!(arguments ? mlops) && mlops ? ${name}))
      ) (attrNames arguments);
      open = match ".*ellipsis=\"1\".*" (toXML function) != null;
    in
    if mlops == null then
      throw "expected a platform or a component, found a function; a flake's output must have been given its arguments"
    else if arguments == { } then
      function mlops
    else if unknown != [ ] then
      throw "expected a function of `mlops` (the library) or of names in it, found one that also wants ${concatStringsSep ", " unknown}"
    else if arguments ? mlops then
      function (if open then { inherit mlops; } else intersectAttrs arguments { inherit mlops; })
    else if open then
      function mlops
    else
      function (intersectAttrs arguments mlops);

  pick =
    depth: value:
    if isFunction value && depth < 3 then
      pick (depth + 1) (call value)
    else if !isAttrs value then
      throw "expected a platform (mkPlatform { … }) or a component (mkX { … }), found ${describe value}"
    else if value ? __functor && value ? builder then
      throw "expected a platform or a component, found the builder ${value.builder} without its arguments"
    else if value ? set && isAttrs value.set && value.set ? format then
      value.set
    else if value ? platform && depth < 3 then
      pick (depth + 1) value.platform
    else if value ? objects && value ? name && value ? module then
      if mlops == null then
        throw "expected a platform, found the component ${value.name}; put it into mkPlatform { components = { … }; }"
      else
        # The library wraps it into a platform of one.
        mlops.setOf value
    else
      throw "expected a platform (mkPlatform { … }), a component (mkX { … }) or an attribute set with `platform`, found ${describe value}";

  select =
    value: step:
    let
      set = if isFunction value then call value else value;
    in
    if isAttrs set && set ? ${step} then
      set.${step}
    else
      throw "no attribute ${step}; expected one of those in ${describe set}";
in
value: pick 0 (foldl' select value path)
