# Plain data -> YAML that people like to read and diff, in pure builtins.
#
# What is written reads back as the same data under YAML 1.1 and YAML 1.2: a string stays unquoted only where both agree that it
# is a string. The hot path is one lambda call per mapping entry and list item: scalars are judged inline, by primops, and the
# writers of one indentation are made once and shared by all documents.
let
  inherit (builtins)
    attrNames
    concatStringsSep
    elemAt
    filter
    fromJSON
    genList
    intersectAttrs
    isAttrs
    isBool
    isFloat
    isInt
    isList
    isString
    length
    listToAttrs
    map
    match
    removeAttrs
    replaceStrings
    split
    stringLength
    substring
    toJSON
    toString
    typeOf
    unsafeDiscardStringContext
    ;

  # std::regex recurses per character and overflows the stack on long input: longer strings are only searched for single
  # characters (`split`), never matched as a whole.
  matchable = 256;
  # PyYAML and libyaml give up on a `key:` of more than 1024 characters; longer ones take the explicit form `? key`.
  longestSimpleKey = 1000;

  # The keys that say what an object is come first; alphabetical order is their conventional order too.
  leading = {
    apiVersion = null;
    kind = null;
    metadata = null;
    name = null;
    namespace = null;
  };
  leadingNames = attrNames leading;

  # Printable ASCII: [!-~] is all but the space, [!-9;-~] lacks the colon, [!"$-9;-~] lacks colon and number sign. A word may
  # hold both, but may not end in a colon; a number sign after a space would start a comment.
  word = "-?-?[A-Za-z/]([!-~]*[!-9;-~])?";
  words = ''(-?-?[A-Za-z/]|[_$(\^]|[.][.]?/|[.][A-Za-z][A-Za-z])([!-~]*[!-9;-~])?( +[!"$-9;-~]([!-~]*[!-9;-~])?)*'';
  wordsHead = ''(-?-?[A-Za-z/]|[_$(\^]|[.][.]?/).*'';
  # Text that starts with a digit is plain where no reader takes it for a number, a time or a date: a single unit (15d), a
  # version or address (1.2.3), or anything with a character that none of those can have (500m, 2Gi, 10.0.0.0/8).
  measure = "[1-9][0-9]*[A-Za-z]|[0-9]+([.][0-9]+)([.][0-9]+)+";
  startsWithDigit = ''[0-9]([!-~]*[!-9;-~])?( +[!"$-9;-~]([!-~]*[!-9;-~])?)*'';
  noNumber = ''.*[g-nq-su-wyG-NQ-SU-WY/@%=~*(){}<>|&;!?$'"\^].*'';

  # Words that one of the two YAML versions takes for something else than text; none is longer than `longestTrap`.
  longestTrap = 5;
  traps = listToAttrs (
    map
      (name: {
        inherit name;
        value = null;
      })
      (
        [
          ".inf"
          ".Inf"
          ".INF"
          ".nan"
          ".NaN"
          ".NAN"
        ]
        ++ filter isString (
          split " " "y Y yes Yes YES n N no No NO on On ON off Off OFF true True TRUE false False FALSE null Null NULL"
        )
      )
  );

  character = escape: fromJSON ''"\u${escape}"'';
  # Bytes that a block scalar cannot carry and that JSON escapes by itself, but for DEL: C0 without tab and newline.
  controls = "[${character "0001"}-${character "0008"}${character "000b"}-${character "001f"}${character "007f"}]";
  # Characters outside ASCII that YAML calls not printable or takes for a line break, as escapes and as themselves.
  invisibleEscapes = [
    "007f"
    "2028"
    "2029"
    "feff"
    "fffe"
    "ffff"
  ]
  ++ genList (
    n: "00${elemAt [ "8" "9" ] (n / 16)}${substring (n - n / 16 * 16) 1 "0123456789abcdef"}"
  ) 32;
  invisible = map character invisibleEscapes;
  invisibleRemoved = map (_: "") invisible;
  invisibleEscaped = map (escape: "\\u${escape}") invisibleEscapes;

  isAscii = text: length (split "[^ -~]" text) == 1;
  hasNewline = text: length (split "\n" text) != 1;
  hasControls = text: length (split controls text) != 1;
  hasInvisible = text: replaceStrings invisible invisibleRemoved text != text;

  # Is printable ASCII read back as itself when it stands without quotes?
  isPlainAscii =
    text:
    let
      size = stringLength text;
    in
    if size <= matchable then
      if match words text != null then
        size > longestTrap || !(traps ? ${unsafeDiscardStringContext text})
      else
        match measure text != null || match startsWithDigit text != null && match noNumber text != null
    else
      match wordsHead (substring 0 64 text) != null
      && match "[!-9;-~]" (substring (size - 1) 1 text) != null
      && length (split ": | #| :" text) == 1;

  # One line, all of it to be seen.
  isLine =
    text:
    isAscii text || !(hasControls text) && length (split "[\t\n]" text) == 1 && !(hasInvisible text);

  # Is this line read back as itself when it stands without quotes? No letter outside ASCII means anything to YAML, so each byte
  # of one may be judged as if it were any letter.
  isPlain = text: isPlainAscii (concatStringsSep "x" (filter isString (split "[^ -~]" text)));

  quoted =
    text:
    let
      json = toJSON text;
    in
    if !(isLine text) then
      replaceStrings invisible invisibleEscaped json
    else if stringLength json == stringLength text + 2 then
      json
    else
      # JSON escapes only quotes and backslashes here: single quotes spare the reader those.
      "'${replaceStrings [ "'" ] [ "''" ] text}'";

  # Text of several lines as a block scalar.
  block =
    let
      # Stands for the indentation until it is known whether the line is empty; no text with it comes here.
      mark = character "0001";
    in
    newline: text:
    let
      size = stringLength text;
      spaces = substring 1 (stringLength newline) newline;
      ended = substring (size - 1) 1 text == "\n";
      chomping =
        if !ended then
          "-"
        else if substring (size - 2) 1 text == "\n" then
          "+"
        else
          "";
      first = substring 0 1 text;
      # Readers take the indentation from the first line, unless that starts with white space.
      indicator = if first == " " || first == "\t" || first == "\n" then "2" else "";
      # The last newline is left out: what follows brings its own.
      body = if ended then substring 0 (size - 1) text else text;
      marked = "${mark}${replaceStrings [ "\n" ] [ "\n${mark}" ] body}\n";
      lines = replaceStrings [ "${mark}\n" mark ] [ "\n" spaces ] marked;
    in
    "|${indicator}${chomping}\n${substring 0 (stringLength lines - 1) lines}";

  canBeBlock =
    text:
    hasNewline text
    && !(hasControls text)
    && !(hasInvisible text)
    && replaceStrings [ " " "\t" "\n" ] [ "" "" "" ] text != "";

  # YAML 1.1 wants a fraction before the exponent.
  float =
    number:
    let
      json = toJSON number;
      parts = match "(-?[0-9]+)(e.*)" json;
    in
    if parts == null then json else "${elemAt parts 0}.0${elemAt parts 1}";

  # A key that is not one plain word, and the colon after it; `newline` starts a line of its mapping.
  unusualKey =
    newline: name:
    let
      text = if isLine name && isPlain name then name else quoted name;
    in
    if stringLength text > longestSimpleKey then "? ${text}${newline}:" else "${text}:";

  # The writers of one indentation; `newline` is a newline and the spaces that start each line there.
  level =
    newline:
    let
      deeper = level "${newline}  ";

      # Whatever the fast paths below do not know.
      other =
        value:
        if isString value then
          if canBeBlock value then
            block newline value
          else if isLine value && isPlain value then
            value
          else
            quoted value
        else if isInt value || isBool value || value == null then
          toJSON value
        else if isFloat value then
          float value
        else if isAttrs value then
          if value ? outPath || value ? __toString then
            # What builtins.toJSON writes as text.
            other (fromJSON (toJSON value))
          else
            "{}"
        else if isList value then
          "[]"
        else
          throw "yaml: a ${typeOf value} has no place in a manifest; expected text, a number, true, false, null, a list or an attribute set";

      mapping =
        set:
        concatStringsSep newline (
          map (
            name:
            let
              value = set.${name};
            in
            "${
              if stringLength name <= matchable && match word name != null && !(traps ? ${name}) then
                "${name}:"
              else
                unusualKey newline name
            }${
              if isString value then
                if
                  stringLength value <= matchable
                  && match word value != null
                  && (stringLength value > longestTrap || !(traps ? ${unsafeDiscardStringContext value}))
                then
                  " ${value}"
                else
                  " ${deeper.other value}"
              else if isAttrs value && value != { } && !(value ? outPath || value ? __toString) then
                "${deeper.newline}${deeper.mapping value}"
              else if isInt value then
                " ${toString value}"
              else if isList value && value != [ ] then
                "${newline}${sequence value}"
              else if value == true then
                " true"
              else
                " ${deeper.other value}"
            }"
          ) (attrNames (intersectAttrs leading set) ++ attrNames (removeAttrs set leadingNames))
        );

      sequence =
        list:
        concatStringsSep newline (
          map (
            value:
            if isAttrs value && value != { } && !(value ? outPath || value ? __toString) then
              "- ${deeper.mapping value}"
            else if
              isString value
              && stringLength value <= matchable
              && match word value != null
              && (stringLength value > longestTrap || !(traps ? ${unsafeDiscardStringContext value}))
            then
              "- ${value}"
            else if isList value && value != [ ] then
              "- ${deeper.sequence value}"
            else
              "- ${deeper.other value}"
          ) list
        );
    in
    {
      inherit
        mapping
        newline
        other
        sequence
        ;
    };

  top = level "\n";

  document =
    value:
    unsafeDiscardStringContext "${
      if isAttrs value && value != { } && !(value ? outPath || value ? __toString) then
        top.mapping value
      else if isList value && value != [ ] then
        top.sequence value
      else
        (level "\n  ").other value
    }\n";
in
{
  /**
    One YAML document: ends in a newline, has no `---`.

    # Inputs

    `value`
    : plain data: what `builtins.toJSON` takes, but for paths

    # Type

    ```
    document :: Any -> String
    ```

    # Examples

    ```nix
    document { data.on = "no"; kind = "ConfigMap"; }
    => "kind: ConfigMap\ndata:\n  \"on\": \"no\"\n"
    ```
  */
  inherit document;

  /**
    Several documents in one text, each starting with a `---` line but the first.

    # Inputs

    `objects`
    : the documents, in order

    # Type

    ```
    stream :: [Any] -> String
    ```
  */
  stream = objects: concatStringsSep "---\n" (map document objects);
}
