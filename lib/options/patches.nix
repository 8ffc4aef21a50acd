# The type of a patch: which objects it is for, and what it does to them.
{ types, declare }:
let
  inherit (builtins) isAttrs isFunction;
  inherit (declare) option submodule;
  name =
    description:
    option {
      type = types.string;
      default = null;
      inherit description;
    };
  change = types.mkType {
    name = "attribute set or function of the object";
    expected = "an attribute set to merge, or a function of the object";
    accepts = v: isFunction v || isAttrs v && !(v ? _type);
    schema.type = "object";
  };
in
{
  patch = submodule {
    name = "patch";
    options = {
      target = {
        apiVersion = name "API version of the objects.";
        kind = name "Kind of the objects.";
        name = name "Name of the object.";
        namespace = name "Namespace of the object.";
        component = name "Component whose objects are meant (in a platform).";
        labels = option {
          type = types.attrsOf types.string;
          default = { };
          description = "Labels that the objects carry.";
        };
      };
      patch = option {
        type = change;
        default = null;
        description = "Merged into the object: attribute sets field by field, named list entries by name, null removes; or a function of the object.";
      };
      remove = option {
        type = types.bool;
        default = false;
        description = "Leave the object out.";
      };
      add = option {
        type = types.bool;
        default = false;
        description = "Append list entries whose name is not there yet, in place of an error.";
      };
    };
  };
}
