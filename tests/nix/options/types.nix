# Every type: what it accepts, what it makes of it, and what it says about the rest. The values are in a file of their own, because
# tests/python/test_option_schemas.py holds the JSON Schema of each type against the same ones.
{ mlops }:
let
  inherit (builtins)
    attrNames
    concatMap
    filter
    fromJSON
    head
    listToAttrs
    map
    mapAttrs
    readFile
    ;
  inherit (mlops) option types;

  values = fromJSON (readFile ./values.json);

  # Types that take arguments, by an example of each.
  made = {
    listOf = types.listOf types.string;
    nonEmptyListOf = types.nonEmptyListOf types.string;
    attrsOf = types.attrsOf types.int;
    nullOr = types.nullOr types.port;
    oneOf = types.oneOf [
      types.int
      types.string
      (types.listOf types.string)
    ];
    enum = types.enum [
      "s3"
      "gcs"
      "azure"
    ];
    enumOfNumbers = types.enum [
      1
      2
    ];
    enumWith = types.enumWith { postgres = "postgresql"; } [
      "postgresql"
      "mysql"
    ];
    intBetween = types.intBetween 2 4;
    intFrom = types.intFrom 3;
    numberBetween = types.numberBetween 0 1;
    pattern = types.pattern {
      name = "letters";
      expected = "ab or cd";
      regex = "ab|cd";
    };
    dnsLabelWith = types.dnsLabelWith "-predictor-default";
    secretRef = types.secretRef "password";
    submodule = types.submodule {
      options = {
        weight = option {
          type = types.positiveInt;
          description = "Weight.";
        };
        note = option {
          type = types.string;
          default = null;
          description = "Note.";
        };
      };
    };
  };
  typeOf = name: made.${name} or types.${name};

  endpoint = {
    _type = "endpoint";
    component = "postgres";
    name = "sql";
    protocol = "sql";
    host = "postgres.data.svc";
    url = "postgresql://postgres.data.svc:5432";
  };
  component = {
    _type = "component";
    name = "postgres";
    endpoints.sql = endpoint;
  };

  # One test a type.
  eachType =
    make:
    listToAttrs (
      map (name: {
        name = "test-${name}";
        value = make name values.${name};
      }) (attrNames values)
    );

  says = type: value: map (found: "${found.path}: ${found.message}") (type.explain "o" value);
  message = type: value: {
    expr = says type value;
  };
