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

  # Several definitions of one option: attribute sets are merged at every level, lists follow one another, everything else
  # must agree. A wire is one value.
  mergeValues =
    location: definitions:
    let
      values = map (definition: definition.value) definitions;
      every = is: builtins.all is values;
    in
    if length definitions == 1 then
      head values
    else if every (value: isAttrs value && !(value ? _type)) then
      mapAttrs (name: inner: mergeValues (location ++ [ name ]) inner) (
        lib.zipAttrs (
          map (
            definition:
            mapAttrs (_: value: {
              inherit (definition) file;
              inherit value;
            }) definition.value
          ) definitions
        )
      )
    else if every builtins.isList then
      builtins.concatLists values
    else
      lib.mergeEqualOption location definitions;

  typeOf =
    type:
    lib.mkOptionType {
      name = "mlops-nix";
      description = type.name;
      check = value: value == unset || value == null || type.accepts value;
      merge = mergeValues;
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
        merge = mergeValues;
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

  # name -> [{ from, component }], so that two components of one name are an error that names both places.
  declaredComponents = lib.zipAttrs (
    map (
      builder:
      mapAttrs (name: values: {
        from = "mlops.${short builder}.${name}";
        component = self.${builder} (given self.${builder}.compiled.fields values);
      }) (lib.filterAttrs (_: values: values.enable) config.mlops.${short builder})
    ) (attrNames builders)
    ++ [
      (mapAttrs (name: component: {
        from = "mlops.components.${name}";
        inherit component;
      }) config.mlops.components)
    ]
  );

  components = mapAttrs (
    name: found:
    if length found == 1 then
      (head found).component
    else
      throw "two components have the name ${name}: ${
        lib.concatStringsSep " and " (map (one: one.from) found)
      }; give one of them another name"
  ) declaredComponents;

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
        type = lib.types.lazyAttrsOf lib.types.raw;
        default = { };
        description = "Components beside those of the options above, such as those of your own modules.";
      };
      built = lib.mkOption {
        type = lib.types.raw;
        readOnly = true;
        description = "The components by name, to wire others to: `config.mlops.built.postgres.endpoints.sql`.";
      };
      result = lib.mkOption {
        type = lib.types.raw;
        readOnly = true;
        description = "The platform that all of it makes.";
      };
    };

  config.mlops.built = components;
  config.mlops.result = self.mkPlatform (
    given platformFields config.mlops.platform // { inherit components; }
  );
}
