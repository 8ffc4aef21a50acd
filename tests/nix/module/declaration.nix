# Mistakes in the declaration of a module: errors that name the module and the field.
{ mlops, root }:
let
  inherit (mlops) mkModule option types;
  echo = import (root + "/tests/echo.nix") { inherit mlops; };
  says = expr: msg: {
    inherit expr;
    expectedError.msg = msg;
  };
  declared = fields: (mkModule (echo.declaration // fields)).builder;
in
{
  testAllMistakesAtOnce =
    says
      (mkModule {
        summary = "x";
        optoins = { };
        rendr = _: [ ];
      }).builder
      "mkModule (without name): name: required field is missing
       mkModule (without name): options: required field is missing
       mkModule (without name): render: required field is missing
       mkModule (without name): optoins: unknown field; did you mean options?
       mkModule (without name): rendr: unknown field; did you mean render?";
  testNoSetAtAll = says (mkModule 5).builder "mkModule: expected an attribute set with name, summary, options and render, found 5";
  testNameOfAnotherKind = says (declared {
    name = 5;
  }) "mkModule (without name): name: expected a string, found 5";
  testOptionWithoutTypeAndOneWithoutDescription =
    says
      (declared {
        options = echo.options // {
          a = option { description = "x"; };
          b = option { type = types.int; };
        };
      })
      "mkModule echo: options.a: an option needs a type
       mkModule echo: options.b: an option needs a description";
  testDefaultOfTheWrongType =
    says
      (declared {
        options = echo.options // {
          deep.size = option {
            type = types.quantity;
            default = "10GB";
            description = "x";
          };
        };
      })
      "mkModule echo: options.deep.size.default: the default is wrong: the string \"10GB\" is not a quantity; did you mean 10G or 10Gi?";
  testOptionsThatAreNone = says (declared {
    options = 5;
  }) "mkModule echo: options: expected an option or a section of options, found 5";
  testEveryModuleHasANameAndANamespace =
    says
      (declared {
        options.replicas = echo.options.replicas;
      })
      "mkModule echo: options.name: every module declares it
       mkModule echo: options.namespace: every module declares it";
  testRenderThatIsNoFunction = says (declared {
    render = [ ];
  }) "mkModule echo: render: expected a function of the scope, found an empty list";
  testRenderThatGivesASet =
    says (echo.mkLike { render = _: { kind = "Service"; }; } { }).objects
      "mkEcho echo: render: expected a list of objects, found an attribute set (kind)";
  testLineOfAVersionThatIsNotThere = says (declared {
    lines."2".version = "2.0";
  }) "mkModule echo: lines.\"2\".version: no version of that name; there are: 1.0, 1.1";
  testDefaultVersionThatIsNotThere = says (declared {
    defaultVersion = "3.0";
  }) "mkModule echo: defaultVersion: no version of the name 3.0; there are: 1.0, 1.1";
  testObjectThatTheSchemaRefuses =
    says
      (echo.mkLike {
        render =
          { k8s, name, ... }:
          [
            (k8s.service {
              inherit name;
              ports.http = 80;
              spec.sesionAffinity = "None";
            })
          ];
      } { }).objects
      "mkEcho echo: Service apps/echo: spec.sesionAffinity: unknown field; did you mean sessionAffinity?";

  testBuilderIsNamedAfterTheModule = {
    expr = map (name: (echo.mkLike { inherit name; }).builder) [
      "label-studio"
      "echo"
      "x2y"
    ];
    expected = [
      "mkLabelStudio"
      "mkEcho"
      "mkX2y"
    ];
  };
  # Own modules get what the library's have: reference, JSON Schema, versions.
  testReferenceOfAnOwnModule = {
    expr =
      let
        inherit (echo.mkEcho) reference schema;
      in
      {
        inherit (reference)
          builder
          module
          summary
          kind
          ;
        versions = map (version: "${version.version} ${toString version.default}") reference.versions;
        added = builtins.filter (path: !(echo.options ? ${path})) (
          builtins.filter (path: builtins.match "[a-z]*" path != null) (
            map (option: option.path) reference.options
          )
        );
        inherit (schema) title additionalProperties;
        required = schema.required or [ ];
        replicas = schema.properties.replicas;
      };
    expected = {
      builder = "mkEcho";
      module = "echo";
      summary = "Says what it hears";
      kind = "component";
      versions = [
        "1.1 1"
        "1.0 "
      ];
      added = [
        "annotations"
        "image"
        "labels"
        "patches"
        "version"
      ];
      title = "mkEcho";
      additionalProperties = false;
      required = [ ];
      replicas = {
        type = "integer";
        minimum = 1;
        default = 1;
        description = "Replicas.";
      };
    };
  };
}
