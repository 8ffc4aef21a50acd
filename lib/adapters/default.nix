# A platform, or a builder's options, in the form that other tools want.
{ self }:
let
  inherit (builtins)
    attrNames
    groupBy
    listToAttrs
    map
    mapAttrs
    ;
  yaml = self.yaml;

  objectsOf =
    subject: value:
    if
      builtins.isAttrs value && (value._type or null == "platform" || value._type or null == "component")
    then
      value.objects
    else
      throw "adapters.${subject}: expected a platform or a component, found ${
        if builtins.isAttrs value then "another attribute set" else "a ${builtins.typeOf value}"
      }";
in
{
  /**
    For kubenix: `kubernetes.objects = adapters.kubenix platform;`.

    # Type

    ```
    kubenix :: Platform | Component -> [Object]
    ```
  */
  kubenix = objectsOf "kubenix";

  /**
    For nixidy: one application per component, each with its objects as YAML.

    # Type

    ```
    nixidy :: Platform -> { <component> :: { namespace, createNamespace, yamls } }
    ```

    # Examples

    ```nix
    applications = adapters.nixidy platform;
    ```
  */
  nixidy =
    platform:
    let
      checked = builtins.seq (objectsOf "nixidy" platform) platform;
      entries = groupBy (entry: if entry.component == null then "" else entry.component) checked.entries;
    in
    listToAttrs (
      map (id: {
        # What belongs to no component is the platform's own application; a component may have its name.
        name =
          if id != "" then
            id
          else if checked.components ? ${checked.name} then
            "${checked.name}-platform"
          else
            checked.name;
        value = {
          createNamespace = false;
          yamls = map (entry: yaml.document entry.object) entries.${id};
        }
        // (if id == "" then { } else { inherit (checked.components.${id}) namespace; });
      }) (attrNames entries)
    );

  /**
    For easykubenix: objects by namespace (`none` for cluster-wide ones), kind and name.

    # Type

    ```
    easykubenix :: Platform | Component -> { <namespace> :: { <Kind> :: { <name> :: Object } } }
    ```
  */
  easykubenix =
    value:
    let
      byNamespace = groupBy (object: object.metadata.namespace or "none") (objectsOf "easykubenix" value);
    in
    mapAttrs (
      _: objects:
      mapAttrs (
        kind: ofKind:
        mapAttrs (
          name: same:
          if builtins.length same == 1 then
            builtins.head same
          else
            throw "adapters.easykubenix: easykubenix tells objects apart by kind and name, and there are several of ${kind} ${name}: ${
              builtins.concatStringsSep ", " (map (object: object.apiVersion) same)
            }; rename one of them"
        ) (groupBy (object: object.metadata.name) ofKind)
      ) (groupBy (object: object.kind) objects)
    ) byNamespace;

  /**
    Builders as modules of nixpkgs' module system: `mlops.<builder>.<name> = { enable = true; … }` with the same
    option names, types, defaults and descriptions; `mlops.platform` has the arguments of `mkPlatform`.

    # Type

    ```
    module :: { lib } -> Module
    ```
  */
  module = import ./module-system.nix { inherit self; };
}
