# What components need to be there, and who brings it: a component of the platform, an operator that the library
# renders, or the user.
{ requirements, nearest }:
let
  inherit (builtins)
    attrNames
    concatLists
    concatMap
    concatStringsSep
    elem
    filter
    groupBy
    listToAttrs
    map
    ;

  /**
    Resolve the requirements of components, and of the operators that are added for them.

    # Type

    ```
    resolve :: { subject, components :: { <id> :: Component }, external :: [String], install :: Bool, settings, build } ->
      { components :: { <id> :: Component }, external :: [{ name, requiredBy, … }], edges :: [{ from, to }] }
    ```
  */
  resolve =
    {
      subject,
      components,
      external,
      install,
      build,
    }:
    let
      isExternal = name: elem name external;

      providersOf =
        set:
        listToAttrs (
          concatLists (
            map (
              id:
              map (name: {
                inherit name;
                value = id;
              }) set.${id}.provides
            ) (attrNames set)
          )
        );

      needs =
        set:
        groupBy (need: need.name) (
          concatLists (
            map (
              id:
              map (name: {
                inherit name;
                by = id;
              }) set.${id}.requires
            ) (attrNames set)
          )
        );

      # Operators may need operators: add until nothing new is needed.
      grow =
        set:
        let
          providers = providersOf set;
          open = filter (name: !(providers ? ${name}) && !(isExternal name)) (attrNames (needs set));
          added = filter (name: install && (requirements.${name}.builder or null) != null) open;
        in
        if added == [ ] then
          set
        else
          grow (
            set
            // listToAttrs (
              map (name: {
                # The user may have called something else by the operator's name.
                name = if set ? ${name} then "${name}-operator" else name;
                value = build requirements.${name}.builder;
              }) added
            )
          );

      all = grow components;
      providers = providersOf all;
      needed = needs all;
      unmet = filter (name: !(providers ? ${name}) && !(isExternal name)) (attrNames needed);

      message =
        name:
        let
          who = concatStringsSep ", " (map (need: need.by) needed.${name});
          known = requirements.${name} or null;
          builder = if known == null then null else known.builder or null;
        in
        "${subject}: ${who}: needs ${name}"
        + (if known == null then "" else " (${known.summary})")
        + "; "
        + (
          if builder != null then
            "add ${builder} to components, or external = [ \"${name}\" ] where the cluster has it"
          else
            "say external = [ \"${name}\" ] and have it installed"
            + (if known != null && known ? url then " (${known.version}: ${known.url})" else "")
        );
    in
    if unmet != [ ] then
      throw (concatStringsSep "\n" (map message unmet))
    else
      {
        components = all;
        external = map (
          name:
          {
            inherit name;
            version = null;
            url = null;
            crds = [ ];
          }
          // builtins.intersectAttrs {
            version = null;
            url = null;
            crds = null;
            summary = null;
          } (requirements.${name} or { })
          // {
            requiredBy = map (need: need.by) needed.${name};
          }
        ) (filter (name: !(providers ? ${name})) (attrNames needed));
        edges = concatMap (
          name:
          map (need: {
            from = need.by;
            to = providers.${name} or name;
          }) needed.${name}
        ) (attrNames needed);
      };
in
{
  inherit resolve;
}
