# Says why a value is not valid: walks a node of the compact format beside the value and reports every problem.
# Only used after a predicate of accepts.nix said no, so it is written to be read, not to be fast.
{
  constraintsOf,
  check, # reference -> predicate
  explainReference, # path -> reference -> value -> problems
}:
let
  inherit (builtins)
    attrNames
    concatLists
    concatMap
    elemAt
    filter
    genList
    groupBy
    head
    intersectAttrs
    isAttrs
    isList
    isString
    length
    map
    match
    removeAttrs
    stringLength
    substring
    tail
    toJSON
    typeOf
    ;
  inherit (import ../text/nearest.nix) suggest;
  inherit (import ../text/utf8.nix) start;
  inherit (import ./words.nix) wordOf;
  inherit (import ./list-keys.nix) identityOf;

  # Text of a value in a message; long ones are cut, since the path says where to look.
  show =
    value:
    let
      text = toJSON value;
      type = typeOf value;
    in
    {
      null = "null";
      bool = text;
      int = "the number ${text}";
      float = "the number ${text}";
      string = if stringLength text > 80 then "${start 76 text}…\"" else text;
      list = "a list";
      set = if value.type or null == "derivation" then "a derivation" else "an object";
      lambda = "a function";
      path = "a path";
    }
    .${type} or "a ${type}";

  isPlain = name: match "[A-Za-z_][A-Za-z0-9_-]*" name != null;
  field =
    path: name:
    if isPlain name then
      (if path == "" then name else "${path}.${name}")
    else
      "${path}[${toJSON name}]";
  item = path: index: "${path}[${toString index}]";

  problem = path: message: [ { inherit path message; } ];

  wrongType =
    path: expected: value:
    problem path "expected ${expected}, found ${show value}";

  constrained =
    path: node: value:
    concatMap (
      constraint:
      if constraint.holds value then
        [ ]
      else
        problem path (
          let
            message = constraint.message value;
          in
          if isAttrs value || isList value then message else "found ${show value}; ${message}"
        )
    ) (constraintsOf node);

  explainObject =
    path: node: value:
    let
      unknown = if node.open or false then { } else removeAttrs value (attrNames node.fields);
      missing = filter (name: !(value ? ${name})) (node.required or [ ]);
    in
    concatMap (name: problem (field path name) "unknown field${suggest name (attrNames node.fields)}") (
      attrNames unknown
    )
    ++ concatMap (name: problem (field path name) "required field is missing") missing
    ++ concatMap (name: explain (field path name) node.fields.${name} value.${name}) (
      attrNames (intersectAttrs node.fields value)
    );

  duplicates =
    path: node: value:
    let
      identity = identityOf node;
      # The keys of an item that is itself wrong are reported as such.
      indices = genList (index: index) (length value);
      same = groupBy (index: identity (elemAt value index)) indices;
      what =
        index:
        if node.set or false then
          "value ${show (elemAt value index)}"
        else
          builtins.concatStringsSep ", " (
            map (
              name: "${name} ${toJSON ((elemAt value index).${name} or node.keyDefaults.${name} or null)}"
            ) node.keys
          );
    in
    concatMap (
      group:
      concatMap (
        index:
        problem (item path index) "duplicates ${item path (head same.${group})}: the same ${what index}"
      ) (tail same.${group})
    ) (attrNames same);

  explainList =
    path: node: value:
    let
      items = concatLists (
        genList (index: explain (item path index) node.items (elemAt value index)) (length value)
      );
    in
    items ++ (if items == [ ] && (node ? keys || node ? set) then duplicates path node value else [ ]);

  explain =
    path: node: value:
    if isString node && (substring 0 1 node == "#" || substring 0 5 node == "core#") then
      # Most parts of a wrong object are right: only those that are not are walked.
      if check node value then [ ] else explainReference path node value
    else if isString node then
      if (wordOf node).check value then [ ] else explain path { type = node; } value
    else if isList node then
      explain path { items = head node; } value
    else if value == null && node.type or null != "any" then
      problem path "null; leave the field out instead"
    else if node ? type then
      let
        word = wordOf node.type;
      in
      if word.check value then constrained path node value else wrongType path word.expected value
    else if node ? items then
      if isList value then
        explainList path node value ++ constrained path node value
      else
        wrongType path "a list" value
    else if !isAttrs value then
      wrongType path "an object" value
    else if node ? fields then
      explainObject path node value ++ constrained path node value
    else
      concatMap (name: explain (field path name) node.values value.${name}) (attrNames value)
      ++ constrained path node value;
in
{
  inherit explain;
}
