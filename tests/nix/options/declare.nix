# What a declaration of options becomes: a check that reports everything at once, defaults at every level, what stands for what.
{ root }:
let
  inherit (builtins) head map match;
  options = import (root + "/lib/options") {
    fragments = ((import (root + "/lib/schema") { }).forVersion "1.36").fragment;
  };
  inherit (options)
    compile
    declarationErrors
    describe
    flatten
    option
    section
    types
    ;

  text =
    fields:
    option (
      {
        type = types.string;
        description = "Text.";
      }
      // fields
    );

  server = compile {
    namespace = text { type = types.dnsLabel; };
    ui = {
      replicas = option {
        type = types.positiveInt;
        default = 1;
        description = "Replicas.";
      };
      port = option {
        type = types.port;
        derive = { config, ... }: 5000 + config.ui.replicas;
        defaultText = "5000 and the replicas";
        description = "Port.";
      };
      size = option {
        type = types.quantity;
        default = 2;
        description = "Size.";
      };
    };
    note = text { default = null; };
  };

  database = section {
    wire.sql = endpoint: {
      inherit (endpoint) host;
      user = endpoint.username;
    };
    options = {
      host = text { };
      user = text { default = "app"; };
      secretRef = option {
        type = types.secretRef "password";
        default = null;
        description = "Password.";
      };
    };
  };
  wired = compile { inherit database; };
  endpoint = {
    _type = "endpoint";
    component = "postgres";
    name = "sql";
    protocol = "sql";
    host = "postgres.data.svc";
    username = "mlflow";
  };

  fill = compiled: args: compiled.fill { config = fill compiled args; } args;
  says = compiled: args: map (found: "${found.path}: ${found.message}") (compiled.explain "" args);

  # A test of both: what is refused has an explanation, what is accepted has none.
  refused = compiled: args: messages: {
    expr = {
      accepted = compiled.accepts args;
      said = says compiled args;
    };
    expected = {
      accepted = false;
      said = messages;
    };
  };
  accepted = compiled: args: {
    expr = {
      accepted = compiled.accepts args;
      said = says compiled args;
    };
    expected = {
      accepted = true;
      said = [ ];
    };
  };
