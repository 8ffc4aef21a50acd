# Versions of a module: the ones it knows, the lines that users write and what is rendered for them, the ones
# that can't be deployed any more.
{ types, nearest }:
let
  inherit (builtins)
    attrNames
    compareVersions
    concatStringsSep
    head
    isString
    sort
    ;
in
module:
let
  known = sort (a: b: compareVersions a b > 0) (attrNames module.versions);
  lines = module.lines;
  listed = concatStringsSep ", " known;
in
{
  inherit known;
  newest = module.defaultVersion or (head known);

  # The version that is rendered for what the user wrote.
  resolve = version: lines.${version}.version or version;

  warning =
    version:
    if lines ? ${version} then
      [ "version ${version} ${lines.${version}.reason}; ${lines.${version}.version} is rendered" ]
    else
      [ ];

  type = types.mkType {
    name = "version (${listed})";
    expected = "a version, one of ${listed}";
    accepts = v: isString v && (module.versions ? ${v} || lines ? ${v});
    schema.enum = known ++ attrNames lines;
    wrong =
      value:
      if !isString value then
        null
      else if module.withdrawn ? ${value} then
        "${value} cannot be deployed any more (${module.withdrawn.${value}}); known: ${listed}"
      else
        "unknown version ${value}; known: ${listed}; nearest: ${
          let
            near = nearest value known;
          in
          if near != null then near else head known
        }";
  };
}
