# One declaration of options, compiled once into everything that is made of it: the fast check, the
# explanation of what is wrong, the defaults, and the flat list that schema and reference are written from.
#
# A declaration is an attribute set whose leaves are `option { … }`; nesting is a section. A section that
# another component's endpoint may stand for is `section { wire; options; }`.
let
  inherit (builtins)
    all
    attrNames
    concatLists
    concatMap
    filter
    intersectAttrs
    isAttrs
    listToAttrs
    mapAttrs
    match
    removeAttrs
    ;
  inherit (import ../text/nearest.nix) nearest;
  describe = import ./describe.nix;
  inherit (describe) found join position;

  optionFields = {
    type = null;
    default = null;
    derive = null;
    defaultText = null;
    description = null;
    example = null;
  };

  /**
    Declare one option.

    # Inputs

    `type`: one of `types`
    `description`: what it does, one or two sentences
    `default`: value when it is left out; without `default` and `derive` the option is required
    `derive`: `{ config, settings, … } -> value`, a default that depends on other options
    `defaultText`: `derive` in words, for the reference
    `example`: a value for the reference

    # Type

    ```
    option :: { type, description, default ?, derive ?, defaultText ?, example ? } -> Option
    ```

    # Examples

    ```nix
    option { type = types.positiveInt; default = 1; description = "Web server replicas."; }
    ```
  */
  option = fields: fields // { _type = "option"; };

  /**
    Declare a section that is more than nesting: one that a wired endpoint can stand for
    (`backend = postgres.endpoints.sql`), that accepts names of the user's own, or whose options must agree.

    # Inputs

    `options`: the declaration of the section
    `wire`: per protocol, a function of the endpoint giving the section's own options
    `freeform`: type of the values of names that are not declared, or null
    `verify`: path -> arguments -> problems, asked when every option by itself is right
    `needed`: arguments around the section -> whether it must be given, where that depends on them
    `finish`: filled section -> value, what the module sees

    # Type

    ```
    section :: { options, wire ? {}, freeform ? null, verify ? null, needed ? null, finish ? null } -> Section
    ```
  */
  section = fields: fields // { _type = "section"; };

  isOption = declaration: declaration._type or null == "option";

  declarationErrors =
    path: declaration:
    if isOption declaration then
      let
        unknown = attrNames (removeAttrs declaration (attrNames optionFields ++ [ "_type" ]));
        type = declaration.type or { };
      in
      if !(declaration ? type) then
        [ "${path}: an option needs a type" ]
      else if type._type or null != "type" then
        [ "${path}.type: expected one of `types`, found ${found type}" ]
      else if !(declaration ? description) then
        [ "${path}: an option needs a description" ]
      else if unknown != [ ] then
        map (name: "${path}.${name}: not a field of an option") unknown
      else if declaration ? derive && !(builtins.isFunction declaration.derive) then
        [
          "${path}.derive: expected a function of { config, settings, … }, found ${found declaration.derive}"
        ]
      else if
        declaration ? default && declaration.default != null && !(type.accepts declaration.default)
      then
        map (problem: "${problem.path}: the default is wrong: ${problem.message}") (
          type.explain "${path}.default" declaration.default
        )
      else
        [ ]
    else if declaration._type or null == "section" then
      let
        unknown = attrNames (
          removeAttrs declaration (
            attrNames sectionFields
            ++ [
              "_type"
              "options"
            ]
          )
        );
      in
      if !(declaration ? options) then
        [ "${path}: a section needs options" ]
      else if unknown != [ ] then
        map (name: "${join path name}: not a field of a section") unknown
      else
        declarationErrors path declaration.options
    else if isAttrs declaration then
      concatMap (name: declarationErrors (join path name) declaration.${name}) (attrNames declaration)
    else
      [ "${path}: expected an option or a section of options, found ${found declaration}" ];

  # Words of secrets that people write into their configuration.
  secretWord = ".*([Pp]assword|[Pp]asswd|[Tt]oken|[Aa]ccessKey|[Ss]ecretKey|[Ss]ecretAccessKey|[Aa]piKey|[Cc]lientSecret|[Pp]rivateKey|^secret).*";

  compile =
    declaration:
    if isOption declaration then
      compileOption declaration
    else if declaration._type or null == "section" then
      compileSection (sectionFields // declaration)
    else
      compileSection (sectionFields // { options = declaration; });

  sectionFields = {
    wire = { };
    freeform = null;
    verify = null;
    needed = null;
    finish = null;
  };

  compileOption =
    declaration:
    let
      inherit (declaration) type;
      # A null default means "not set", and saying so is allowed.
      nullable = declaration ? default && declaration.default == null;
    in
    {
      kind = "option";
      accepts = if nullable then v: v == null || type.accepts v else type.accepts;
      inherit (type) explain;
      convert =
        if type.convert == null then
          null
        else if nullable then
          v: if v == null then null else type.convert v
        else
          type.convert;
      required = !(declaration ? default || declaration ? derive);
      inherit declaration;
      schema = type.schema;
    };

  compileSection =
    {
      options,
      wire,
      freeform,
      verify,
      needed,
      finish,
      ...
    }:
    let
      fields = mapAttrs (_: compile) options;
      names = attrNames options;
      ofKind = kind: filter (name: fields.${name}.kind == kind) names;
      pick =
        chosen:
        intersectAttrs (listToAttrs (
          map (name: {
            inherit name;
            value = null;
          }) chosen
        )) fields;
      leaves = pick (ofKind "option");
      sections = pick (ofKind "section");

      checks = mapAttrs (_: field: field.accepts) fields;
      undeclared = if freeform == null then _: false else freeform.accepts;
      requiredNames = filter (name: fields.${name}.required) names;
      requiredSet = pick requiredNames;
      # Sections that other arguments make necessary.
      dependent = filter (name: fields.${name}.needed or null != null) names;
      lacking = args: filter (name: !(args ? ${name}) && fields.${name}.needed args) dependent;

      defaults = mapAttrs (
        _: field:
        let
          value = field.declaration.default;
        in
        if field.convert == null || value == null then value else field.convert value
      ) (pick (filter (name: leaves.${name}.declaration ? default) (attrNames leaves)));
      derived = mapAttrs (_: field: field.declaration.derive) (
        pick (filter (name: leaves.${name}.declaration ? derive) (attrNames leaves))
      );
      converters = mapAttrs (_: field: field.convert) (
        pick (filter (name: leaves.${name}.convert != null) (attrNames leaves))
      );

      # An endpoint in place of the section becomes the options that it stands for.
      wired = wire != { };
      unwire =
        args:
        if wired && args._type or null == "endpoint" && wire ? ${args.protocol} then
          wire.${args.protocol} args
        else
          args;

      plainAccepts =
        args:
        isAttrs args
        && all (name: (checks.${name} or undeclared) args.${name}) (attrNames args)
        && attrNames (intersectAttrs requiredSet args) == requiredNames
        && (dependent == [ ] || lacking args == [ ])
        && (verify == null || verify "" args == [ ]);

      explainUnknown =
        path: args: name:
        let
          near = nearest name names;
          references = filter (sibling: sibling == "secretRef" || sibling == "credentials") names;
          reference = builtins.head references;
          fieldsOf = leaves.${reference}.declaration.type.fields or { };
          message =
            if match secretWord name != null && references != [ ] then
              "secrets do not belong in Nix; use ${join path reference} = { name = \"…\";${
                if fieldsOf ? key then " key = \"…\";" else ""
              } }"
            else
              "unknown option"
              + (
                if near != null then
                  "; did you mean ${join path near}?"
                else
                  "; known here: ${builtins.concatStringsSep ", " names}"
              );
        in
        [
          {
            path = join path name;
            inherit message;
            position = position name args;
          }
        ];

      explain =
        path: given:
        let
          args = unwire given;
        in
        if !isAttrs args then
          [
            {
              inherit path;
              message = "expected an attribute set, found ${found args}";
            }
          ]
        else if args ? _type then
          [
            {
              inherit path;
              message =
                if args._type == "endpoint" && wired then
                  "expected an endpoint that speaks ${builtins.concatStringsSep " or " (attrNames wire)}, found ${args.component}.endpoints.${args.name}, which speaks ${args.protocol}"
                else if args._type == "component" && wired then
                  "expected an endpoint, found the component ${args.name}; did you mean one of its endpoints (${builtins.concatStringsSep ", " (attrNames args.endpoints)})?"
                else
                  "expected an attribute set, found ${found args}";
            }
          ]
        else
          let
            inner = explainFields path args;
          in
          if inner == [ ] && verify != null then verify path args else inner;

      explainFields =
        path: args:
        concatMap (
          name:
          if !(fields ? ${name}) then
            if freeform == null then
              explainUnknown path args name
            else if freeform.accepts args.${name} then
              [ ]
            else
              map (problem: { position = position name args; } // problem) (
                freeform.explain (join path name) args.${name}
              )
          else if fields.${name}.accepts args.${name} then
            [ ]
          else
            let
              where = position name args;
            in
            map (problem: { position = where; } // problem) (
              fields.${name}.explain (join path name) args.${name}
            )
        ) (attrNames args)
        ++ concatMap (name: missing (join path name) fields.${name}) (
          filter (name: !(args ? ${name})) requiredNames ++ lacking args
        );

      # A required section that was left out: name the options in it.
      missing =
        path: field:
        if field.kind == "section" then
          field.explain path { }
        else
          [
            {
              inherit path;
              message = "required option is missing; expected ${field.declaration.type.expected}";
            }
          ];

      fill =
        context: given:
        let
          args = unwire given;
        in
        end (
          defaults
          // mapAttrs (_: derive: derive context) derived
          // args
          // mapAttrs (name: value: converters.${name} value) (intersectAttrs converters args)
          // free args
          // mapAttrs (name: field: field.fill context (args.${name} or { })) sections
        );
      end = if finish == null then filled: filled else finish;
      free =
        if freeform == null || freeform.convert == null then
          _: { }
        else
          args: mapAttrs (_: freeform.convert) (removeAttrs args names);
    in
    {
      kind = "section";
      inherit needed;
      accepts = if wired then args: plainAccepts (unwire args) else plainAccepts;
      inherit
        explain
        fill
        fields
        unwire
        ;
      required = requiredNames != [ ];
      protocols = attrNames wire;
      freeform = freeform != null;
      schema = {
        type = "object";
        additionalProperties = if freeform == null then false else freeform.schema;
        properties = mapAttrs (_: documentedSchema) fields;
      }
      // (if requiredNames == [ ] then { } else { required = requiredNames; });
    };

  documentedSchema =
    field:
    if field.kind == "section" then
      field.schema
    else
      let
        inherit (field) declaration;
        nullable = declaration ? default && declaration.default == null;
      in
      (
        if nullable then
          {
            anyOf = [
              field.schema
              { type = "null"; }
            ];
          }
        else
          field.schema
      )
      // {
        inherit (declaration) description;
      }
      // (
        if declaration ? default && declaration.default != null then
          { inherit (declaration) default; }
        else
          { }
      );

  /**
    Every option of a compiled declaration with its full path, in the order of the paths.

    # Type

    ```
    flatten :: CompiledSection -> [{ path, type, description, required, default ?, defaultText ?, example ? }]
    ```
  */
  flatten =
    let
      walk =
        path: field:
        if field.kind == "section" then
          concatLists (map (name: walk (join path name) field.fields.${name}) (attrNames field.fields))
        else
          [
            (
              {
                inherit path;
                type = field.declaration.type.name;
                inherit (field.declaration) description;
                inherit (field) required;
              }
              // intersectAttrs {
                default = null;
                defaultText = null;
                example = null;
              } field.declaration
            )
          ];
    in
    walk "";

  /**
    A type for a nested attribute set with options of its own, as an element of a list or a set.
    `derive` of its options sees the filled set itself as `config`.

    # Type

    ```
    submodule :: { options :: Declaration, wire ? {} } -> Type
    ```

    # Examples

    ```nix
    types.listOf (submodule { options = { name = option { … }; weight = option { … }; }; })
    ```
  */
  submodule =
    {
      name ? "attribute set",
      options,
      wire ? { },
    }:
    let
      compiled = compileSection (sectionFields // { inherit options wire; });
    in
    {
      _type = "type";
      inherit name;
      container = "set";
      expected = "an attribute set with ${builtins.concatStringsSep ", " (attrNames options)}";
      inherit (compiled) accepts explain schema;
      convert =
        args:
        let
          config = compiled.fill { inherit config; } args;
        in
        config;
      inherit (compiled) fields;
    };
in
{
  inherit
    compile
    declarationErrors
    flatten
    option
    section
    submodule
    ;
}
