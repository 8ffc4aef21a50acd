/**
  Objects of a JSON file: one object, a list of them, or a List. Nix reads no YAML: the error names the command
  that converts it.

  # Type

  ```
  read :: Path -> [Object]
  ```
*/
path:
let
  inherit (builtins)
    fromJSON
    isAttrs
    isList
    match
    readFile
    toString
    ;
  data = fromJSON (readFile path);
in
if match ".*[.]ya?ml" (toString path) != null then
  throw "fromYAMLFile: ${toString path}: Nix cannot read YAML; convert it once with `mlops-nix render ${baseNameOf path} --output json > ${baseNameOf path}.json` and read that"
else if isList data then
  data
else if isAttrs data && data.kind or "" == "List" then
  data.items
else
  [ data ]
