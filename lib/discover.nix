# Modules are found by their place: modules/<group>/X.nix, or modules/<group>/X/default.nix, is the builder mkX;
# modules/requirements/<name>.nix is what a component may need and the user, or a builder, brings.
{ workshop }:
root:
let
  inherit (builtins)
    attrNames
    concatMap
    elemAt
    filter
    isList
    listToAttrs
    match
    pathExists
    readDir
    ;

  # name -> path of the Nix files in a folder; names that begin with a lower-case letter in a group are its own parts.
  units =
    folder:
    let
      entries = readDir folder;
    in
    concatMap (
      entry:
      let
        file = match "(.*)[.]nix" entry;
      in
      if entries.${entry} == "directory" then
        if pathExists (folder + "/${entry}/default.nix") then
          [
            {
              name = entry;
              path = folder + "/${entry}";
            }
          ]
        else
          [ ]
      else if isList file then
        [
          {
            name = elemAt file 0;
            path = folder + "/${entry}";
          }
        ]
      else
        [ ]
    ) (attrNames entries);

  groups = filter (group: group != "requirements") (
    let
      entries = readDir root;
    in
    filter (entry: entries.${entry} == "directory") (attrNames entries)
  );

  modulesOf =
    group:
    map (unit: {
      name = "mk${unit.name}";
      value = workshop.mkModule (
        {
          inherit group;
          builder = "mk${unit.name}";
        }
        // import unit.path workshop
      );
    }) (filter (unit: match "[A-Z].*" unit.name != null) (units (root + "/${group}")));
in
{
  builders = listToAttrs (concatMap modulesOf groups);
  requirements = listToAttrs (
    map (unit: {
      inherit (unit) name;
      value = import unit.path;
    }) (units (root + "/requirements"))
  );
}
