# What the core notes on an object between the module that made it and the text that leaves: its phase
# (prepare or run), whether its name gets a hash, and which patches changed it. The note never reaches the user.
let
  key = "__mlops-nix";
in
{
  inherit key;
  mark = note: object: object // { ${key} = (object.${key} or { }) // note; };
  note = object: object.${key} or { };
  # For messages: which patches an object went through.
  changedBy =
    patches: if patches == [ ] then "" else " (changed by ${builtins.concatStringsSep ", " patches})";
  plain = object: if object ? ${key} then removeAttrs object [ key ] else object;
}
