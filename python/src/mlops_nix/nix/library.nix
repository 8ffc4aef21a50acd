# Evaluates one attribute of the library itself, such as `reference`.
{ library, attribute }:
let
  mlops = import (/. + library) { };
in
mlops.${attribute} or (throw "the library at ${library} has no attribute ${attribute}; it is older than this command")
