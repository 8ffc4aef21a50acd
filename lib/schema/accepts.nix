# Compiles nodes of the compact format into predicates.
#
# A predicate is made once per definition and called once per value, so that everything that depends on the
# node alone is in the `let` outside of the function. What costs in Nix is a call: the types of all fields
# of an object are therefore compared as two lists, without a call per field, and only
# the fields whose type does not tell everything are visited.
{
  constraintsOf,
  definition, # name of a reference -> node
  check, # name of a reference -> predicate
}:
let
  inherit (builtins)
    all
    attrNames
    attrValues
    concatLists
    concatMap
    elemAt
    filter
    head
    intersectAttrs
    isAttrs
    isList
    isString
    length
    listToAttrs
    map
    mapAttrs
    removeAttrs
    substring
    typeOf
    ;
  inherit (import ./words.nix) wordOf;
  inherit (import ./list-keys.nix) areUnique;

  isReference = node: isString node && (substring 0 1 node == "#" || substring 0 5 node == "core#");

  # The type that all valid values have, or null when there are several.
  onlyType =
    node:
    if isReference node then
      onlyType (definition node)
    else if isString node then
      (wordOf node).type
    else if isList node || node ? items then
      "list"
    else if node ? type then
      (wordOf node.type).type
    else
      "set";

  # Does `onlyType` say all there is to say?
  isShallow =
    node: isString node && !isReference node && (node == "any" || (wordOf node).type != null);

  setOf =
    names:
    listToAttrs (
      map (name: {
        inherit name;
        value = null;
      }) names
    );

  # Maps and lists of plain strings: labels, arguments. Their leaves are checked together.
  isStringMap = node: isAttrs node && node == { values = "string"; };
  isStringList = node: node == [ "string" ];

  compileObject =
    node:
    let
      inherit (node) fields;
      names = attrNames fields;
      fieldsWhere = wanted: intersectAttrs (setOf (filter (name: wanted fields.${name}) names)) fields;

      types = mapAttrs (_: onlyType) fields;
      several = filter (name: types.${name} == null) names;
      expected = removeAttrs types several;
      stringMaps = fieldsWhere isStringMap;
      stringLists = fieldsWhere isStringList;
      deep = fieldsWhere (field: !(isShallow field || isStringMap field || isStringList field));
      checks = mapAttrs (_: compile) deep;
      # Up to three such fields are named in the predicate itself, which saves a call for each.
      count = length (attrNames deep);
      first = elemAt (attrNames deep) 0;
      second = elemAt (attrNames deep) 1;
      third = elemAt (attrNames deep) 2;
      required = setOf (node.required or [ ]);
      requiredNames = attrNames required;
      onlyRequired = head requiredNames;
      constraints = constraintsOf node;

      closed = !(node.open or false);
      oneTypeEach = several == [ ];
      noStringMaps = stringMaps == { };
      noStringLists = stringLists == { };
      optional = requiredNames == [ ];
      oneRequired = length requiredNames == 1;
      unbounded = constraints == [ ];
    in
    value:
    isAttrs value
    &&
      map typeOf (
        attrValues (
          if !closed then
            intersectAttrs expected value
          else if oneTypeEach then
            value
          else
            removeAttrs value several
        )
      ) == attrValues (intersectAttrs value expected)
    && (
      optional
      || (
        if oneRequired then
          value ? ${onlyRequired}
        else
          attrNames (intersectAttrs required value) == requiredNames
      )
    )
    && (
      noStringMaps || all isString (concatMap attrValues (attrValues (intersectAttrs stringMaps value)))
    )
    && (noStringLists || all isString (concatLists (attrValues (intersectAttrs stringLists value))))
    && (
      if count > 3 then
        all (name: checks.${name} value.${name}) (attrNames (intersectAttrs value checks))
      else
        (count < 1 || !(value ? ${first}) || checks.${first} value.${first})
        && (count < 2 || !(value ? ${second}) || checks.${second} value.${second})
        && (count < 3 || !(value ? ${third}) || checks.${third} value.${third})
    )
    && (unbounded || all (constraint: constraint.holds value) constraints);

  compileMap =
    node:
    let
      checkValue = compile node.values;
      constraints = constraintsOf node;
    in
    if constraints == [ ] then
      value: isAttrs value && all checkValue (attrValues value)
    else
      value:
      isAttrs value
      && all checkValue (attrValues value)
      && all (constraint: constraint.holds value) constraints;

  compileList =
    node:
    let
      checkItem = compile node.items;
      hasIdentity = node ? keys || node ? set;
      unique = areUnique node;
      constraints = constraintsOf node;
      unbounded = constraints == [ ];
    in
    if hasIdentity then
      value:
      isList value
      && all checkItem value
      && unique value
      && (unbounded || all (constraint: constraint.holds value) constraints)
    else
      value:
      isList value
      && all checkItem value
      && (unbounded || all (constraint: constraint.holds value) constraints);

  compileScalar =
    node:
    let
      checkType = (wordOf node.type).check;
      constraints = constraintsOf node;
      only = (head constraints).holds;
    in
    if constraints == [ ] then
      checkType
    else if length constraints == 1 then
      value: checkType value && only value
    else
      value: checkType value && all (constraint: constraint.holds value) constraints;

  compile =
    node:
    if isReference node then
      check node
    else if isString node then
      (wordOf node).check
    else if isList node then
      compileList { items = head node; }
    else if node ? fields then
      compileObject node
    else if node ? values then
      compileMap node
    else if node ? items then
      compileList node
    else
      compileScalar node;
in
{
  inherit compile;
}
