# Changes that users make to rendered objects: merged by name where the API merges by name.
{ nearest }:
let
  inherit (builtins)
    any
    attrNames
    concatMap
    concatStringsSep
    elemAt
    filter
    foldl'
    genList
    head
    isAttrs
    isFunction
    isList
    length
    mapAttrs
    toString
    ;
  inherit (import ../internal.nix) key mark note;

  # The field that tells entries of a list apart, where it is not `name`.
  keyOf =
    field:
    {
      volumeMounts = "mountPath";
      topologySpreadConstraints = "topologyKey";
      ownerReferences = "uid";
      hostAliases = "ip";
    }
    .${field} or "name";

  describe =
    object:
    "${object.kind} ${
      if object.metadata ? namespace then "${object.metadata.namespace}/" else ""
    }${object.metadata.name}";

  mergeSet =
    add: path: base: change:
    let
      removed = filter (name: change.${name} == null) (attrNames change);
      changed = removeAttrs change removed;
    in
    removeAttrs base removed
    // mapAttrs (
      name: value:
      if base ? ${name} then merge add "${path}.${name}" name base.${name} value else clean value
    ) changed;

  clean =
    value:
    if isAttrs value then
      mapAttrs (_: clean) (removeAttrs value (filter (name: value.${name} == null) (attrNames value)))
    else
      value;

  merge =
    add: path: field: base: change:
    if isAttrs base && isAttrs change then
      mergeSet add path base change
    else if isList base && isAttrs change then
      mergeNamed add path (keyOf field) field base change
    else
      change;

  # `containers.mlflow.env.HTTPS_PROXY = "…"`: entries of a list by their name; a plain value of an environment
  # variable is its `value`.
  mergeNamed =
    add: path: keyField: field: base: change:
    let
      # A port without a name goes by its number, and any port may.
      numberField = if base != [ ] && (head base) ? port then "port" else "containerPort";
      numberOf = entry: toString (entry.${numberField} or "");
      nameOf =
        if field == "ports" then
          entry: if entry ? name && !(change ? ${numberOf entry}) then entry.name else numberOf entry
        else
          entry: entry.${keyField} or "";
      present = map nameOf base;
      entry = name: value: if isAttrs value then value else { inherit value; };
      new = filter (name: !(builtins.elem name present)) (attrNames change);
      # Environment variables and volumes are added freely; a new container by mistake is a typo.
      free =
        add
        || builtins.elem field [
          "env"
          "volumes"
          "volumeMounts"
          "ports"
          "imagePullSecrets"
        ];
      unknown = if free then [ ] else filter (name: change.${name} != null) new;
      changed = concatMap (
        item:
        let
          name = nameOf item;
        in
        if !(change ? ${name}) then
          [ item ]
        else if change.${name} == null then
          [ ]
        else
          [ (mergeSet add "${path}.${name}" item (entry name change.${name})) ]
      ) base;
      added = concatMap (
        name:
        if change.${name} == null then
          [ ]
        else
          [
            (
              (
                if field == "ports" && builtins.match "[0-9]+" name != null then
                  { ${numberField} = builtins.fromJSON name; }
                else
                  { ${keyField} = name; }
              )
              // clean (entry name change.${name})
            )
          ]
      ) new;
    in
    if unknown != [ ] then
      throw "${path}: no entry named ${head unknown}; there are: ${concatStringsSep ", " present}${
        let
          near = nearest (head unknown) present;
        in
        if near == null then "" else "; did you mean ${near}?"
      } (to append one, set add = true in the patch)"
    else
      changed ++ added;

  targets =
    target: object:
    (target.kind == null || object.kind == target.kind)
    && (target.name == null || object.metadata.name == target.name)
    && (target.apiVersion == null || object.apiVersion == target.apiVersion)
    && (target.namespace == null || object.metadata.namespace or null == target.namespace)
    && (
      target.labels == { }
      || builtins.intersectAttrs target.labels (object.metadata.labels or { }) == target.labels
    );

  wanted =
    target:
    concatStringsSep " " (
      filter (part: part != "") [
        (if target.kind == null then "object" else target.kind)
        (
          if target.name == null then
            ""
          else if target.namespace == null then
            target.name
          else
            "${target.namespace}/${target.name}"
        )
        (if target.component == null then "" else "of component ${target.component}")
        (if target.labels == { } then "" else "with labels ${builtins.toJSON target.labels}")
      ]
    );

  apply =
    where: patch: object:
    if patch.remove then
      [ ]
    else if isFunction patch.patch then
      let
        result = patch.patch (removeAttrs object [ key ]);
      in
      if isAttrs result && result ? kind then
        [ (result // builtins.intersectAttrs { ${key} = null; } object) ]
      else
        throw "${where}.patch: expected the function to return the object, got something else for ${describe object}"
    else
      [ (mergeSet patch.add where object patch.patch) ];
in
{
  /**
    Apply patches in their order to entries `{ object, component, … }`. A patch that matches nothing is an error
    that names the nearest object; one that changes nothing gives a warning.

    # Type

    ```
    applyPatches :: String -> [Patch] -> [Entry] -> { entries :: [Entry], warnings :: [String] }
    ```
  */
  applyPatches =
    subject: patches: entries:
    let
      step =
        state: index:
        let
          patch = elemAt patches index;
          where = "patches[${toString index}]";
          matches =
            entry:
            targets patch.target entry.object
            && (patch.target.component == null || entry.component or null == patch.target.component);
          hit = any matches state.entries;
          near =
            let
              alike = filter (
                entry: patch.target.kind == null || entry.object.kind == patch.target.kind
              ) state.entries;
              name =
                if patch.target.name == null then
                  null
                else
                  nearest patch.target.name (map (entry: entry.object.metadata.name) alike);
              kind =
                if patch.target.kind == null then
                  null
                else
                  nearest patch.target.kind (map (entry: entry.object.kind) state.entries);
            in
            if name != null then
              "; did you mean ${name}?"
            else if alike == [ ] && kind != null then
              "; did you mean the kind ${kind}?"
            else if patch.target.name != null && alike != [ ] then
              "; there are: ${concatStringsSep ", " (map (entry: entry.object.metadata.name) alike)}"
            else
              "";
          changed = concatMap (
            entry:
            if matches entry then
              map (object: {
                inherit object entry;
                hit = true;
              }) (apply "${subject}: ${where}" patch entry.object)
            else
              [
                {
                  inherit entry;
                  inherit (entry) object;
                  hit = false;
                }
              ]
          ) state.entries;
          # Functions can't be compared before they are applied; attribute sets can.
          idle =
            !patch.remove && map (found: found.object) changed == map (entry: entry.object) state.entries;
        in
        if !hit then
          throw "${subject}: ${where}: no object matches ${wanted patch.target}${near}"
        else if patch.patch == null && !patch.remove then
          throw "${subject}: ${where}: neither patch nor remove is given; say what to change"
        else
          {
            # Whoever finds something wrong with the object later can say where it comes from.
            entries = map (
              found:
              if found.hit then
                found.entry
                // {
                  object = mark { patches = (note found.object).patches or [ ] ++ [ where ]; } found.object;
                }
              else
                found.entry
            ) changed;
            warnings =
              state.warnings ++ (if idle then [ "${where} changes nothing on ${wanted patch.target}" ] else [ ]);
          };
    in
    if patches == [ ] then
      {
        inherit entries;
        warnings = [ ];
      }
    else
      foldl' step {
        inherit entries;
        warnings = [ ];
      } (genList (index: index) (length patches));
}
