# The identity of the items of a list-map or a set: two items with the same one are an error at the API server.
let
  inherit (builtins)
    attrNames
    groupBy
    head
    length
    map
    toJSON
    ;

  # node -> item -> string
  identityOf =
    node:
    let
      defaults = node.keyDefaults or { };
      key = head node.keys;
    in
    if node.set or false then
      toJSON
    else if length node.keys == 1 then
      item: toJSON (item.${key} or defaults.${key} or null)
    else
      item: toJSON (map (name: item.${name} or defaults.${name} or null) node.keys);
in
{
  inherit identityOf;

  # node -> list -> bool; the items are known to be valid.
  areUnique =
    node:
    let
      identity = identityOf node;
    in
    value: length value < 2 || length (attrNames (groupBy identity value)) == length value;
}
