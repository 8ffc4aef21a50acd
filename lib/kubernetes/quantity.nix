# Quantities as numbers, to compare them. Floats are exact enough to order what people write.
let
  inherit (builtins)
    elemAt
    fromJSON
    isInt
    isFloat
    match
    ;
  units = {
    n = 1.0e-9;
    u = 1.0e-6;
    m = 1.0e-3;
    k = 1.0e3;
    M = 1.0e6;
    G = 1.0e9;
    T = 1.0e12;
    P = 1.0e15;
    E = 1.0e18;
    Ki = 1024.0;
    Mi = 1048576.0;
    Gi = 1073741824.0;
    Ti = 1099511627776.0;
    Pi = 1125899906842624.0;
    Ei = 1152921504606846976.0;
  };
  decimal =
    text:
    let
      parts = match "[+]?(-?)([0-9]*)[.]?([0-9]*)([eE][+-]?[0-9]+)?" text;
      whole = elemAt parts 1;
      fraction = elemAt parts 2;
      exponent = elemAt parts 3;
      # JSON wants digits on both sides of the point and no leading zeros.
      stripped = match "0*([1-9][0-9]*|0)" (if whole == "" then "0" else whole);
    in
    fromJSON "${elemAt parts 0}${elemAt stripped 0}.${if fraction == "" then "0" else fraction}${
      if exponent == null then "" else exponent
    }"
    + 0.0;
in
{
  /**
    A quantity as a number of its base unit (cores, bytes).

    # Type

    ```
    toNumber :: String | Int | Float -> Float
    ```

    # Examples

    ```nix
    toNumber "500m"
    => 0.5
    ```
  */
  toNumber =
    quantity:
    if isInt quantity || isFloat quantity then
      quantity + 0.0
    else
      let
        parts = match "([+-]?[0-9.]+([eE][+-]?[0-9]+)?)([a-zA-Z]*)" quantity;
        unit = elemAt parts 2;
      in
      decimal (elemAt parts 0) * (if unit == "" then 1.0 else units.${unit});
}
