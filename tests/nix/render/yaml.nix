{ root }:
let
  inherit (import (root + "/lib/render/yaml.nix")) document stream;

  # One value below one key, as far as style is concerned.
  value = text: document { key = text; };

  lines = builtins.concatStringsSep "\n";
in
{
  testObjectReadsAsPeopleWriteIt = {
    expr = document {
      spec = {
        template = {
          spec.containers = [
            {
              image = "ghcr.io/mlflow/mlflow:v3.17.2-full";
              name = "mlflow";
              args = [
                "--host=0.0.0.0"
                "--port"
                "5000"
              ];
              env = [
                {
                  valueFrom.secretKeyRef = {
                    key = "password";
                    name = "mlflow-db";
                  };
                  name = "PASSWORD";
                }
              ];
              resources.requests = {
                cpu = "500m";
                memory = "1Gi";
              };
            }
          ];
          metadata.labels."app.kubernetes.io/name" = "mlflow";
        };
        replicas = 2;
      };
      metadata = {
        labels."app.kubernetes.io/version" = "3.17.2";
        namespace = "ml";
        name = "mlflow";
      };
      kind = "Deployment";
      apiVersion = "apps/v1";
    };
    expected = ''
      apiVersion: apps/v1
      kind: Deployment
      metadata:
        name: mlflow
        namespace: ml
        labels:
          app.kubernetes.io/version: 3.17.2
      spec:
        replicas: 2
        template:
          metadata:
            labels:
              app.kubernetes.io/name: mlflow
          spec:
            containers:
            - name: mlflow
              args:
              - --host=0.0.0.0
              - --port
              - "5000"
              env:
              - name: PASSWORD
                valueFrom:
                  secretKeyRef:
                    name: mlflow-db
                    key: password
              image: ghcr.io/mlflow/mlflow:v3.17.2-full
              resources:
                requests:
                  cpu: 500m
                  memory: 1Gi
    '';
  };

  testStreamSeparatesDocuments = {
    expr = stream [
      { a = 1; }
      { b = 2; }
    ];
    expected = "a: 1\n---\nb: 2\n";
  };

  testEmptyStream = {
    expr = stream [ ];
    expected = "";
  };

  testNestedAndEmptyCollections = {
    expr = document {
      empty = {
        list = [ ];
        set = { };
      };
      matrix = [
        [
          1
          2
        ]
        [ ]
        [ { a = [ { } ]; } ]
      ];
    };
    expected = ''
      empty:
        list: []
        set: {}
      matrix:
      - - 1
        - 2
      - []
      - - a:
          - {}
    '';
  };

  testScalars = {
    expr = document [
      true
      false
      null
      0
      (-7)
      0.5
      1.0e22
      9223372036854775807
    ];
    expected = ''
      - true
      - false
      - null
      - 0
      - -7
      - 0.5
      - 1.0e+22
      - 9223372036854775807
    '';
  };

  quotes = {
    testNoneWhereNoneAreNeeded = {
      expr = document [
        "a word, and more: no; (x) [y] {z}"
        "a word, and more (x) [y] {z} & * ! | > ' \" % @ `"
        "http://mlflow.ml-platform.svc:5000/#/models"
        "-c"
        "15d"
        "10.0.0.0/8"
        "\${HOME}/bin"
        "$(POD_IP)"
        "./run"
        "Zürich — 日本"
        "^[a-z]+$"
      ];
      expected = ''
        - "a word, and more: no; (x) [y] {z}"
        - a word, and more (x) [y] {z} & * ! | > ' " % @ `
        - http://mlflow.ml-platform.svc:5000/#/models
        - -c
        - 15d
        - 10.0.0.0/8
        - ''${HOME}/bin
        - $(POD_IP)
        - ./run
        - Zürich — 日本
        - ^[a-z]+$
      '';
    };

    testWhatYaml11OrYaml12WouldMisread = {
      expr = document [
        "y"
        "no"
        "ON"
        "null"
        "~"
        ""
        "0644"
        "0o7"
        "1e3"
        "1_000"
        "12:30"
        "2024-01-31"
        "1.36"
        "-.inf"
        "="
        "<<"
        "-"
        "---"
        "- a"
        "a: b"
        "a:"
        "a #b"
        " a"
        "a "
        "*a"
        "@a"
      ];
      expected = ''
        - "y"
        - "no"
        - "ON"
        - "null"
        - "~"
        - ""
        - "0644"
        - "0o7"
        - "1e3"
        - "1_000"
        - "12:30"
        - "2024-01-31"
        - "1.36"
        - "-.inf"
        - "="
        - "<<"
        - "-"
        - "---"
        - "- a"
        - "a: b"
        - "a:"
        - "a #b"
        - " a"
        - "a "
        - "*a"
        - "@a"
      '';
    };

    testKeysToo = {
      expr = document {
        "8080" = 1;
        "a: b" = 2;
        "nvidia.com/gpu" = 3;
        "on" = 4;
        "two words" = 5;
      };
      expected = ''
        "8080": 1
        "a: b": 2
        nvidia.com/gpu: 3
        "on": 4
        two words: 5
      '';
    };

    testSingleWhereDoubleWouldNeedEscapes = {
      expr = value ''{"it's":"\d"}'';
      expected = ''
        key: '{"it'''s":"\d"}'
      '';
    };

    testWhatCannotBeSeenIsEscaped = {
      expr = value (builtins.fromJSON ''"a\u0007\u007f\u0085\u2028\ufeff\tb"'');
      expected = ''
        key: "a\u0007\u007f\u0085\u2028\ufeff\tb"
      '';
    };
  };

  blocks = {
    testOneLineBreakAtTheEnd = {
      expr = value "a: 1\n\n  b\n";
      expected = "key: |\n  a: 1\n\n    b\n";
    };
    testNoLineBreakAtTheEnd = {
      expr = value "a\nb";
      expected = "key: |-\n  a\n  b\n";
    };
    testMoreLineBreaksAtTheEnd = {
      expr = value "a\n\n\n";
      expected = "key: |+\n  a\n\n\n";
    };
    testFirstLineStartsWithWhiteSpace = {
      expr = value "  a\nb\n";
      expected = "key: |2\n    a\n  b\n";
    };
    testInsideAList = {
      expr = document { list = [ "a\nb\n" ]; };
      expected = "list:\n- |\n  a\n  b\n";
    };
    testNothingButWhiteSpaceIsQuoted = {
      expr = value " \n\n";
      expected = "key: \" \\n\\n\"\n";
    };
    testCarriageReturnsAreQuoted = {
      expr = value "a\r\nb\r\n";
      expected = "key: \"a\\r\\nb\\r\\n\"\n";
    };
    testNoWhiteSpaceOnEmptyLines = {
      expr = builtins.match ".*\n +\n.*" (document {
        a.b.c = "x\n\n\ny\n\n\n";
      });
      expected = null;
    };
  };

  testVeryLongTextNeedsNoRegularExpression = {
    expr =
      let
        long = lines (
          builtins.genList (
            n: "line ${toString n} of a file that is longer than a regular expression can take"
          ) 5000
        );
      in
      builtins.stringLength (document {
        data = {
          line = builtins.replaceStrings [ "\n" ] [ " " ] long;
          text = long;
        };
      });
    # 5,000 lines in two forms, each line of the block indented by four spaces.
    expected = 717805;
  };

  testStringContextStaysOut = {
    expr = builtins.hasContext (value "${builtins.toFile "a" "b"} and on");
    expected = false;
  };

  testDerivationIsItsPathAsInJson = {
    expr =
      value {
        type = "derivation";
        outPath = "/x";
      } == value "/x";
    expected = true;
  };

  testFunctionIsRefused = {
    expr = value (x: x);
    expectedError.msg = "yaml: a lambda has no place in a manifest; expected text, a number";
  };
}
