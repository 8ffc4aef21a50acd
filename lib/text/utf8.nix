# Strings of Nix are bytes; what counts and cuts characters is here.
let
  inherit (builtins)
    elem
    fromJSON
    genList
    map
    replaceStrings
    stringLength
    substring
    ;

  # The 64 bytes that continue a character, taken from U+0080 to U+00BF, whose second byte is just that.
  continuationBytes = genList (
    index:
    let
      high = substring (index / 16) 1 "89ab";
      low = substring (index - index / 16 * 16) 1 "0123456789abcdef";
    in
    substring 1 1 (fromJSON "\"\\u00${high}${low}\"")
  ) 64;
  nothing = map (_: "") continuationBytes;

  /**
    The number of characters of a text.

    # Type
    ```
    characters :: String -> Int
    ```

    # Examples
    ```nix
    characters "né"
    => 2
    ```
  */
  characters = text: stringLength (replaceStrings continuationBytes nothing text);

  /**
    The start of a text, at most so many bytes of it, never ending inside a character.

    # Type
    ```
    start :: Int -> String -> String
    ```

    # Examples
    ```nix
    start 2 "né"
    => "n"
    ```
  */
  start =
    bytes: text:
    if elem (substring bytes 1 text) continuationBytes then
      start (bytes - 1) text
    else
      substring 0 bytes text;
in
{
  inherit characters start;
}
