# Sets one option at a time to one value at a time and says what became of it. Values come as JSON from the test, and
# those that JSON lacks (functions, paths, derivations, floats that are none) from here.
{
  root ? ../../..,
  values,
  # Valid arguments of every builder, by its name.
  base,
  # Narrow the search, to find the case that ends the evaluation.
  builder ? null,
  option ? null,
}:
let
  inherit (builtins)
    attrNames
    concatMap
    deepSeq
    elemAt
    filter
    fromJSON
    genList
    head
    isAttrs
    isString
    length
    listToAttrs
    match
    readFile
    split
    stringLength
    substring
    tail
    tryEval
    ;
  mlops = import (root + "/lib") { };

  ownValues = [
    (x: x)
    ({ a }: a)
    ./evaluate.nix
    null
    (throw "a value that throws")
    {
      outPath = "/nix/store/x";
      type = "derivation";
    }
    {
      _type = "endpoint";
      protocol = "smoke";
      name = "x";
      component = "y";
    }
    { __functor = self: x: x; }
  ];
  given = fromJSON (readFile values);
  all = given ++ ownValues;
  arguments = fromJSON (readFile base);

  setPath =
    path: value: set:
    let
      name = head path;
      old = set.${name} or { };
    in
    set
    // {
      ${name} =
        if length path == 1 then value else setPath (tail path) value (if isAttrs old then old else { });
    };

  steps = path: filter (part: isString part && part != "") (split "[.]" path);

  # An error may speak of the option, of something in it, or of the section around it.
  speaksOf =
    path: problem:
    substring 0 (stringLength path) problem.path == path
    || substring 0 (stringLength problem.path) path == problem.path;

  try =
    name: path: index:
    let
      self = mlops.${name};
      args = setPath (steps path) (elemAt all index) arguments.${name};
      accepted = tryEval (self.compiled.accepts args);
      problems = self.compiled.explain "" args;
      component = self args;
      rendered = tryEval (deepSeq component.objects true);
      judged = tryEval (component.problems == [ ]);
    in
    if !accepted.success then
      "thrown-by-value"
    else if !accepted.value then
      if problems == [ ] then
        "refused-without-reason"
      else if filter (speaksOf path) problems == [ ] then
        "refused-elsewhere"
      else
        deepSeq problems "refused"
    else if problems != [ ] then
      "accepted-with-problems"
    else if rendered.success then
      "rendered"
    else if judged.success && judged.value then
      # Open doors are judged by the schema of what they go into, with a message of ours.
      if match ".*(settings|plain data)" typeOf.${name}.${path} != null then
        "refused-by-schema"
      else
        "accepted-but-invalid"
    else
      "refused-in-combination";

  typeOf = builtins.mapAttrs (
    _: reference:
    listToAttrs (
      map (entry: {
        name = entry.path;
        value = entry.type;
      }) reference.options
    )
  ) mlops.reference;

  optionsOf = name: map (entry: entry.path) mlops.${name}.reference.options;
  builders = filter (name: name != "mkPlatform" && (builder == null || name == builder)) (
    attrNames mlops.reference
  );
in
concatMap (
  name:
  concatMap (
    path:
    # A patch may say anything about the objects; it has tests of its own.
    if match "patches.*" path != null || option != null && option != path then
      [ ]
    else
      genList (index: {
        builder = name;
        option = path;
        inherit index;
        outcome = try name path index;
      }) (length all)
  ) (optionsOf name)
) builders
