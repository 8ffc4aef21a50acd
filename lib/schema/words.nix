# The scalar types of the compact format: what a value of each must be, and how an error says it.
let
  inherit (builtins)
    isAttrs
    isBool
    isFloat
    isInt
    isString
    match
    stringLength
    ;

  longestMatched = import ./longest-matched.nix;

  # k8s.io/apimachinery pkg/api/resource/quantity.go
  quantity = "[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([EGKMPT]i|[EGMPTkmnu]|[eE][+-]?[0-9]+)?";
  # The same as CRD generators write it; it differs in exponents such as `1e.5`.
  customQuantity = "[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([EGKMPT]i|[EGMPTkmnu]|[eE][+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+))?";

  isNumber = value: isInt value || isFloat value;

  string = {
    check = isString;
    type = "string";
    expected = "a string";
  };
  integer = {
    check = isInt;
    type = "int";
    expected = "an integer";
  };
  number = {
    check = isNumber;
    type = null;
    expected = "a number";
  };

  words = {
    inherit string integer number;
    boolean = {
      check = isBool;
      type = "bool";
      expected = "true or false";
    };
    int32 = integer;
    int64 = integer;
    double = number;
    float = number;
    int-or-string = {
      check = value: isInt value || isString value;
      type = null;
      expected = "an integer or a string";
    };
    quantity = {
      check =
        value:
        if isString value then
          stringLength value > longestMatched || match quantity value != null
        else
          isInt value || isFloat value;
      type = null;
      expected = "a quantity such as \"500m\", \"2Gi\" or 1";
    };
    int-or-quantity = {
      check =
        value:
        if isString value then
          stringLength value > longestMatched || match customQuantity value != null
        else
          isInt value;
      type = null;
      expected = "a quantity such as \"500m\", \"2Gi\" or 1";
    };
    object = {
      check = isAttrs;
      type = "set";
      expected = "an object";
    };
    any = {
      check = _: true;
      type = null;
      expected = "any value";
    };
  };
in
{
  # A word that is not in the table is the format of a string.
  wordOf = name: words.${name} or string;
}
