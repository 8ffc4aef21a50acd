# Check of Kubernetes objects at evaluation, against the API schemas in generated/kubernetes.
#
# `accepts` is the fast way: a predicate compiled per definition, made when first needed. `explain` is
# the slow one: it walks the object again and says what is wrong where. They agree on every value.
{
  folder ? ../../generated/kubernetes,
}:
let
  inherit (builtins)
    attrNames
    concatStringsSep
    elemAt
    filter
    foldl'
    groupBy
    head
    isAttrs
    isString
    listToAttrs
    map
    mapAttrs
    match
    substring
    ;

  loaded = import ./load.nix { inherit folder; };
  inherit (loaded) versions default history;
  inherit (import ./constraints.nix { inherit (loaded) patterns; }) constraintsOf;
  inherit (import ../text/nearest.nix) suggest;

  reject = _: false;

  # What a file's definitions mean: predicates, made when first asked for, and the walk that explains.
  checkerOf =
    {
      definitions,
      core ? null, # the checker that `core#NAME` refers to
    }:
    let
      localName = reference: substring 1 (-1) reference;
      isCore = reference: substring 0 1 reference == "c";
      coreName = reference: substring 5 (-1) reference;

      definition =
        reference:
        if isCore reference then
          core.definitions.${coreName reference}
        else
          definitions.${localName reference};
      check =
        reference:
        if isCore reference then core.checks.${coreName reference} else checks.${localName reference};

      inherit (import ./accepts.nix { inherit constraintsOf definition check; }) compile;
      # A definition of a custom file may refer to one of the core file, and the walk goes on there.
      explainReference =
        path: reference: value:
        if isCore reference then
          core.explain path core.definitions.${coreName reference} value
        else
          explain path definitions.${localName reference} value;
      inherit (import ./explain.nix { inherit constraintsOf check explainReference; }) explain;

      checks = mapAttrs (_: compile) definitions;
    in
    {
      inherit definitions checks explain;
    };

  # `forVersion "1.36".fragment "PodSpec"`: the part of a definition's name that people say.
  shortName =
    name:
    let
      parts = match "([^/]*)/([^.]*)\\.(.*)" name;
    in
    elemAt parts 2;
  # Of several definitions with one short name people mean core/v1, else the stable and newest one.
  mostCommon =
    names:
    let
      stable = filter (name: match "[^/]*/v[0-9]+\\..*" name != null) names;
      ordered = if stable == [ ] then names else stable;
    in
    foldl' (
      best: name:
      if substring 0 8 best == "core/v1." then
        best
      else if substring 0 8 name == "core/v1." || builtins.compareVersions name best > 0 then
        name
      else
        best
    ) (head ordered) ordered;

  schemaOf =
    version:
    let
      served = loaded.core version;
      core = checkerOf { inherit (served) definitions; };

      coreChecks = mapAttrs (_: mapAttrs (_: kind: core.checks.${kind.definition})) served.kinds;
      customCheckers = mapAttrs (
        _:
        mapAttrs (
          _: kind:
          if kind ? file then
            checkerOf {
              definitions = loaded.custom.definitionsOf kind.file;
              inherit core;
            }
          else
            null
        )
      ) loaded.custom.kinds;
      customChecks = mapAttrs (
        _: mapAttrs (_: checker: if checker == null then reject else checker.checks."")
      ) customCheckers;

      accepts =
        object:
        isAttrs object
        && object ? apiVersion
        && object ? kind
        && isString object.apiVersion
        && isString object.kind
        &&
          (coreChecks.${object.apiVersion}.${object.kind}
            or (customChecks.${object.apiVersion}.${object.kind} or reject)
          )
            object;

      unknownKind = import ./unknown-kind.nix {
        inherit version history;
        core = served.kinds;
        custom = loaded.custom.kinds;
      };

      explainObject =
        object:
        let
          inherit (object) apiVersion;
          checker = customCheckers.${apiVersion}.${object.kind} or null;
          coreKind = served.kinds.${apiVersion}.${object.kind} or null;
        in
        if coreKind != null then
          core.explain "" core.definitions.${coreKind.definition} object
        else if checker != null then
          checker.explain "" checker.definitions."" object
        else
          [
            {
              path = "kind";
              message = unknownKind apiVersion object.kind;
            }
          ];

      identityProblems =
        object:
        builtins.concatMap
          (
            name:
            if !(object ? ${name}) then
              [
                {
                  path = name;
                  message = "required field is missing";
                }
              ]
            else if !isString object.${name} then
              [
                {
                  path = name;
                  message = "expected a string";
                }
              ]
            else
              [ ]
          )
          [
            "apiVersion"
            "kind"
          ];

      explain =
        object:
        if accepts object then
          [ ]
        else if !isAttrs object then
          [
            {
              path = "";
              message = "expected a Kubernetes object, found a ${builtins.typeOf object}";
            }
          ]
        else
          let
            problems = identityProblems object;
          in
          if problems != [ ] then problems else explainObject object;

      parsed =
        apiVersion:
        let
          parts = match "(.*)/([^/]*)" apiVersion;
        in
        if parts == null then
          {
            group = "";
            version = apiVersion;
          }
        else
          {
            group = elemAt parts 0;
            version = elemAt parts 1;
          };

      kind =
        apiVersion: name:
        let
          coreKind = served.kinds.${apiVersion}.${name} or null;
          customKind = loaded.custom.kinds.${apiVersion}.${name} or null;
        in
        if coreKind != null then
          parsed apiVersion
          // {
            inherit (coreKind) scope plural;
            crd = null;
          }
        else if customKind != null && customKind ? file then
          parsed apiVersion
          // {
            inherit (customKind) scope plural;
            crd = loaded.custom.crdFrom customKind.from customKind.crd;
          }
        else
          null;

      fragments = mapAttrs (_: mostCommon) (groupBy shortName (attrNames served.definitions));

      fragmentOf =
        name:
        let
          full = fragments.${name} or (if served.definitions ? ${name} then name else null);
        in
        if full == null then
          throw "schema: fragment ${name}: no such definition in Kubernetes ${version}${suggest name (attrNames fragments)}"
        else
          {
            accepts = core.checks.${full};
            explain = core.explain "" core.definitions.${full};
          };
    in
    {
      inherit version;

      /**
        Is the object valid for its apiVersion and kind?

        # Type
        ```
        accepts :: Any -> Bool
        ```
      */
      inherit accepts;

      /**
        Everything that is wrong with an object; empty if and only if `accepts` it.

        # Type
        ```
        explain :: Any -> [ { path :: String; message :: String; } ]
        ```

        # Examples
        ```nix
        explain { apiVersion = "v1"; kind = "ConfigMap"; dta = { }; }
        => [ { path = "dta"; message = "unknown field; did you mean data?"; } ]
        ```
      */
      inherit explain;

      /**
        What is known about a kind, or null: `scope`, `plural`, `group`, `version`, and for a custom kind
        `crd`: its `name` and where upstream's file can be had (`url`, `sha256`, `bytes`, `file`, `alternatives`).

        # Type
        ```
        kind :: String -> String -> AttrSet | null
        ```

        # Examples
        ```nix
        (kind "apps/v1" "Deployment").plural
        => "deployments"
        ```
      */
      inherit kind;

      /**
        The check of a part of an object, by the short name of its definition: "PodSpec", "Container", "Toleration".

        # Type
        ```
        fragment :: String -> { accepts :: Any -> Bool; explain :: Any -> [ { path; message; } ]; }
        ```
      */
      fragment = fragmentOf;

      # The short names that `fragment` knows.
      fragmentNames = attrNames fragments;
    };

  schemas = listToAttrs (
    map (version: {
      name = version;
      value = schemaOf version;
    }) versions
  );