in
{
  accepts = eachType (
    name: cases: {
      expr = filter (value: !((typeOf name).accepts value)) cases.good;
      expected = [ ];
    }
  );

  refuses = eachType (
    name: cases: {
      expr = filter (value: (typeOf name).accepts value) cases.bad;
      expected = [ ];
    }
  );

  # No message without a path, none for a good value of a container, one at least for a bad one.
  explains = eachType (
    name: cases: {
      expr = filter (value: says (typeOf name) value == [ ]) cases.bad;
      expected = [ ];
    }
  );

  everyType.testHasValues = {
    expr = filter (name: !(values ? ${name})) (attrNames types);
    # Those that only Nix has values of, and those that are no types.
    expected = [
      "component"
      "endpoint"
      "kubernetes"
      "mkType"
      "option"
      "section"
    ];
  };

  converts = {
    testQuantityToText = {
      expr = map types.quantity.convert [
        2
        0.5
        "500m"
      ];
      expected = [
        "2"
        "0.5"
        "500m"
      ];
    };
    testAliasToTheValue = {
      expr = map made.enumWith.convert [
        "postgres"
        "mysql"
      ];
      expected = [
        "postgresql"
        "mysql"
      ];
    };
    testListsAndSetsItemByItem = {
      expr = {
        list = (types.listOf types.quantity).convert [
          1
          "2Gi"
        ];
        set = (types.attrsOf types.quantity).convert { gpu = 1; };
        nested = (types.attrsOf (types.listOf types.quantity)).convert { a = [ 1 ]; };
      };
      expected = {
        list = [
          "1"
          "2Gi"
        ];
        set.gpu = "1";
        nested.a = [ "1" ];
      };
    };
    testNothingToConvertCostsNothing = {
      expr = map (type: type.convert) [
        types.string
        (types.listOf types.string)
        (types.attrsOf types.int)
        made.oneOf
        made.nullOr
      ];
      expected = [
        null
        null
        null
        null
        null
      ];
    };
    testNullStaysNull = {
      expr = (types.nullOr types.quantity).convert null;
      expected = null;
    };
    testTheAlternativeThatFitsConverts = {
      expr =
        map
          (types.oneOf [
            types.bool
            types.quantity
            (types.attrsOf types.quantity)
          ]).convert
          [
            true
            3
            { a = 1; }
          ];
      expected = [
        true
        "3"
        { a = "1"; }
      ];
    };
    testHostOfAnEndpoint = {
      expr = types.host.convert endpoint;
      expected = "postgres.data.svc";
    };
    testUrlOfAnEndpoint = {
      expr = types.urlOrEndpoint.convert endpoint;
      expected = "postgresql://postgres.data.svc:5432";
    };
    testSubmoduleFillsDefaults = {
      expr = made.submodule.convert { weight = 3; };
      expected = {
        weight = 3;
        note = null;
      };
    };
    testSecretReferenceHasItsKey = {
      expr = made.secretRef.convert { name = "db"; };
      expected = {
        name = "db";
        key = "password";
        copyOf = null;
      };
    };
    testAccessKeysHaveTheirUsualNames = {
      expr = types.accessKeyRef.convert { name = "s3"; };
      expected = {
        name = "s3";
        accessKey = "AWS_ACCESS_KEY_ID";
        secretKey = "AWS_SECRET_ACCESS_KEY";
        copyOf = null;
      };
    };
  };

  messages = {
    testWrongKindOfValue = message types.string 5 // {
      expected = [ "o: expected a string, found 5" ];
    };
    testEachKindOfValueIsNamed = {
      expr = concatMap (says types.port) [
        null
        (x: x)
        ./values.json
        true
        1.5
        [ ]
        [ 1 ]
        { }
        {
          a = 1;
          b = 2;
          c = 3;
          d = 4;
        }
        { type = "derivation"; }
        endpoint
        component
      ];
      expected = map (found: "o: expected a port (1-65535), found ${found}") [
        "null"
        "a function"
        "a path"
        "true"
        "1.5"
        "an empty list"
        "a list"
        "an empty attribute set"
        "an attribute set (a, b, …)"
        "a derivation"
        "an endpoint"
        "a component"
      ];
    };
    testLongTextIsShortened =
      message types.port "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      // {
        expected = [
          "o: expected a port (1-65535), found the string \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…\""
        ];
      };
    testQuantityInBytes = message types.quantity "10GB" // {
      expected = [ "o: the string \"10GB\" is not a quantity; did you mean 10G or 10Gi?" ];
    };
    testQuantityInLowerCase = message types.quantity "512mb" // {
      expected = [ "o: the string \"512mb\" is not a quantity; did you mean 512M or 512Mi?" ];
    };
    testQuantityInKilobytes = message types.quantity "64KB" // {
      expected = [ "o: the string \"64KB\" is not a quantity; did you mean 64k or 64Ki?" ];
    };
    testDurationAsNumber = message types.duration 90 // {
      expected = [ "o: expected a duration (90s, 12h, 30d), found 90; did you mean \"90s\"?" ];
    };
    testUrlWithoutScheme = message types.url "mlflow:5000" // {
      expected = [
        "o: the string \"mlflow:5000\" is not a URL; expected http(s)://host[:port][/path]; did you mean http://mlflow:5000?"
      ];
    };
    testNameInCapitals = message types.dnsLabel "ML_Platform" // {
      expected = [
        "o: the string \"ML_Platform\" is not a valid name; expected lower-case letters, digits and '-'; did you mean ml-platform?"
      ];
    };
    testEmptyName = message types.dnsLabel "" // {
      expected = [ "o: is empty; expected lower-case letters, digits and '-'" ];
    };
    testNameThatLeavesNoRoomForItsSuffix =
      message made.dnsLabelWith "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      // {
        expected = [ "o: 50 characters; at most 45 (with the suffix \"-predictor-default\": 63)" ];
      };
    testHostThatIsAUrl = message types.host "http://db" // {
      expected = [ "o: the string \"http://db\" is a URL; expected the host name alone" ];
    };
    testHostWithAPort = message types.host "db:5432" // {
      expected = [
        "o: the string \"db:5432\" holds a port; expected the host name alone, the port has an option of its own"
      ];
    };
    testModelAsImage = message types.imageReference "s3://models/bert:v1" // {
      expected = [
        "o: the string \"s3://models/bert:v1\" is not an image reference; a model location belongs in storageUri"
      ];
    };
    testEnumNamesTheNearest = message made.enum "S3" // {
      expected = [ "o: expected one of s3, gcs, azure, found the string \"S3\"; did you mean s3?" ];
    };
    testEnumOfAnotherKind = message made.enum null // {
      expected = [ "o: expected one of s3, gcs, azure, found null" ];
    };
    testAliasSuggestsTheValue = message made.enumWith "postgrs" // {
      expected = [
        "o: expected one of postgresql, mysql, found the string \"postgrs\"; did you mean postgresql?"
      ];
    };
    testEveryBadItemOfAList =
      message made.listOf [
        1
        "a"
        null
      ]
      // {
        expected = [
          "o[0]: expected a string, found 1"
          "o[2]: expected a string, found null"
        ];
      };
    testEmptyListWhereOneIsNeeded = message made.nonEmptyListOf [ ] // {
      expected = [ "o: expected at least one string, found an empty list" ];
    };
    testEveryBadEntryOfASet =
      message made.attrsOf {
        a = "1";
        b = 2;
        c = null;
      }
      // {
        expected = [
          "o.a: expected an integer, found the string \"1\""
          "o.c: expected an integer, found null"
        ];
      };
    testBadEntryHasItsPosition = {
      expr =
        builtins.match ".*types[.]nix:[0-9]+:[0-9]+" (head (made.attrsOf.explain "o" { a = "1"; })).position
        != null;
      expected = true;
    };
    testAlternativesAreAllNamed = message made.oneOf true // {
      expected = [
        "o: expected an integer, or a string, or a list (of string), found true"
      ];
    };
    testAListCanOnlyHaveMeantTheList = message made.oneOf [ 1 ] // {
      expected = [ "o[0]: expected a string, found 1" ];
    };
    testFunctionDeepInSettings =
      message types.settings {
        a.b = [
          1
          (x: x)
        ];
      }
      // {
        expected = [
          "o.a.b[1]: expected plain data (text, number, boolean, list, attribute set), found a function"
        ];
      };
    testSubmoduleSpeaksOfItsFields = message made.submodule { wieght = 1; } // {
      expected = [
        "o.wieght: unknown option; did you mean o.weight?"
        "o.weight: required option is missing; expected an integer ≥ 1"
      ];
    };
    testKubernetesFragment =
      message (types.kubernetes "Toleration") {
        key = "gpu";
        opreator = "Exists";
      }
      // {
        expected = [ "o.opreator: unknown field; did you mean operator?" ];
      };
    testKubernetesFragmentOfAnotherShape = message (types.kubernetes "Toleration") [ ] // {
      expected = [ "o: expected a Kubernetes Toleration (an attribute set), found an empty list" ];
    };
    testEndpointOfAnotherProtocol = message (types.endpoint [ "s3" ]) endpoint // {
      expected = [
        "o: expected an endpoint that speaks s3, found postgres.endpoints.sql, which speaks sql"
      ];
    };
    testComponentInPlaceOfItsEndpoint = message (types.endpoint [ "sql" ]) component // {
      expected = [
        "o: expected an endpoint, found the component postgres; did you mean one of its endpoints (sql)?"
      ];
    };
    testTextInPlaceOfAnEndpoint = message (types.endpoint [ "sql" ]) "postgres" // {
      expected = [
        "o: expected an endpoint (sql) of another component, found the string \"postgres\""
      ];
    };
    testObjectsInPlaceOfAComponent = {
      expr =
        says types.component [ ]
        ++ says types.component {
          kind = "Service";
          metadata = { };
        };
      expected = [
        "o: expected a component (from a mk… builder), found an empty list; raw objects go under extraObjects"
        "o: expected a component (from a mk… builder), found an attribute set (kind, metadata); raw objects go under extraObjects"
      ];
    };
    testOwnTypeByPredicate =
      message (types.mkType {
        name = "even";
        expected = "an even integer";
        accepts = v: builtins.isInt v && v / 2 * 2 == v;
        schema.type = "integer";
      }) 3
      // {
        expected = [ "o: expected an even integer, found 3" ];
      };
  };

  # Long text never reaches the engine of regular expressions, whose stack it would overflow.
  limits.testHugeText = {
    expr =
      let
        huge = builtins.concatStringsSep "" (builtins.genList (_: "aaaaaaaaaaaaaaaa") 20000);
      in
      filter (name: (typeOf name).accepts huge) [
        "quantity"
        "duration"
        "cron"
        "url"
        "uri"
        "imageReference"
        "digest"
        "labelValue"
        "secretKey"
        "dnsLabel"
        "dnsSubdomain"
        "host"
      ];
    expected = [ ];
  };

  # What tests/python/test_option_schemas.py reads.
  schemas.testOfEveryType = {
    schemas = mapAttrs (name: _: (typeOf name).schema) values;
    expr = attrNames (mapAttrs (name: _: builtins.toJSON (typeOf name).schema) values);
    expected = attrNames values;
  };
}
