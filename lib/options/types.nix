# The types of this field. A type is data that four readers share: the argument check (`accepts`,
# `explain`), normalisation (`convert`), JSON Schema (`schema`) and the reference (`name`).
{
  # The core schema of Kubernetes, for fragments (a pod spec, a container, a toleration).
  fragments,
}:
let
  inherit (builtins)
    all
    attrNames
    concatLists
    concatStringsSep
    elemAt
    filter
    genList
    head
    isAttrs
    isBool
    isFloat
    isInt
    isList
    isString
    length
    listToAttrs
    mapAttrs
    match
    replaceStrings
    split
    stringLength
    substring
    toString
    ;
  inherit (import ../text/nearest.nix) nearest;
  inherit (import ../text/case.nix) toLower;
  describe = import ./describe.nix;
  inherit (describe) found join;

  problem = path: message: [ { inherit path message; } ];

  /**
    Make a type from a predicate.

    # Inputs

    `name`: word for the reference
    `expected`: phrase for messages, after "expected"
    `accepts`: predicate
    `schema`: JSON Schema
    `convert`: normalisation of an accepted value, or null
    `wrong`: value -> text, the whole message for a value that was refused, or null for the usual one

    # Type

    ```
    mkType :: { name, expected, accepts, schema, convert ? null, wrong ? null, explain ? null } -> Type
    ```

    # Examples

    ```nix
    even = types.mkType { name = "even"; expected = "an even integer"; accepts = v: isInt v && v / 2 * 2 == v; schema = { type = "integer"; multipleOf = 2; }; }
    ```
  */
  mkType =
    {
      name,
      expected,
      accepts,
      schema,
      convert ? null,
      wrong ? null,
      explain ? null,
    }:
    let
      usual =
        value:
        let
          special = if wrong == null then null else wrong value;
        in
        if special != null then special else "expected ${expected}, found ${found value}";
    in
    {
      _type = "type";
      inherit
        name
        expected
        accepts
        schema
        convert
        ;
      explain = if explain == null then path: value: problem path (usual value) else explain;
    };

  # A string type by regular expression. Long strings never reach the regex engine, whose stack they would overflow.
  pattern =
    {
      name,
      expected,
      regex,
      maxLength ? 2048,
      schema ? { },
      wrong ? null,
      convert ? null,
    }:
    mkType {
      inherit
        name
        expected
        wrong
        convert
        ;
      accepts = v: isString v && stringLength v <= maxLength && match regex v != null;
      schema = {
        type = "string";
        # Alternatives within the expression must not escape the anchors.
        pattern = "^(${regex})$";
      }
      // schema;
    };

  # Lower-case words and hyphens out of whatever the user wrote, to suggest a name that is valid.
  toLabel =
    value:
    let
      words = filter (part: isString part && part != "") (split "[^a-z0-9]+" (toLower value));
    in
    concatStringsSep "-" words;

  nameType =
    {
      name,
      maxLength,
      reason,
      regex,
      phrase,
    }:
    pattern {
      inherit name regex maxLength;
      expected = "${phrase} of at most ${toString maxLength} characters";
      schema = { inherit maxLength; };
      wrong =
        value:
        if !isString value then
          null
        else if value == "" then
          "is empty; expected ${phrase}"
        else if stringLength value > maxLength then
          "${toString (stringLength value)} characters; at most ${toString maxLength}${reason}"
        else
          let
            valid = toLabel value;
          in
          "${found value} is not a valid name; expected ${phrase}"
          + (if valid != "" && valid != value then "; did you mean ${valid}?" else "");
    };

  labelRegex = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

  string = mkType {
    name = "string";
    expected = "a string";
    accepts = isString;
    schema.type = "string";
  };

  bool = mkType {
    name = "boolean";
    expected = "true or false";
    accepts = isBool;
    schema.type = "boolean";
  };

  int = mkType {
    name = "integer";
    expected = "an integer";
    accepts = isInt;
    schema.type = "integer";
  };

  number = mkType {
    name = "number";
    expected = "a number";
    accepts = v: isInt v || isFloat v;
    schema.type = "number";
  };

  intFrom =
    minimum:
    mkType {
      name = "integer ≥ ${toString minimum}";
      expected = "an integer ≥ ${toString minimum}";
      accepts = v: isInt v && v >= minimum;
      schema = {
        type = "integer";
        inherit minimum;
      };
    };

  intBetween =
    minimum: maximum:
    mkType {
      name = "integer ${toString minimum}..${toString maximum}";
      expected = "an integer from ${toString minimum} to ${toString maximum}";
      accepts = v: isInt v && v >= minimum && v <= maximum;
      schema = {
        type = "integer";
        inherit minimum maximum;
      };
    };

  numberBetween =
    minimum: maximum:
    mkType {
      name = "number ${toString minimum}..${toString maximum}";
      expected = "a number between ${toString minimum} and ${toString maximum}";
      accepts = v: (isInt v || isFloat v) && v >= minimum && v <= maximum;
      schema = {
        type = "number";
        inherit minimum maximum;
      };
    };

  port = mkType {
    name = "port";
    expected = "a port (1-65535)";
    accepts = v: isInt v && v >= 1 && v <= 65535;
    schema = {
      type = "integer";
      minimum = 1;
      maximum = 65535;
    };
  };

  nodePort = mkType {
    name = "node port";
    expected = "a node port (30000-32767)";
    accepts = v: isInt v && v >= 30000 && v <= 32767;
    schema = {
      type = "integer";
      minimum = 30000;
      maximum = 32767;
    };
  };

  quantityRegex = "[+-]?([0-9]+|[0-9]+[.][0-9]*|[.][0-9]+)([eE][+-]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?";
  quantity = mkType {
    name = "quantity";
    expected = "a quantity as Kubernetes writes it (500m, 2, 10Gi)";
    accepts =
      v: isInt v || isFloat v || isString v && stringLength v < 64 && match quantityRegex v != null;
    convert =
      v:
      if isString v then
        v
      else if isInt v then
        toString v
      else
        builtins.toJSON v;
    schema.anyOf = [
      {
        type = "string";
        pattern = "^${quantityRegex}$";
      }
      { type = "number"; }
    ];
    wrong =
      value:
      let
        bytes =
          if isString value && stringLength value < 64 then
            match "([0-9.]+) ?([kKmMgGtTpPeE])i?[bB]?" value
          else
            null;
        letter = elemAt bytes 1;
        unit =
          {
            K = "k";
            k = "k";
          }
          .${letter} or (replaceStrings [ "m" "g" "t" "p" "e" ] [ "M" "G" "T" "P" "E" ] letter);
        binary = (if unit == "k" then "K" else unit) + "i";
      in
      if bytes == null then
        null
      else
        "${found value} is not a quantity; did you mean ${head bytes}${unit} or ${head bytes}${binary}?";
  };

  durationRegex = "([0-9]+(ms|s|m|h|d|w|y))+";
  duration = pattern {
    name = "duration";
    expected = "a duration (90s, 12h, 30d)";
    regex = durationRegex;
    wrong =
      value:
      if isInt value then
        "expected a duration (90s, 12h, 30d), found ${found value}; did you mean \"${toString value}s\"?"
      else
        null;
  };

  cronField = "([0-9*/,-]|[A-Za-z]{3})+";
  cron = pattern {
    name = "cron schedule";
    expected = "a cron schedule of five fields (\"0 2 * * *\") or @hourly, @daily, @weekly, @monthly, @yearly";
    regex = "@(hourly|daily|midnight|weekly|monthly|yearly|annually)|${cronField}( +${cronField}){4}";
  };

  url = pattern {
    name = "URL";
    expected = "a URL, http(s)://host[:port][/path]";
    regex = "https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[^ ]*)?";
    schema.format = "uri";
    wrong =
      value:
      if isString value then
        "${found value} is not a URL; expected http(s)://host[:port][/path]"
        + (
          if match "[A-Za-z0-9.-]+(:[0-9]+)?(/.*)?" value != null then
            "; did you mean http://${value}?"
          else
            ""
        )
      else
        null;
  };

  uri = pattern {
    name = "URI";
    expected = "a URI, scheme://…";
    regex = "[a-z][a-z0-9+.-]*://[^ ]+";
  };

  # name[:tag][@digest], with an optional registry. A scheme is the usual mistake: a model location.
  imageReference = pattern {
    name = "image reference";
    expected = "an image reference, registry/repository:tag";
    maxLength = 512;
    regex = "[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?(:[0-9]+)?(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?";
    wrong =
      value:
      if isString value && match "[a-z0-9+.-]+://.*" value != null then
        "${found value} is not an image reference; a model location belongs in storageUri"
      else
        null;
  };

  digest = pattern {
    name = "digest";
    expected = "sha256:<64 hexadecimal digits>";
    regex = "sha256:[0-9a-f]{64}";
  };

  labelValue = pattern {
    name = "label value";
    expected = "a label value (at most 63 letters, digits, '-', '_', '.')";
    maxLength = 63;
    regex = "([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?";
    schema.maxLength = 63;
  };

  secretKey = pattern {
    name = "key of a Secret or ConfigMap";
    expected = "a key (letters, digits, '-', '_', '.')";
    maxLength = 253;
    regex = "[-._a-zA-Z0-9]+";
  };

  dnsLabel = nameType {
    name = "DNS label";
    maxLength = 63;
    reason = "";
    regex = labelRegex;
    phrase = "lower-case letters, digits and '-'";
  };

  /**
    A DNS label that something is appended to: at most `63 - length suffix` characters.

    # Type

    ```
    dnsLabelWith :: String -> Type
    ```

    # Examples

    ```nix
    dnsLabelWith "-predictor-default"
    => a type of names of at most 45 characters
    ```
  */
  dnsLabelWith =
    suffix:
    let
      room = 63 - stringLength suffix;
    in
    nameType {
      name = "DNS label";
      maxLength = room;
      reason = " (with the suffix \"${suffix}\": 63)";
      regex = labelRegex;
      phrase = "lower-case letters, digits and '-'";
    };

  dnsSubdomain = nameType {
    name = "DNS name";
    maxLength = 253;
    reason = "";
    regex = "${labelRegex}([.]${labelRegex})*";
    phrase = "lower-case letters, digits, '-' and '.'";
  };

  bytes = mkType {
    name = "size";
    expected = "a number of bytes or a quantity (10Gi)";
    accepts = quantity.accepts;
    inherit (quantity) convert schema;
    explain = quantity.explain;
  };

  enumWith =
    aliases: values:
    let
      known = listToAttrs (
        map (value: {
          name = toString value;
          inherit value;
        }) values
      );
      names = attrNames known;
      listed = concatStringsSep ", " (map toString values);
    in
    mkType {
      name = concatStringsSep " | " (map toString values);
      expected = "one of ${listed}";
      # The number 1 is not the text "1": JSON Schema tells them apart, too.
      accepts =
        v: (isString v || isInt v) && (known.${toString v} or null == v || aliases ? ${toString v});
      convert = if aliases == { } then null else v: aliases.${toString v} or v;
      schema.enum = values ++ attrNames aliases;
      wrong =
        value:
        "expected one of ${listed}, found ${found value}"
        + (
          let
            near = if isString value then nearest value (names ++ attrNames aliases) else null;
          in
          if near == null then "" else "; did you mean ${toString (aliases.${near} or near)}?"
        );
    };

  enum = enumWith { };

  nullOr =
    type:
    type
    // {
      name = "${type.name} or null";
      accepts = v: v == null || type.accepts v;
      convert = if type.convert == null then null else v: if v == null then null else type.convert v;
      schema.anyOf = [
        { type = "null"; }
        type.schema
      ];
    };

  # The first type whose `accepts` holds converts; the error speaks of all of them.
  oneOf =
    alternatives:
    let
      convert = v: (head (filter (type: type.accepts v) alternatives));
      expected = concatStringsSep ", or " (map (type: type.expected) alternatives);
      byShape =
        value:
        filter (
          type:
          if isAttrs value then
            type.container or "" == "set"
          else if isList value then
            type.container or "" == "list"
          else
            false
        ) alternatives;
    in
    mkType {
      name = concatStringsSep " or " (map (type: type.name) alternatives);
      inherit expected;
      accepts =
        if length alternatives == 2 then
          let
            a = (elemAt alternatives 0).accepts;
            b = (elemAt alternatives 1).accepts;
          in
          v: a v || b v
        else
          v: builtins.any (type: type.accepts v) alternatives;
      convert =
        if all (type: type.convert == null) alternatives then
          null
        else
          v:
          let
            type = convert v;
          in
          if type.convert == null then v else type.convert v;
      schema.anyOf = map (type: type.schema) alternatives;
      # A set can only have meant the alternative that is a set: speak of its fields.
      explain =
        path: value:
        let
          shaped = byShape value;
        in
        if length shaped == 1 then
          (head shaped).explain path value
        else
          problem path "expected ${expected}, found ${found value}";
    };

  listOf =
    type:
    let
      inherit (type) accepts convert;
    in
    mkType {
      name = "list of ${type.name}";
      expected = "a list (of ${type.name})";
      accepts = v: isList v && all accepts v;
      convert = if convert == null then null else map convert;
      schema = {
        type = "array";
        items = type.schema;
      };
      explain =
        path: value:
        if isList value then
          concatLists (
            genList (
              index:
              let
                item = elemAt value index;
              in
              if accepts item then [ ] else type.explain "${path}[${toString index}]" item
            ) (length value)
          )
        else
          problem path "expected a list, found ${found value}";
    }
    // {
      container = "list";
    };

  nonEmptyListOf =
    type:
    let
      list = listOf type;
    in
    list
    // {
      name = "non-empty ${list.name}";
      expected = "a non-empty list (of ${type.name})";
      accepts = v: v != [ ] && list.accepts v;
      schema = list.schema // {
        minItems = 1;
      };
      explain =
        path: value:
        if value == [ ] then
          problem path "expected at least one ${type.name}, found an empty list"
        else
          list.explain path value;
    };

  attrsOf =
    type:
    let
      inherit (type) accepts convert;
    in
    mkType {
      name = "attribute set of ${type.name}";
      expected = "an attribute set (of ${type.name})";
      accepts = v: isAttrs v && !(v ? _type) && all (name: accepts v.${name}) (attrNames v);
      convert = if convert == null then null else mapAttrs (_: convert);
      schema = {
        type = "object";
        additionalProperties = type.schema;
      };
      explain =
        path: value:
        if isAttrs value && !(value ? _type) then
          concatLists (
            map (
              name:
              if accepts value.${name} then
                [ ]
              else
                map (found: { position = describe.position name value; } // found) (
                  type.explain (join path name) value.${name}
                )
            ) (attrNames value)
          )
        else
          problem path "expected an attribute set, found ${found value}";
    }
    // {
      container = "set";
    };

  # Anything that JSON can say, for settings that are passed on as they are.
  json =
    let
      plain =
        v:
        isString v
        || isInt v
        || isBool v
        || v == null
        || isFloat v
        || isList v && all plain v
        ||
          isAttrs v
          && !(v ? _type)
          && v.type or null != "derivation"
          && all (name: plain v.${name}) (attrNames v);
      offending =
        path: v:
        if plain v then
          [ ]
        else if isList v then
          concatLists (genList (index: offending "${path}[${toString index}]" (elemAt v index)) (length v))
        else if isAttrs v && !(v ? _type) && v.type or null != "derivation" then
          concatLists (map (name: offending (join path name) v.${name}) (attrNames v))
        else
          problem path "expected plain data (text, number, boolean, list, attribute set), found ${found v}";
    in
    mkType {
      name = "plain data";
      expected = "plain data";
      accepts = plain;
      schema = { };
      explain = offending;
    };

  settings =
    let
      inner = attrsOf json;
    in
    inner
    // {
      name = "settings";
      expected = "an attribute set of settings";
    };

  /**
    A fragment of the Kubernetes API, checked against the schema of that fragment.

    # Type

    ```
    kubernetes :: String -> Type
    ```

    # Examples

    ```nix
    tolerations = option { type = types.listOf (types.kubernetes "Toleration"); … }
    ```
  */
  kubernetes =
    name:
    let
      fragment = fragments name;
    in
    mkType {
      name = "Kubernetes ${name}";
      expected = "a Kubernetes ${name}";
      accepts = v: isAttrs v && fragment.accepts v;
      schema."$ref" = "kubernetes.json#/$defs/${name}";
      explain =
        path: value:
        if !isAttrs value then
          problem path "expected a Kubernetes ${name} (an attribute set), found ${found value}"
        else
          map (
            inner:
            inner
            // {
              path =
                if inner.path == "" then
                  path
                else if substring 0 1 inner.path == "[" then
                  path + inner.path
                else
                  join path inner.path;
            }
          ) (fragment.explain value);
    }
    // {
      container = "set";
    };

  /**
    An endpoint of another component, by protocol (`sql`, `s3`, `http`, `bucket` …).

    # Type

    ```
    endpoint :: [String] -> Type
    ```
  */
  endpoint =
    protocols:
    let
      wanted = concatStringsSep " or " protocols;
    in
    mkType {
      name = "endpoint (${wanted})";
      expected = "an endpoint (${wanted}) of another component";
      accepts = v: isAttrs v && v._type or null == "endpoint" && builtins.elem v.protocol protocols;
      schema = {
        type = "object";
        description = "Endpoint of another component; only from Nix.";
      };
      wrong =
        value:
        if isAttrs value && value._type or null == "endpoint" then
          "expected an endpoint that speaks ${wanted}, found ${value.component}.endpoints.${value.name}, which speaks ${value.protocol}"
        else if isAttrs value && value._type or null == "component" then
          "expected an endpoint, found the component ${value.name}; did you mean one of its endpoints (${concatStringsSep ", " (attrNames value.endpoints)})?"
        else
          null;
    };

  component = mkType {
    name = "component";
    expected = "a component (from a mk… builder)";
    wrong =
      value:
      if isList value || isAttrs value && value ? kind then
        "expected a component (from a mk… builder), found ${found value}; raw objects go under extraObjects"
      else
        null;
    accepts = v: isAttrs v && v._type or null == "component";
    schema = {
      type = "object";
      description = "Component; only from Nix.";
    };
  };

  # A host as text, or the host of an endpoint.
  host =
    let
      name = pattern {
        name = "host";
        expected = "a host name";
        maxLength = 253;
        regex = "[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?";
        wrong =
          value:
          if isString value && match "[a-z+]+://.*" value != null then
            "${found value} is a URL; expected the host name alone"
          else if isString value && match ".*:[0-9]+" value != null then
            "${found value} holds a port; expected the host name alone, the port has an option of its own"
          else
            null;
      };
      wired = mkType {
        name = "endpoint";
        expected = "an endpoint of another component";
        accepts = v: isAttrs v && v._type or null == "endpoint" && v ? host;
        convert = v: v.host;
        schema.type = "object";
      };
    in
    (oneOf [
      name
      wired
    ])
    // {
      explain =
        path: value:
        if isString value then
          name.explain path value
        else
          problem path "expected a host name or an endpoint, found ${found value}";
    };

  # A URL as text, or the URL of an endpoint.
  urlOrEndpoint =
    let
      wired = mkType {
        name = "endpoint";
        expected = "an endpoint of another component";
        accepts = v: isAttrs v && v._type or null == "endpoint" && v ? url;
        convert = v: v.url;
        schema.type = "object";
      };
    in
    (oneOf [
      url
      wired
    ])
    // {
      explain =
        path: value:
        if isString value then
          url.explain path value
        else
          problem path "expected a URL or an endpoint, found ${found value}";
    };
in
{
  inherit
    attrsOf
    bool
    bytes
    component
    cron
    digest
    dnsLabel
    dnsLabelWith
    dnsSubdomain
    duration
    endpoint
    enum
    enumWith
    host
    imageReference
    int
    intBetween
    intFrom
    json
    kubernetes
    labelValue
    listOf
    mkType
    nodePort
    nonEmptyListOf
    nullOr
    number
    numberBetween
    oneOf
    pattern
    port
    quantity
    secretKey
    settings
    string
    uri
    url
    urlOrEndpoint
    ;
  positiveInt = intFrom 1;
  unsignedInt = intFrom 0;
  percent = intBetween 0 100;
}