in
{
  inherit versions default;

  /**
    The checks of one version of Kubernetes.

    # Type
    ```
    forVersion :: String -> { accepts; explain; kind; fragment; fragmentNames; }
    ```
  */
  forVersion =
    version:
    schemas.${version}
      or (throw "schema: Kubernetes ${version} is not known; expected one of ${concatStringsSep ", " versions}");

  /**
    Where upstream's file of a CRD can be had. `file` chooses among upstream's variants of it; the first that is known is
    the usual one.

    # Type
    ```
    crd :: { name :: String; file ? String; } -> { name; file; url; sha256; bytes; }
    ```

    # Examples
    ```nix
    (crd { name = "workflows.argoproj.io"; file = "argoproj.io-4.0.5-minimal/workflows.yaml"; }).sha256
    => "358d5f18…"
    ```
  */
  crd =
    {
      name,
      file ? null,
    }:
    let
      known =
        loaded.custom.crds.${name}
          or (throw "schema: CRD ${name}: not known${suggest name (attrNames loaded.custom.crds)}");
      variants = builtins.filter (variant: variant.file == file) ([ known ] ++ known.alternatives);
    in
    if file == null then
      known
    else if variants == [ ] then
      throw "schema: CRD ${name}: no file ${file}; there are ${
        concatStringsSep ", " (map (variant: variant.file) ([ known ] ++ known.alternatives))
      }"
    else
      builtins.head variants // { inherit name; };
}
