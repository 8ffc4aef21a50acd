# The namespaces of a platform: Pod Security, quotas, limits.
let
  inherit (builtins)
    attrNames
    concatMap
    filter
    foldl'
    groupBy
    map
    ;
  security = import ./security.nix;
  inherit (import ../kubernetes/pods.nix) templateOf;
in
{
  /**
    For each namespace the strictest Pod Security level that all its pods meet, and the pods that forced a lower one.

    # Type

    ```
    levels :: { entries :: [Entry], components } -> { <namespace> :: { level, forcedBy :: [{ what, level, reasons }] } }
    ```
  */
  levels =
    { entries, components }:
    let
      rendered = concatMap (
        entry:
        let
          template = templateOf entry.object;
        in
        if template == null then
          [ ]
        else
          [
            (
              security.levelOf template.spec
              // {
                namespace = entry.object.metadata.namespace or "";
                what = "${entry.object.kind} ${entry.object.metadata.name}";
              }
            )
          ]
      ) entries;
      # Pods that operators make are not in the set; their module says what level they meet.
      promised = concatMap (
        id:
        map (promise: {
          namespace = promise.namespace or components.${id}.namespace;
          what = "pods of ${id}";
          inherit (promise) level;
          reasons = [ promise.reason ];
        }) components.${id}.podSecurity
      ) (attrNames components);
      byNamespace = groupBy (pod: pod.namespace) (rendered ++ promised);
    in
    builtins.mapAttrs (
      _: pods:
      let
        level = foldl' (
          lowest: pod: if security.rank.${pod.level} < security.rank.${lowest} then pod.level else lowest
        ) "restricted" pods;
      in
      {
        inherit level;
        forcedBy = filter (pod: pod.level == level && level != "restricted") pods;
        pods = pods;
      }
    ) byNamespace;

  inherit (security) rank;

  /**
    Objects of one namespace: itself, its quota and its limits.

    # Type

    ```
    objects :: { name, labels, settings, level } -> [Object]
    ```
  */
  objects =
    {
      name,
      labels,
      settings,
      level,
    }:
    let
      metadata = kind: {
        name = kind;
        namespace = name;
        inherit labels;
      };
    in
    (
      if settings.create then
        [
          {
            apiVersion = "v1";
            kind = "Namespace";
            metadata = {
              inherit name;
              labels = {
                "kubernetes.io/metadata.name" = name;
                "pod-security.kubernetes.io/enforce" = level;
                "pod-security.kubernetes.io/warn" = "restricted";
              }
              // labels
              // settings.labels;
            }
            // (if settings.annotations == { } then { } else { inherit (settings) annotations; });
          }
        ]
      else
        [ ]
    )
    ++ (
      if settings.quota == { } then
        [ ]
      else
        [
          {
            apiVersion = "v1";
            kind = "ResourceQuota";
            metadata = metadata "quota";
            spec.hard = settings.quota;
          }
        ]
    )
    ++ (
      if settings.limits == null then
        [ ]
      else
        [
          {
            apiVersion = "v1";
            kind = "LimitRange";
            metadata = metadata "limits";
            spec.limits = [ settings.limits ];
          }
        ]
    );
}
