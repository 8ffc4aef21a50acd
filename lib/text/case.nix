# Letter case, which builtins lack.
let
  inherit (builtins) replaceStrings;
  upper = [
    "A"
    "B"
    "C"
    "D"
    "E"
    "F"
    "G"
    "H"
    "I"
    "J"
    "K"
    "L"
    "M"
    "N"
    "O"
    "P"
    "Q"
    "R"
    "S"
    "T"
    "U"
    "V"
    "W"
    "X"
    "Y"
    "Z"
  ];
  lower = [
    "a"
    "b"
    "c"
    "d"
    "e"
    "f"
    "g"
    "h"
    "i"
    "j"
    "k"
    "l"
    "m"
    "n"
    "o"
    "p"
    "q"
    "r"
    "s"
    "t"
    "u"
    "v"
    "w"
    "x"
    "y"
    "z"
  ];
in
{
  /**
    ASCII letters of a text in lower case.

    # Type

    ```
    toLower :: String -> String
    ```
  */
  toLower = replaceStrings upper lower;

  /**
    ASCII letters of a text in upper case.

    # Type

    ```
    toUpper :: String -> String
    ```
  */
  toUpper = replaceStrings lower upper;
}
