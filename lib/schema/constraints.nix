# The constraints that a node of the compact format may carry, each as `null` (satisfied) or the message of an
# error. A constraint on strings says nothing about an integer, and the other way round, as in JSON Schema.
{ patterns }:
let
  inherit (builtins)
    attrNames
    concatStringsSep
    elem
    filter
    isAttrs
    isFloat
    isInt
    isList
    isString
    length
    map
    match
    stringLength
    toJSON
    ;
  inherit (import ../text/nearest.nix) suggest;
  inherit (import ../text/utf8.nix) characters;

  longestMatched = import ./longest-matched.nix;

  isNumber = value: isInt value || isFloat value;
  count = value: if isAttrs value then length (attrNames value) else length value;

  # name -> bound -> { holds; message; }
  table = {
    enum = names: {
      holds = value: elem value names;
      message =
        value:
        "expected one of ${concatStringsSep ", " (map toJSON names)}"
        + (if isString value then suggest value (filter isString names) else "");
    };
    pattern =
      pattern:
      let
        expression = patterns.${pattern};
      in
      {
        holds =
          value:
          !isString value
          || expression == null
          || stringLength value > longestMatched
          || match expression value != null;
        message = _: "expected a string that matches ${pattern}";
      };
    # Lengths count characters; bytes are an upper bound that costs nothing.
    minLength = bound: {
      holds = value: !isString value || (stringLength value >= bound && characters value >= bound);
      message = _: "expected at least ${toString bound} characters";
    };
    maxLength = bound: {
      holds = value: !isString value || stringLength value <= bound || characters value <= bound;
      message = _: "expected at most ${toString bound} characters";
    };
    minimum = bound: {
      holds = value: !isNumber value || value >= bound;
      message = _: "expected at least ${toJSON bound}";
    };
    maximum = bound: {
      holds = value: !isNumber value || value <= bound;
      message = _: "expected at most ${toJSON bound}";
    };
    minItems = bound: {
      holds = value: !isList value || length value >= bound;
      message = _: "expected at least ${toString bound} items";
    };
    maxItems = bound: {
      holds = value: !isList value || length value <= bound;
      message = _: "expected at most ${toString bound} items";
    };
    minProperties = bound: {
      holds = value: !isAttrs value || count value >= bound;
      message = _: "expected at least ${toString bound} fields";
    };
    maxProperties = bound: {
      holds = value: !isAttrs value || count value <= bound;
      message = _: "expected at most ${toString bound} fields";
    };
  };
in
{
  # The constraints of a node, as a list of { holds; message; }.
  constraintsOf =
    node: map (name: table.${name} node.${name}) (attrNames (builtins.intersectAttrs node table));
}
