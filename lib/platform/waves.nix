# The order in which one pass applies cleanly.
let
  inherit (builtins)
    attrNames
    attrValues
    concatMap
    concatStringsSep
    elem
    filter
    foldl'
    head
    listToAttrs
    map
    mapAttrs
    stringLength
    substring
    toString
    ;
  inherit (import ../internal.nix) note;
  inherit (import ./references.nix) referencesOf;

  # What the rest reads when it starts: identities, rights, configuration, volumes, names.
  configuration = {
    ServiceAccount = 1;
    Role = 2;
    RoleBinding = 3;
    ClusterRole = 2;
    ClusterRoleBinding = 3;
    ConfigMap = 4;
    Secret = 4;
    PersistentVolume = 5;
    StorageClass = 0;
    PriorityClass = 0;
    RuntimeClass = 0;
    IngressClass = 0;
    ResourceQuota = 1;
    LimitRange = 1;
    NetworkPolicy = 6;
    Service = 7;
    PodDisruptionBudget = 8;
  };

  webhooks = {
    ValidatingWebhookConfiguration = true;
    MutatingWebhookConfiguration = true;
    ValidatingAdmissionPolicy = true;
    ValidatingAdmissionPolicyBinding = true;
    APIService = true;
  };

  # Within a wave: configuration first, then workloads, then what looks at them.
  rankInWave =
    object:
    if configuration ? ${object.kind} then
      configuration.${object.kind}
    else
      {
        PersistentVolumeClaim = 9;
        Issuer = 10;
        ClusterIssuer = 10;
        Certificate = 11;
        StatefulSet = 20;
        Deployment = 21;
        DaemonSet = 21;
        Job = 22;
        CronJob = 23;
        HorizontalPodAutoscaler = 31;
        Ingress = 30;
        HTTPRoute = 30;
        ServiceMonitor = 32;
        PodMonitor = 32;
        PrometheusRule = 33;
      }
      .${object.kind} or 25;

  core =
    apiVersion:
    let
      group = builtins.match "([^/]*)/.*" apiVersion;
    in
    if group == null then true else builtins.match "[^.]*|.*[.]k8s[.]io" (head group) != null;

  # A claim may stay pending until a pod mounts it, so it must be in the wave of its first pod.
  claimWaves =
    ownWave: entries:
    let
      keyOf = namespace: name: "${namespace}/${name}";
      mounts = concatMap (
        entry:
        map (found: {
          key = keyOf (entry.object.metadata.namespace or "") found.name;
          wave = ownWave entry;
        }) (filter (found: found.kind == "PersistentVolumeClaim") (referencesOf entry.object))
      ) entries;
      first = builtins.foldl' (least: mount: if mount.wave < least then mount.wave else least) 1000000;
    in
    if builtins.all (entry: entry.object.kind != "PersistentVolumeClaim") entries then
      { }
    else
      mapAttrs (_: first) (builtins.groupBy (mount: mount.key) mounts);

  /**
    The wave of each entry of a set.

    # Type

    ```
    waveOf :: { levels, components, entries } -> Entry -> Int
    ```
  */
  waveOf =
    {
      levels,
      components,
      entries,
    }:
    let
      own = ownWave { inherit levels components; };
      claims = claimWaves own entries;
    in
    entry:
    if entry.object.kind == "PersistentVolumeClaim" then
      claims."${entry.object.metadata.namespace or ""}/${entry.object.metadata.name}" or (own entry)
    else
      own entry;

  ownWave =
    {
      levels,
      components,
    }:
    entry:
    let
      inherit (entry) object;
      component = if entry.component == null then null else components.${entry.component} or null;
      operator = component != null && component.kind == "operator";
      phase = (note object).phase or "run";
      level = if entry.component == null then 0 else levels.${entry.component} or 0;
    in
    if object.kind == "Namespace" && object.apiVersion == "v1" then
      0
    else if object.kind == "CustomResourceDefinition" then
      10
    else if configuration ? ${object.kind} && core object.apiVersion then
      20
    else if operator then
      if webhooks ? ${object.kind} || phase == "operator-config" then 40 else 30
    else if webhooks ? ${object.kind} then
      40
    else if entry.component == null then
      50
      + 10 * (foldl' (most: id: if levels.${id} > most then levels.${id} else most) 0 (attrNames levels))
      + 5
    else
      50
      + 10 * level
      + (
        {
          prepare = 0;
          finish = 8;
        }
        .${phase} or 5
      );

  nameOf =
    number:
    {
      "0" = "namespaces";
      "10" = "crds";
      "20" = "config";
      "30" = "operators";
      "40" = "operator-config";
    }
    .${toString number} or (
      let
        stage = (number - 50) / 10 + 1;
        suffix =
          {
            "0" = "-prepare";
            "8" = "-finish";
          }
          .${toString (number - 50 - (stage - 1) * 10)} or "";
      in
      "stage-${toString stage}${suffix}"
    );
in
{
  inherit
    nameOf
    rankInWave
    waveOf
    ;

  /**
    How deep each component stands on others: 0 for one that needs none. A cycle is an error that shows its path.

    # Type

    ```
    levels :: String -> { <id> :: [<id>] } -> { <id> :: Int }
    ```
  */
  levels =
    subject: dependencies:
    let
      walk =
        path: id:
        if elem id path then
          throw "${subject}: components depend on each other in a circle: ${
            concatStringsSep " => " (path ++ [ id ])
          }; take one of these wires out"
        else
          foldl' (
            deepest: other:
            let
              depth = 1 + walk (path ++ [ id ]) other;
            in
            if depth > deepest then depth else deepest
          ) 0 dependencies.${id};
      # Levels of components whose dependencies are known to be acyclic, each computed once.
      memo = mapAttrs (
        _: others:
        foldl' (
          deepest: other:
          let
            depth = 1 + memo.${other};
          in
          if depth > deepest then depth else deepest
        ) 0 others
      ) dependencies;
      # Depth-first search for a cycle over a graph as small as the wiring; only a graph with one is walked in full.
      leaves =
        rest:
        let
          free = filter (id: builtins.all (other: !(rest ? ${other})) rest.${id}) (attrNames rest);
        in
        if rest == { } then
          [ ]
        else if free == [ ] then
          attrNames rest
        else
          leaves (removeAttrs rest free);
      stuck = leaves dependencies;
    in
    if stuck == [ ] then
      memo
    else
      builtins.seq (walk [ ] (head stuck)) (builtins.deepSeq (map (walk [ ]) stuck) memo);

  /**
    Entries in apply order. Sorting by a comparison would call it n log n times; the names of an attribute set are in order
    by themselves.

    # Type

    ```
    sortEntries :: [Entry] -> [Entry]
    ```
  */
  sortEntries =
    entries:
    let
      digits = number: if number < 10 then "0${toString number}" else toString number;
      # Waves have up to five digits: numbers of equal length sort as text.
      padded = number: substring (stringLength (toString number)) 5 "00000" + toString number;
    in
    attrValues (
      listToAttrs (
        map (entry: {
          name = "${padded entry.wave}|${digits entry.rank}|${entry.key}";
          value = entry;
        }) entries
      )
    );
}
