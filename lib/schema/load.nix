# Reads generated/kubernetes; the format is described in its README.md. Every file is read when first asked for.
{ folder }:
let
  inherit (builtins)
    fromJSON
    mapAttrs
    readFile
    removeAttrs
    ;

  read = path: fromJSON (readFile (folder + "/${path}"));

  index = read "index.json";
  base = read "core/${index.default}.json";
in
{
  inherit (index) default versions;

  history = (read "history.json").kinds;
  inherit (read "patterns.json") patterns;

  # One Kubernetes version: what it serves, and the definitions that its kinds reach.
  core =
    version:
    if version == index.default then
      base
    else
      let
        own = read "core/${version}.json";
      in
      {
        inherit (own) kinds;
        definitions = removeAttrs base.definitions own.absent // own.definitions;
      };

  custom =
    let
      inherit (read "custom/index.json") kinds crds files;
    in
    {
      inherit kinds;
      # Where the CRD of a kind can be had. Some upstreams ship one in several variants; the first is the one
      # with the fullest schema.
      crds = mapAttrs (
        name: crd:
        let
          sources = map (file: files.${file} // { inherit file; }) crd.files;
        in
        builtins.head sources
        // {
          inherit name;
          alternatives = builtins.tail sources;
        }
      ) crds;
      definitionsOf = file: (read "custom/${file}").definitions;
    };
}
