# Evaluates a file of the user's to its set document: `nix-instantiate --eval --strict --json target.nix --argstr …`.
# The library is loaded only where the file is a function of it, or gives a component.
{
  library,
  target,
  attribute ? "",
}:
let
  mlops =
    if library == "" then
      throw "the library of mlops-nix was not found beside the command; set MLOPS_NIX_LIB to its folder lib/"
    else
      import (/. + library) { };
  path = builtins.filter (step: builtins.isString step && step != "") (builtins.split "[.]" attribute);
in
import ./pick.nix mlops path (import (/. + target))
