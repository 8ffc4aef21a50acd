# Words about values and places, for messages. Only ever called when something is wrong.
let
  inherit (builtins)
    attrNames
    concatStringsSep
    elemAt
    head
    length
    stringLength
    substring
    toJSON
    toString
    typeOf
    unsafeGetAttrPos
    ;

  shorten = text: if stringLength text > 60 then "${substring 0 57 text}…" else text;

  /**
    Say what a value is, as a message names it.

    # Type

    ```
    found :: Any -> String
    ```

    # Examples

    ```nix
    found "2"
    => "the string \"2\""
    ```
  */
  found =
    value:
    {
      string = "the string ${toJSON (shorten value)}";
      int = toString value;
      float = toJSON value;
      bool = if value then "true" else "false";
      null = "null";
      path = "a path";
      lambda = "a function";
      list = if value == [ ] then "an empty list" else "a list";
      set =
        if value ? _type then
          "${article value._type} ${toString value._type}"
        else if value.type or null == "derivation" then
          "a derivation"
        else if value == { } then
          "an empty attribute set"
        else
          "an attribute set (${concatStringsSep ", " (firstNames (attrNames value))})";
    }
    .${typeOf value};

  firstNames =
    names:
    if length names > 3 then
      [
        (head names)
        (elemAt names 1)
        "…"
      ]
    else
      names;

  article =
    word:
    if
      {
        a = true;
        e = true;
        i = true;
        o = true;
        u = true;
      }
        ? ${substring 0 1 (toString word)}
    then
      "an"
    else
      "a";

  join = path: name: if path == "" then name else "${path}.${name}";

  /**
    Where an attribute was written: `file:line:column`, or null where Nix does not know.

    # Type

    ```
    position :: String -> AttrSet -> String | null
    ```
  */
  position =
    name: set:
    let
      pos = unsafeGetAttrPos name set;
    in
    if pos == null then null else "${pos.file}:${toString pos.line}:${toString pos.column}";

  /**
    One problem as a line (two with a position) of an error message.

    # Type

    ```
    line :: String -> { path, message, position ? null } -> String
    ```
  */
  line =
    subject: problem:
    let
      where = problem.position or null;
      place = if problem.path == "" then "" else "${problem.path}: ";
    in
    "${subject}: ${place}${problem.message}${if where == null then "" else "\n  at ${where}"}";

  /**
    All problems of one call, one under the other.

    # Type

    ```
    report :: String -> [Problem] -> String
    ```
  */
  report = subject: problems: concatStringsSep "\n" (map (line subject) problems);
in
{
  inherit
    found
    join
    line
    position
    report
    shorten
    ;
}
