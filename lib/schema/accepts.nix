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

  isReference =
    node: isString node && (substring 0 1 node == "#" || substring 0 5 node == "core#");

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

  select = names: set: intersectAttrs (listToAttrs (map (name: { inherit name; value = null; }) names)) set;

  compileObject =
    node:
    let
      inherit (node) fields;
      names = attrNames fields;
      types = mapAttrs (_: onlyType) fields;
      several = filter (name: types.${name} == null) names;
      expected = removeAttrs types several;
      deep = mapAttrs (_: compile) (select (filter (name: !isShallow fields.${name}) names) fields);
      required = node.required or [ ];
      requiredSet = select required (fields // listToAttrs (map (name: { inherit name; value = null; }) required));
      requiredNames = attrNames requiredSet;
      constraints = constraintsOf node;

      typesAgree =
        if node.open or false then
          value:
          let
            known = intersectAttrs expected value;
          in
          map typeOf (attrValues known) == attrValues (intersectAttrs known expected)
        else
          null;
      closed = typesAgree == null;
      free = several == [ ];
      shallow = deep == { };
      optional = required == [ ];
      unbounded = constraints == [ ];
    in
    value:
    isAttrs value
    && (
      if closed then
        map typeOf (attrValues (if free then value else removeAttrs value several))
        == attrValues (intersectAttrs value expected)
      else
        typesAgree value
    )
    && (optional || attrNames (intersectAttrs requiredSet value) == requiredNames)
    && (shallow || all (name: deep.${name} value.${name}) (attrNames (intersectAttrs value deep)))
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
