# The nearest of a list of names: what "did you mean …?" says in every error of this library.
let
  inherit (builtins)
    filter
    foldl'
    genList
    head
    map
    replaceStrings
    stringLength
    substring
    unsafeDiscardStringContext
    ;

  upper = chars "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  lower = chars "abcdefghijklmnopqrstuvwxyz";

  chars = text: genList (index: substring index 1 text) (stringLength text);

  # `MinReplicas`, `min_replicas` and `min-replicas` are one name to a person.
  plain =
    name:
    replaceStrings
      (
        upper
        ++ [
          "_"
          "-"
        ]
      )
      (
        lower
        ++ [
          ""
          ""
        ]
      )
      (unsafeDiscardStringContext name);

  min = a: b: if a < b then a else b;
  max = a: b: if a < b then b else a;
  distanceOf = a: b: if a < b then b - a else a - b;

  # Are `a` (from position `i`) and `b` (from position `j`) at most `edits` insertions, deletions,
  # substitutions or swaps of neighbours apart? Without a table: for the few edits that are
  # asked here, trying each of them after the common start is cheaper.
  within =
    a: b:
    let
      lengthA = stringLength a;
      lengthB = stringLength b;
      go =
        edits: i: j:
        if i == lengthA || j == lengthB then
          distanceOf (lengthA - i) (lengthB - j) <= edits
        else if substring i 1 a == substring j 1 b then
          go edits (i + 1) (j + 1)
        else
          edits > 0
          && distanceOf (lengthA - i) (lengthB - j) <= edits
          && (
            go (edits - 1) (i + 1) (j + 1)
            || go (edits - 1) (i + 1) j
            || go (edits - 1) i (j + 1)
            || (
              substring i 1 a == substring (j + 1) 1 b
              && substring (i + 1) 1 a == substring j 1 b
              && go (edits - 1) (i + 2) (j + 2)
            )
          );
    in
    edits: go edits 0 0;

  commonStart =
    a: b:
    let
      end = min (stringLength a) (stringLength b);
      go =
        index: if index < end && substring index 1 a == substring index 1 b then go (index + 1) else index;
    in
    go 0;

  startsWith = start: text: substring 0 (stringLength start) text == start;

  /**
    The name of a list that a person most likely meant, or `null` when none is near.

    A name that is equal but for case, `_` and `-` wins; then the one with the fewest edits (at most
    one for each three letters, at most three); then one that begins with the given name or that
    the given name begins with (`env` finds `envFrom`, `replicaCount` finds `replica`).
    Among equals the longer common start wins, then the order of the list.

    # Inputs
    `name`: what was written
    `names`: the valid ones

    # Type
    ```
    nearest :: String -> [String] -> String | null
    ```

    # Examples
    ```nix
    nearest "minReplcas" [ "maxReplicas" "minReplicas" ]
    => "minReplicas"
    ```
  */
  nearest =
    name: names:
    let
      given = plain name;
      length = stringLength given;
      limit = min 3 (max 1 (length / 3));

      candidates = map (original: {
        inherit original;
        text = plain original;
      }) names;

      equal = filter (candidate: candidate.text == given) candidates;

      # Cheap and built in: how many letters of the candidate the given name has not got at all.
      letters = chars given;
      nothing = map (_: "") letters;
      plausible = filter (
        candidate:
        distanceOf (stringLength candidate.text) length <= limit
        && stringLength (replaceStrings letters nothing candidate.text) <= limit
      ) candidates;

      byEdits =
        edits:
        let
          found = filter (candidate: within given candidate.text edits) plausible;
        in
        if edits > limit || plausible == [ ] then
          [ ]
        else if found != [ ] then
          found
        else
          byEdits (edits + 1);

      edited = byEdits 1;

      extended = filter (
        candidate:
        (length >= 3 && startsWith given candidate.text)
        || (stringLength candidate.text >= 4 && startsWith candidate.text given)
      ) candidates;

      best =
        found:
        (foldl' (
          winner: candidate:
          let
            start = commonStart given candidate.text;
          in
          if winner == null || start > winner.start then
            {
              inherit start;
              inherit (candidate) original;
            }
          else
            winner
        ) null found).original;
    in
    if equal != [ ] then
      (head equal).original
    else if length == 0 then
      null
    else if edited != [ ] then
      best edited
    else if extended != [ ] then
      best extended
    else
      null;

  /**
    The end of an error message: `; did you mean X?`, or nothing when no name is near.

    # Type
    ```
    suggest :: String -> [String] -> String
    ```

    # Examples
    ```nix
    suggest "imge" [ "image" "name" ]
    => "; did you mean image?"
    ```
  */
  suggest =
    name: names:
    let
      found = nearest name names;
    in
    if found == null then "" else "; did you mean ${found}?";
in
{
  inherit nearest suggest;
}
