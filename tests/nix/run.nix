# Collects every test file below this folder by its place and evaluates it. See README.md.
#
#   nix-instantiate --eval --strict --json tests/nix/run.nix -A report
#   nix-instantiate --eval --strict --json tests/nix/run.nix -A failing --argstr test 'render/yaml.nix::testTypo'
#
# Nix cannot catch every error (a missing attribute, a type error), so a test that does such a thing ends the whole report:
# tests/python/test_nix_units.py then evaluates file by file and test by test, with `--argstr file` and `--argstr test`.
{
  root ? ../..,
  # Where the test files are.
  folder ? toString ./.,
  # A path below `folder`: only this file.
  file ? null,
  # `file::group.testName`: only this test.
  test ? null,
}:
let
  inherit (builtins)
    attrNames
    concatMap
    elemAt
    filter
    functionArgs
    head
    intersectAttrs
    isAttrs
    isFunction
    isList
    isString
    listToAttrs
    map
    match
    readDir
    split
    toJSON
    toString
    tryEval
    typeOf
    ;

  # What a test file may ask for. Nothing is loaded before it is asked for.
  context = {
    mlops = import (root + "/lib") { };
    inherit root;
  };

  filesBelow =
    prefix:
    let
      entries = readDir "${folder}/${prefix}";
    in
    concatMap (
      name:
      let
        path = "${prefix}${name}";
      in
      if entries.${name} == "directory" then
        filesBelow "${path}/"
      else if match ".*[.]nix" name != null && path != "run.nix" then
        [ path ]
      else
        [ ]
    ) (attrNames entries);

  files =
    if test != null then
      [ (elemAt (split "::" test) 0) ]
    else if file != null then
      [ file ]
    else
      filesBelow "";

  contentOf =
    path:
    let
      content = import "${folder}/${path}";
    in
    if !(isFunction content) then
      content
    else if functionArgs content == { } then
      content context
    else
      content (intersectAttrs (functionArgs content) context);

  isTest = value: isAttrs value && value ? expr;

  # name -> test, for one group and the groups in it.
  testsIn =
    path: prefix: group:
    concatMap (
      name:
      let
        value = group.${name};
        fullName = "${prefix}${name}";
      in
      if isTest value then
        if match "test.*" name == null then
          throw "${path}: ${fullName}: the name of a test starts with `test`"
        else if value ? expected == value ? expectedError then
          throw "${path}: ${fullName}: a test has either `expected` or `expectedError`"
        else if value ? expectedError && !(value.expectedError ? msg) then
          throw "${path}: ${fullName}: `expectedError` needs `msg`, a part of the message"
        else
          [
            {
              name = "${path}::${fullName}";
              inherit value;
            }
          ]
      else if isAttrs value && match "test.*" name == null then
        testsIn path "${fullName}." value
      else
        throw "${path}: ${fullName}: expected a test `{ expr; expected; }` or a group of tests, found ${
          if isAttrs value then "a set without `expr`" else "a ${typeOf value}"
        }"
    ) (attrNames group);

  testsOf =
    path:
    let
      content = contentOf path;
    in
    if isAttrs content then
      testsIn path "" content
    else
      throw "${path}: expected a set of tests or a function that gives one, found a ${typeOf content}";

  tests = filter ({ name, ... }: test == null || name == test) (concatMap testsOf files);

  # A value as JSON can show it: functions and the like by their type, strings without their context.
  shown =
    value:
    if isAttrs value then
      if value ? outPath || value ? __toString then
        "a set that stands for the text ${toJSON value}"
      else
        builtins.mapAttrs (_: shown) value
    else if isList value then
      map shown value
    else if isString value then
      builtins.unsafeDiscardStringContext value
    else if typeOf value == "lambda" then
      "«lambda»"
    else if typeOf value == "path" then
      "«path ${toString value}»"
    else
      value;

  outcome =
    { name, value }:
    if value ? expectedError then
      {
        inherit name;
        message = value.expectedError.msg;
      }
    else
      let
        compared = tryEval (value.expr == value.expected);
      in
      {
        inherit name;
        passed = compared.success && compared.value;
      }
      // (
        if !compared.success then
          { threw = true; }
        else if compared.value then
          { }
        else
          {
            found = shown value.expr;
            expected = shown value.expected;
          }
      );
in
{
  # Names of the tests, per file: nothing of them is evaluated.
  names = listToAttrs (
    map (path: {
      name = path;
      value = map ({ name, ... }: name) (testsOf path);
    }) files
  );

  # Each test with `passed` (and, where it is false, both values, or `threw`); a test of a message with `message` instead, which
  # is judged from outside by evaluating `failing`.
  report = map outcome tests;

  # The expression of `test`, evaluated completely.
  failing = shown (head tests).value.expr;
}
