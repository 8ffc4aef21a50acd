# Reads generated/kubernetes; the format is described in its README.md. Every file is read when first asked for.
{ folder }:
let
  inherit (builtins)
    filter
    fromJSON
    head
    map
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

      # Where a CRD can be had: from the given one of its files, with the others as alternatives. Some upstreams
      # ship a CRD in several variants, and two of them share a name (mpijobs.kubeflow.org).
      crdFrom =
        file: name:
        files.${file}
        // {
          inherit name file;
          alternatives = map (other: files.${other} // { file = other; }) (
            filter (other: other != file) crds.${name}.files
          );
        };
    in
    {
      inherit kinds crdFrom;
      crds = mapAttrs (name: crd: crdFrom (head crd.files) name) crds;
      definitionsOf = file: (read "custom/${file}").definitions;
    };
}
