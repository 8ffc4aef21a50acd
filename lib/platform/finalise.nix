# The last step before an object may leave: notes of the core become checksums and hashed names.
let
  inherit (builtins)
    attrNames
    concatStringsSep
    filter
    hashString
    isAttrs
    isList
    listToAttrs
    mapAttrs
    substring
    toJSON
    unsafeDiscardStringContext
    ;
  inherit (import ../kubernetes/pods.nix) mapTemplate templateOf;
  inherit (import ./references.nix) podSpec;
  inherit (import ../internal.nix) key note plain;

  hash = value: hashString "sha256" (unsafeDiscardStringContext (toJSON value));
  short = value: substring 0 8 (hash value);

  identity = object: "${object.metadata.namespace or ""}/${object.metadata.name}";

  # Nulls mean "not set" wherever a module wrote them.
  withoutNulls =
    value:
    if isAttrs value then
      mapAttrs (_: withoutNulls) (
        removeAttrs value (filter (name: value.${name} == null) (attrNames value))
      )
    else if isList value then
      map withoutNulls value
    else
      value;

  checksum =
    hashes: object: template:
    let
      namespace = object.metadata.namespace or "";
      read = filter (found: found.kind == "ConfigMap" && hashes ? "${namespace}/${found.name}") (
        podSpec "" template.spec
      );
      names = attrNames (
        listToAttrs (
          map (found: {
            inherit (found) name;
            value = null;
          }) read
        )
      );
    in
    if read == [ ] then
      template
    else
      template
      // {
        metadata = (template.metadata or { }) // {
          annotations = (template.metadata.annotations or { }) // {
            "mlops-nix.dev/config-checksum" = substring 0 16 (
              hashString "sha256" (concatStringsSep " " (map (name: hashes."${namespace}/${name}") names))
            );
          };
        };
      };

  renameJob =
    object:
    object
    // {
      metadata = object.metadata // {
        name = "${substring 0 54 object.metadata.name}-${short object.spec.template}";
      };
    };
in
{
  inherit withoutNulls;

  /**
    Marked objects as they may leave: pods carry a checksum of the ConfigMaps that they read, Jobs a hash of
    their template in their name, notes are gone.

    # Type

    ```
    finalise :: [Object] -> [Object]
    ```
  */
  finalise =
    objects:
    let
      configMaps = filter (object: object.kind == "ConfigMap") objects;
      hashes = listToAttrs (
        map (object: {
          name = identity object;
          value = hash {
            data = object.data or { };
            binary = object.binaryData or { };
          };
        }) configMaps
      );
      one =
        object:
        let
          summed =
            if
              configMaps == [ ]
              || templateOf object == null
              || object.kind == "Job" && !((note object).hashed or false)
            then
              object
            else
              mapTemplate (checksum hashes object) object;
          named = if (note object).hashed or false then renameJob summed else summed;
        in
        named;
    in
    map one objects;

  inherit key note plain;
}
