# Options and their types: what a module declares, and what is made of a declaration.
{ fragments }:
let
  declare = import ./declare.nix;
  base = import ./types.nix { inherit fragments; };
  references = import ./references.nix {
    types = base;
    inherit declare;
  };
  patches = import ./patches.nix {
    types = base;
    inherit declare;
  };
  types =
    base
    // references
    // patches
    // {
      # With the types, so that `with types;` is all that a declaration needs.
      inherit (declare) option section submodule;
    };
in
{
  inherit types;
  inherit (declare)
    compile
    declarationErrors
    flatten
    option
    section
    ;
  common = import ./common.nix {
    inherit types declare;
    quantity = import ../kubernetes/quantity.nix;
  };
  wiring = import ./wiring.nix;
  describe = import ./describe.nix;
}
