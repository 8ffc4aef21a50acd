# The declarations of the builders as options of nixpkgs' module system. Types and messages are ours, so a value
# that passes here passes the builder, and what the user leaves out is left to the builder's own defaults.
{ self }:
{ lib, config, ... }:
let
  inherit (builtins)
    attrNames
    concatMap
    filter
    head
    intersectAttrs
    isAttrs
    length
    listToAttrs
    mapAttrs
    removeAttrs
    ;

  builders = removeAttrs (intersectAttrs self.reference self) [ "mkPlatform" ];

  # Stands for "the user said nothing"; it never reaches a builder.
  unset = "__mlops-nix-unset";

  literal = text: {
    _type = "literalExpression";
    inherit text;
  };

  typeOf =
    type:
    lib.mkOptionType {
      name = "mlops-nix";
      description = type.name;
      check = value: value == unset || value == null || type.accepts value;
      merge =
        location: definitions:
        if length definitions == 1 then
          (head definitions).value
        else
          lib.mergeEqualOption location definitions;
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
          defaultText = literal (
            field.declaration.defaultText or (
              if field.required then
                "required"
              else
                lib.generators.toPretty { } (field.declaration.default or null)
            )
          );
        }
        // intersectAttrs { example = null; } field.declaration
      );

  # A section that an endpoint may stand for is one option: an endpoint, or the section's own options.
  wired =
    field:
    lib.mkOption {
      type = lib.mkOptionType {
        name = "mlops-nix";
        description = "endpoint, or its options";
        check = value: value == unset || field.accepts value;
        merge =
          location: definitions:
          if length definitions == 1 then
            (head definitions).value
          else
            lib.mergeEqualOption location definitions;
      };
      default = unset;
      defaultText = literal "derived";
      description = "An endpoint of another component, or ${lib.concatStringsSep ", " (attrNames field.fields)}.";
    };

  declared =
    fields:
    mapAttrs (
      _: field:
      if field.kind == "section" && (field.protocols != [ ] || field.freeform) then
        wired field
      else if field.kind == "section" then
        declared field.fields
      else
        optionOf field
    ) fields;

  # The arguments that the user gave, at every level.
  given =
    fields: values:
    listToAttrs (
      concatMap (
        name:
        let
          field = fields.${name};
          value = values.${name};
          nested = field.kind == "section" && field.protocols == [ ] && !field.freeform;
          inner = given field.fields value;
        in
        if nested then
          if inner == { } then
            [ ]
          else
            [
              {
                inherit name;
                value = inner;
              }
            ]
        else if value == unset then
          [ ]
        else
          [ { inherit name value; } ]
      ) (filter (name: values ? ${name}) (attrNames fields))
    );

  instance =
    builder:
    lib.types.submodule (
      { name, ... }:
      {
        options = declared builder.compiled.fields // {
          enable = lib.mkOption {
            type = lib.types.bool;
            default = true;
            description = "Whether the component is part of the platform.";
          };
        };
        config = lib.optionalAttrs (builder.compiled.fields ? name) {
          name = lib.mkDefault name;
        };
      }
    );

  # mkMLflowTracking -> MLflowTracking
  short = name: lib.removePrefix "mk" name;

  components = lib.foldl' (
    all: builder:
    all
    // mapAttrs (_: values: self.${builder} (given self.${builder}.compiled.fields values)) (
      lib.filterAttrs (_: values: values.enable) config.mlops.${short builder}
    )
  ) { } (attrNames builders);

  platformFields = removeAttrs self.mkPlatform.compiled.fields [ "components" ];
in
{
  options.mlops =
    lib.mapAttrs' (name: builder: {
      name = short name;
      value = lib.mkOption {
        type = lib.types.attrsOf (instance builder);
        default = { };
        description = builder.summary;
      };
    }) builders
    // {
      platform = declared platformFields;
      components = lib.mkOption {
        type = lib.types.attrsOf lib.types.raw;
        default = { };
        description = "Components beside those of the options above, such as those of your own modules.";
      };
      result = lib.mkOption {
        type = lib.types.raw;
        readOnly = true;
        description = "The platform that all of it makes.";
      };
    };

  config.mlops.result = self.mkPlatform (
    given platformFields config.mlops.platform
    // {
      components = components // config.mlops.components;
    }
  );
}
