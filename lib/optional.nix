/**
  A field of a set, or nothing where the value is the empty one.

  # Type

  ```
  optional :: String -> Any -> Any -> AttrSet
  ```

  # Examples

  ```nix
  optional "interval" null null
  => { }
  ```
*/
name: value: empty:
if value == empty then { } else { ${name} = value; }
