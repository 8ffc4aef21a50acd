# Derivations of a platform. `stream` needs no nixpkgs and no network but for the CRDs, which are fixed by hash;
# a folder cannot be made without a shell's tools, so `tree` takes nixpkgs.
let
  inherit (builtins)
    attrNames
    concatStringsSep
    filter
    map
    replaceStrings
    toFile
    unsafeDiscardStringContext
    ;
  yaml = import ./yaml.nix;

  # The name must be the one under which a file was added to the store beforehand, if it was.
  fetch =
    crd:
    derivation {
      name = baseNameOf (replaceStrings [ "10-crds/" ] [ "" ] crd.file);
      system = "builtin";
      builder = "builtin:fetchurl";
      inherit (crd) url;
      urls = [ crd.url ];
      outputHashMode = "flat";
      outputHashAlgo = "sha256";
      outputHash = crd.sha256;
      preferLocalBuild = true;
      allowSubstitutes = false;
      executable = false;
      unpack = false;
    };

  text = name: objects: toFile name (unsafeDiscardStringContext (yaml.stream objects));

  # The command and the schemas that it reads, as they lie in the checkout.
  command = builtins.path {
    name = "mlops-nix";
    path = ../..;
    filter =
      path: _:
      let
        relative = builtins.substring (builtins.stringLength (toString ../..) + 1) (-1) path;
      in
      builtins.match "python(/.*)?|generated(/kubernetes(/.*)?)?|lib(/.*)?|modules(/.*)?" relative != null
      && builtins.match ".*/(__pycache__|[.]venv|[^/]*[.]egg-info).*" relative == null;
  };

  quoted = path: "'${path}'";

  # Shell builtins alone: there is no cat in a sandbox without nixpkgs.
  copy = ''
    copy() { printf -- '---\n'; while IFS= read -r line || [ -n "$line" ]; do printf '%s\n' "$line"; done < "$1"; }
  '';
in
{
  inherit fetch;

  /**
    One YAML stream in apply order, CRDs included, as a derivation of a file.

    # Type

    ```
    stream :: { system } -> Platform -> Derivation
    ```
  */
  stream =
    { system }:
    platform:
    let
      before = filter (entry: entry.wave.number < 10) platform.entries;
      after = filter (entry: entry.wave.number >= 10) platform.entries;
      part =
        name: entries: if entries == [ ] then [ ] else [ (text name (map (entry: entry.object) entries)) ];
      parts =
        part "namespaces.yaml" before
        ++ map (crd: "${fetch crd}") platform.crds
        ++ part "objects.yaml" after;
    in
    derivation {
      name = "${platform.name}.yaml";
      inherit system;
      builder = "/bin/sh";
      args = [
        "-c"
        ''
          ${copy}
          { ${concatStringsSep "\n" (map (path: "copy ${quoted path}") parts)}
          } > "$out"
        ''
      ];
      preferLocalBuild = true;
      allowSubstitutes = false;
    };

  /**
    A folder of files in waves, validated by the command and by kubeconform with the same schemas, without network. Takes nixpkgs.

    # Type

    ```
    tree :: Pkgs -> Platform -> Derivation
    ```
  */
  tree =
    pkgs: platform:
    let
      paths = attrNames platform.files;
      write = path: ''
        mkdir -p "$out/${dirOf path}"
        cp ${
          toFile (replaceStrings [ ":" "/" "~" ] [ "-" "-" "-" ] (baseNameOf path)) (
            unsafeDiscardStringContext platform.files.${path}
          )
        } "$out/${path}"
      '';
      crd = file: ''
        mkdir -p "$out/10-crds"
        cp ${fetch file} "$out/${file.file}"
      '';
    in
    pkgs.runCommand platform.name
      {
        nativeBuildInputs = [
          pkgs.kubeconform
          (pkgs.python3.withPackages (
            python:
            builtins.attrValues {
              inherit (python)
                click
                jinja2
                jsonschema-rs
                msgspec
                orjson
                pyyaml
                rich
                ;
            }
          ))
        ];
        preferLocalBuild = true;
      }
      ''
        ${concatStringsSep "\n" (map write paths)}
        ${concatStringsSep "\n" (map crd platform.crds)}
        PYTHONPATH=${command}/python/src python -m mlops_nix validate "$out" --kubeconform always
      '';
}
