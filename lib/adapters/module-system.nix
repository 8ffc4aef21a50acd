# The declarations of the builders as options of nixpkgs' module system. Values that pass its types go to the
# builder as they are, so both say the same about them.
{ self }:
{ lib, ... }:
let
  inherit (builtins)
    attrNames
    concatMap
    filter
    intersectAttrs
    isAttrs
    listToAttrs
    mapAttrs
    ;

  builders = builtins.removeAttrs (mapAttrs (_: value: value) (
    builtins.intersectAttrs self.reference self
  )) [ "mkPlatform" ];

  unset = "__mlops-nix-unset";

  # A type of nixpkgs with our predicate and our message.
  typeOf =
    type:
    lib.mkOptionType {
      name = "mlops-nix";
      description = type.name;
      check = value: value == unset || value == null || type.accepts value;
      merge =
        loc: definitions:
        if builtins.length definitions == 1 then
          (builtins.head definitions).value
        else
          lib.mergeEqualOption loc definitions;
    };

  optionOf =
    field:
    if field.kind == "section" then
      mapAttrs (_: optionOf) field.fields
    else
      lib.mkOption (
        {
          type = typeOf field.declaration.type;
          inherit (field.declaration) description;
          default = unset;
          defaultText = lib.literalExpression (
            if field.declaration ? defaultText then
              field.declaration.defaultText
            else if field.declaration ? default then
              lib.generators.toPretty { } field.declaration.default
            else if field.required then
              "required"
            else
              "derived"
          );
        }
        // intersectAttrs { example = null; } field.declaration
      );

  # What the user did not set is left to the builder.
  given =
    value:
    if isAttrs value && !(value ? _type) then
      let
        kept = filter (name: value.${name} != unset && name != "_module") (attrNames value);
        inner = listToAttrs (
          map (name: {
            inherit name;
            value = given value.${name};
          }) kept
        );
      in
      removeEmpty value inner
    else
      value;

  removeEmpty =
    original:
    inner:
    builtins.removeAttrs inner (
      filter (name: inner.${name} == { } && original.${name} != { }) (attrNames inner)
    );

  submoduleOf =
    builder:
    lib.types.submodule (
      { name, ... }:
      {
        options = mapAttrs (_: optionOf) builder.compiled.fields // {
          enable = lib.mkEnableOption "this component" // {
            default = true;
          };
        };
        config = lib.mkIf (builder.compiled.fields ? name) { name = lib.mkDefault name; };
      }
    );
in
{
  options.mlops =
    mapAttrs (
      _: builder:
      lib.mkOption {
        type = lib.types.attrsOf (submoduleOf builder);
        default = { };
        description = builder.summary;
      }
    ) builders
    // {
      components = lib.mkOption {
        type = lib.types.attrsOf lib.types.raw;
        readOnly = true;
        description = "The components that the options above make.";
      };
    };
}
