# What the core notes on an object between the module that made it and the text that leaves: its phase
# (prepare or run) and whether its name gets a hash. The note never reaches the user.
let
  key = "__mlops-nix";
in
{
  inherit key;
  mark = note: object: object // { ${key} = (object.${key} or { }) // note; };
  note = object: object.${key} or { };
  plain = object: if object ? ${key} then removeAttrs object [ key ] else object;
}
