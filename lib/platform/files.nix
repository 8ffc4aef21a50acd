# Where each object's text goes in a folder of files.
let
  inherit (builtins)
    head
    match
    replaceStrings
    substring
    toString
    ;
  inherit (import ../text/case.nix) toLower;

  builtinGroup =
    apiVersion:
    let
      group = match "([^/]*)/.*" apiVersion;
    in
    group == null || match "[^.]*|.*[.]k8s[.]io" (head group) != null;

  folder =
    { number, name, ... }:
    "${if number < 10 then "0" else ""}${toString number}-${name}";
in
{
  inherit folder;

  # A path that several objects would have, told apart by what they are.
  distinct =
    path: identity:
    "${substring 0 (builtins.stringLength path - 5) path}-${
      substring 0 8 (builtins.hashString "sha256" identity)
    }.yaml";

  /**
    The path of an entry: wave, component, kind and name; stable, so that a Git diff shows exactly the change.

    # Type

    ```
    path :: { number, name } -> Entry -> String
    ```

    # Examples

    ```nix
    path { number = 55; name = "stage-1"; } entry
    => "55-stage-1/mlflow/deployment-mlflow.yaml"
    ```
  */
  path =
    wave: entry:
    let
      inherit (entry) object;
      group = match "([^/]*)/.*" object.apiVersion;
      kind = toLower object.kind + (if builtinGroup object.apiVersion then "" else ".${head group}");
      namespace =
        if object.metadata ? namespace && object.metadata.namespace != entry.home then
          "${object.metadata.namespace}-"
        else
          "";
      name = replaceStrings [ ":" "/" ] [ "-" "-" ] object.metadata.name;
      owner = if entry.component == null then "platform" else entry.component;
    in
    "${folder wave}/${owner}/${kind}-${namespace}${name}.yaml";
}
