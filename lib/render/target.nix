# What a user's file may give, as the set document that passes to the command line.
{ self }:
let
  inherit (builtins)
    attrNames
    concatStringsSep
    functionArgs
    intersectAttrs
    isAttrs
    isFunction
    typeOf
    ;
  kindOf = value: if isAttrs value then value._type or null else null;
  setOf =
    target:
    if kindOf target == "platform" || kindOf target == "gitops" then
      target.set
    else if kindOf target == "component" then
      (self.mkPlatform {
        inherit (target) name;
        components.${target.name} = target;
        external = target.requires;
      }).set
    else if isFunction target then
      setOf (
        target (
          let
            library = self // {
              mlops = self;
            };
            wanted = functionArgs target;
          in
          # A function that names its arguments takes no others.
          if wanted == { } then library else intersectAttrs wanted library
        )
      )
    else if isAttrs target && target ? platform then
      setOf target.platform
    else
      throw "expected a platform (mkPlatform { … }), a component (from a mk… builder), a function of the library that gives one, or an attribute set with `platform`; found ${
        if isAttrs target then
          "an attribute set with ${concatStringsSep ", " (attrNames target)}"
        else
          "a ${typeOf target}"
      }";
in
setOf