in
{
  checks = {
    testWhatIsRequiredIsEnough = accepted server { namespace = "ml"; };
    testAllProblemsAtOnce =
      refused server
        {
          ui.replicas = 0;
          ui.prot = 1;
          nam = "x";
          note = 5;
        }
        [
          "nam: unknown option; did you mean namespace?"
          "note: expected a string, found 5"
          "ui.prot: unknown option; did you mean ui.port?"
          "ui.replicas: expected an integer ≥ 1, found 0"
          "namespace: required option is missing; expected lower-case letters, digits and '-' of at most 63 characters"
        ];
    testListInPlaceOfASection = refused server {
      namespace = "ml";
      ui = [ ];
    } [ "ui: expected an attribute set, found an empty list" ];
    testNothingLikeOptions = refused server null [ ": expected an attribute set, found null" ];
    testPositionOfTheUsersAttribute = {
      expr =
        match ".*declare[.]nix:[0-9]+:[0-9]+" (head (server.explain "" { nam = 1; })).position != null;
      expected = true;
    };
    testNoPositionOfComputedSets = {
      expr = (head (server.explain "" (builtins.fromJSON "{\"nam\": 1}"))).position;
      expected = null;
    };
    testReportIsALinePerProblemWithItsPlace = {
      expr = describe.report "mkX" [
        {
          path = "a.b";
          message = "is wrong";
          position = "f.nix:1:2";
        }
        {
          path = "";
          message = "is empty";
        }
      ];
      expected = "mkX: a.b: is wrong\n  at f.nix:1:2\nmkX: is empty";
    };
  };

  nulls = {
    testNullSaysNotSetWhereTheDefaultIsNull = accepted server {
      namespace = "ml";
      note = null;
    };
    testNullIsNoValueOfOtherOptions =
      refused server
        {
          namespace = null;
          ui.replicas = null;
        }
        [
          "namespace: expected lower-case letters, digits and '-' of at most 63 characters, found null"
          "ui.replicas: expected an integer ≥ 1, found null"
        ];
    testNullIsNotConverted = {
      expr = fill (compile {
        size = option {
          type = types.quantity;
          default = null;
          description = "Size.";
        };
      }) { size = null; };
      expected.size = null;
    };
  };

  defaults = {
    testAreMergedAtEveryLevel = {
      expr = fill server {
        namespace = "ml";
        ui.replicas = 3;
      };
      expected = {
        namespace = "ml";
        note = null;
        ui = {
          replicas = 3;
          port = 5003;
          size = "2";
        };
      };
    };
    testDerivedOnesGiveWay =
      accepted server {
        namespace = "ml";
        ui.port = 80;
      }
      // {
        expr =
          (fill server {
            namespace = "ml";
            ui.port = 80;
          }).ui.port;
        expected = 80;
      };
    testAreConvertedAsValuesAre = {
      expr = (fill server { namespace = "ml"; }).ui.size;
      expected = "2";
    };
  };

  wires = {
    testEndpointStandsForTheSection = accepted wired { database = endpoint; };
    testEndpointGivesTheOptions = {
      expr = fill wired { database = endpoint; };
      expected.database = {
        host = "postgres.data.svc";
        user = "mlflow";
        secretRef = null;
      };
    };
    testOptionsStillWork = {
      expr = (fill wired { database.host = "db"; }).database;
      expected = {
        host = "db";
        user = "app";
        secretRef = null;
      };
    };
    testEndpointOfAnotherProtocol =
      refused wired
        {
          database = endpoint // {
            protocol = "s3";
          };
        }
        [
          "database: expected an endpoint that speaks sql, found postgres.endpoints.sql, which speaks s3"
        ];
    testComponentInPlaceOfItsEndpoint =
      refused wired
        {
          database = {
            _type = "component";
            name = "postgres";
            endpoints.sql = endpoint;
          };
        }
        [
          "database: expected an endpoint, found the component postgres; did you mean one of its endpoints (sql)?"
        ];
    testEndpointWhereNoneIsTaken = refused server {
      namespace = "ml";
      ui = endpoint;
    } [ "ui: expected an attribute set, found an endpoint" ];
    testRequiredSectionThatWasLeftOut = refused wired { } [
      "database.host: required option is missing; expected a string"
    ];
  };

  secrets = {
    testSecretInTheConfiguration =
      refused wired
        {
          database = {
            host = "db";
            password = "x";
          };
        }
        [
          "database.password: secrets do not belong in Nix; use database.secretRef = { name = \"…\"; key = \"…\"; }"
        ];
    testTheReferenceThatIsThereIsNamed =
      refused
        (compile {
          store.credentials = option {
            type = types.accessKeyRef;
            default = null;
            description = "Keys.";
          };
        })
        { store.secretAccessKey = "x"; }
        [
          "store.secretAccessKey: secrets do not belong in Nix; use store.credentials = { name = \"…\"; }"
        ];
    testWithoutAReferenceItIsAnUnknownOption = refused server {
      namespace = "ml";
      password = "x";
    } [ "password: unknown option; known here: namespace, note, ui" ];
  };

  sections = {
    testFreeNamesHaveAType =
      refused
        (compile {
          limits = section {
            freeform = types.quantity;
            options.cpu = option {
              type = types.quantity;
              default = "1";
              description = "CPU.";
            };
          };
        })
        {
          limits = {
            "nvidia.com/gpu" = 1;
            memory = true;
          };
        }
        [ "limits.memory: expected a quantity as Kubernetes writes it (500m, 2, 10Gi), found true" ];
    testFreeNamesAreConverted = {
      expr = fill (compile {
        limits = section {
          freeform = types.quantity;
          options = { };
        };
      }) { limits."nvidia.com/gpu" = 1; };
      expected.limits."nvidia.com/gpu" = "1";
    };
    testVerifyIsAskedWhenEachOptionIsRight = {
      expr =
        let
          range = compile {
            range = section {
              verify = path: args: [
                {
                  path = "${path}.from";
                  message = "is above ${path}.to";
                }
              ];
              options = {
                from = option {
                  type = types.int;
                  description = "From.";
                };
                to = option {
                  type = types.int;
                  description = "To.";
                };
              };
            };
          };
        in
        {
          right = says range {
            range = {
              from = 2;
              to = 1;
            };
          };
          wrong = says range {
            range = {
              from = "2";
              to = 1;
            };
          };
        };
      expected = {
        right = [ "range.from: is above range.to" ];
        wrong = [ "range.from: expected an integer, found the string \"2\"" ];
      };
    };
    testFinishIsWhatTheModuleSees = {
      expr = fill (compile {
        pair = section {
          finish = filled: "${filled.a}-${filled.b}";
          options = {
            a = text { default = "x"; };
            b = text { default = "y"; };
          };
        };
      }) { pair.b = "z"; };
      expected.pair = "x-z";
    };
    testSubmoduleDerivesFromItself = {
      expr =
        (types.submodule {
          options = {
            name = text { };
            host = text { derive = { config, ... }: "${config.name}.svc"; };
          };
        }).convert
          { name = "db"; };
      expected = {
        name = "db";
        host = "db.svc";
      };
    };
    testSubmoduleTakesAWire = {
      expr =
        let
          type = types.submodule {
            wire.sql = endpoint: { inherit (endpoint) host; };
            options.host = text { };
          };
        in
        {
          accepted = type.accepts endpoint;
          value = type.convert endpoint;
        };
      expected = {
        accepted = true;
        value.host = "postgres.data.svc";
      };
    };
  };

  schemas = {
    testOfADeclaration = {
      expr = server.schema;
      expected = {
        type = "object";
        additionalProperties = false;
        required = [ "namespace" ];
        properties = {
          namespace = types.dnsLabel.schema // {
            description = "Text.";
          };
          note = {
            anyOf = [
              { type = "string"; }
              { type = "null"; }
            ];
            description = "Text.";
          };
          ui = {
            type = "object";
            additionalProperties = false;
            properties = {
              port = types.port.schema // {
                description = "Port.";
              };
              replicas = {
                type = "integer";
                minimum = 1;
                default = 1;
                description = "Replicas.";
              };
              size = types.quantity.schema // {
                default = 2;
                description = "Size.";
              };
            };
          };
        };
      };
    };
    testOfFreeNames = {
      expr =
        (compile (section {
          freeform = types.int;
          options = { };
        })).schema;
      expected = {
        type = "object";
        additionalProperties.type = "integer";
        properties = { };
      };
    };
    testFlatListOfAllOptions = {
      expr = flatten server;
      expected = [
        {
          path = "namespace";
          type = "DNS label";
          description = "Text.";
          required = true;
        }
        {
          path = "note";
          type = "string";
          description = "Text.";
          required = false;
          default = null;
        }
        {
          path = "ui.port";
          type = "port";
          description = "Port.";
          required = false;
          defaultText = "5000 and the replicas";
        }
        {
          path = "ui.replicas";
          type = "integer ≥ 1";
          description = "Replicas.";
          required = false;
          default = 1;
        }
        {
          path = "ui.size";
          type = "quantity";
          description = "Size.";
          required = false;
          default = 2;
        }
      ];
    };
  };

  # Mistakes in a declaration itself.
  declarations = {
    testEveryMistakeIsNamed = {
      expr = declarationErrors "" {
        noType = option { description = "x"; };
        noDescription = option { type = types.int; };
        notAType = option {
          type = "string";
          description = "x";
        };
        forgottenArgument = option {
          type = types.listOf;
          description = "x";
        };
        unknownField = option {
          type = types.int;
          description = "x";
          defualt = 1;
        };
        wrongDefault = option {
          type = types.port;
          default = "80";
          description = "x";
        };
        deep.wrong = option {
          type = types.listOf types.int;
          default = [ "1" ];
          description = "x";
        };
        notAFunction = option {
          type = types.int;
          derive = 5;
          description = "x";
        };
        plain = 5;
        inSection = section { options.a = option { type = types.int; }; };
        emptySection = section { };
        strangeSection = section {
          options = { };
          freefrom = types.int;
        };
      };
      expected = [
        "deep.wrong.default[0]: the default is wrong: expected an integer, found the string \"1\""
        "emptySection: a section needs options"
        "forgottenArgument.type: expected one of `types`, found a function"
        "inSection.a: an option needs a description"
        "noDescription: an option needs a description"
        "noType: an option needs a type"
        "notAFunction.derive: expected a function of { config, settings, … }, found 5"
        "notAType.type: expected one of `types`, found the string \"string\""
        "plain: expected an option or a section of options, found 5"
        "strangeSection.freefrom: not a field of a section"
        "unknownField.defualt: not a field of an option"
        "wrongDefault.default: the default is wrong: expected a port (1-65535), found the string \"80\""
      ];
    };
    testNullDefaultIsNeverWrong = {
      expr = declarationErrors "" {
        a = option {
          type = types.int;
          default = null;
          description = "x";
        };
      };
      expected = [ ];
    };
  };
}
