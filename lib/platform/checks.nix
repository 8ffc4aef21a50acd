# Checks between objects of one set. Each gives a list of messages; none touches more objects than it must.
{
  nearest,
  quantity,
  describe,
}:
let
  inherit (builtins)
    all
    any
    attrNames
    concatMap
    concatStringsSep
    filter
    foldl'
    groupBy
    head
    intersectAttrs
    isString
    length
    listToAttrs
    map
    match
    stringLength
    toString
    ;
  inherit (import ../kubernetes/pods.nix) containersOf templateOf;
  inherit (import ./references.nix) referencesOf;
  inherit (import ../internal.nix) changedBy;

  namespaceOf = object: object.metadata.namespace or "";
  qualifiedName =
    object:
    "${
      if object.metadata ? namespace then "${object.metadata.namespace}/" else ""
    }${object.metadata.name}";
  title = object: "${object.kind} ${qualifiedName object}";
  group =
    object:
    let
      parts = match "([^/]*)/.*" object.apiVersion;
    in
    if parts == null then "" else head parts;
  identity = object: "${group object}|${object.kind}|${qualifiedName object}";
  # Component, object, and the patches that changed it: what every message begins with.
  subjectOf =
    entry:
    (if entry.component == null then "" else "${entry.component}: ")
    + title entry.object
    + changedBy (entry.patches or [ ]);

  duplicates =
    entries:
    let
      same = groupBy (entry: identity entry.object) entries;
      several = filter (key: length same.${key} > 1) (attrNames same);
      maker = entry: if entry.component == null then "extraObjects" else entry.component;
    in
    map (
      key:
      let
        makers = map maker same.${key};
        named = attrNames (
          listToAttrs (
            map (name: {
              inherit name;
              value = null;
            }) makers
          )
        );
        inherit ((head same.${key})) object;
      in
      if object.kind == "Namespace" then
        "${title object} is made by the platform and by ${
          head (filter (name: name != "extraObjects") makers ++ [ "extraObjects" ])
        }; say namespaces.${object.metadata.name}.create = false, or leave the object out and set its labels there"
      else
        "${title object} is made by ${
          if length named == 1 then "${head named} twice" else "components ${concatStringsSep " and " named}"
        }; rename one of them or give it another namespace"
    ) several;

  # ConfigMaps, Secrets, ServiceAccounts, claims, Services and the like that objects name.
  references =
    {
      entries,
      isExternal,
      secrets,
      # "namespace/name" of Services that operators make, as the endpoints of components name them.
      services,
    }:
    let
      # A template's claims exist as volumes of the pods of its StatefulSet.
      names = listToAttrs (
        map (entry: {
          name = "${entry.object.kind}|${namespaceOf entry.object}|${entry.object.metadata.name}";
          value = null;
        }) entries
      );
      clusterWide = kind: kind == "PriorityClass";
      # As `external` names it: `Secret ml/db`, `PriorityClass high`.
      wanted =
        object: found:
        if clusterWide found.kind then
          "${found.kind} ${found.name}"
        else
          "${found.kind} ${namespaceOf object}/${found.name}";
      known =
        object: found:
        let
          namespace = if clusterWide found.kind then "" else namespaceOf object;
        in
        found.optional
        || found.name == ""
        || names ? "${found.kind}|${namespace}|${found.name}"
        || found.kind == "Secret" && secrets ? "${namespace}/${found.name}"
        || found.kind == "Service" && services ? "${namespace}/${found.name}"
        || isExternal (wanted object found);
      missing =
        entry:
        map (
          found:
          let
            namespace = if clusterWide found.kind then "" else namespaceOf entry.object;
            name = wanted entry.object found;
            candidates = map (candidate: candidate.object.metadata.name) (
              filter (
                candidate: candidate.object.kind == found.kind && namespaceOf candidate.object == namespace
              ) entries
            );
            near = nearest found.name candidates;
          in
          "${subjectOf entry}: ${found.path}: ${name} is named but not part of the platform; add it or list it under external as \"${name}\""
          + (if near == null then "" else "; did you mean ${near}?")
        ) (filter (found: !(known entry.object found)) (referencesOf entry.object));
    in
    concatMap missing entries;

  # Services reach pods, and ports that those pods have.
  services =
    { entries, madeByOperators }:
    let
      templates = concatMap (
        entry:
        let
          template = templateOf entry.object;
        in
        if template == null then
          [ ]
        else
          [
            {
              namespace = namespaceOf entry.object;
              labels = template.metadata.labels or { };
              inherit (template) spec;
            }
          ]
      ) entries;
      # Few pods share an instance: look there first.
      keyOf = namespace: labels: "${namespace}|${labels."app.kubernetes.io/instance" or ""}";
      byInstance = groupBy (pod: keyOf pod.namespace pod.labels) templates;
      byNamespace = groupBy (pod: pod.namespace) templates;
      selected =
        namespace: selector:
        filter (pod: intersectAttrs selector pod.labels == selector) (
          if selector ? "app.kubernetes.io/instance" then
            byInstance.${keyOf namespace selector} or [ ]
          else
            byNamespace.${namespace} or [ ]
        );
      portNames =
        pods: concatMap (pod: concatMap (container: container.ports or [ ]) (containersOf pod.spec)) pods;
      check =
        entry:
        let
          inherit (entry) object;
          pods = selected (namespaceOf object) object.spec.selector;
          ports = portNames pods;
          wrong = filter (
            port:
            isString (port.targetPort or null)
            && !(any (candidate: candidate.name or null == port.targetPort) ports)
          ) (object.spec.ports or [ ]);
        in
        if pods == [ ] then
          if madeByOperators entry then
            [ ]
          else
            [
              "${subjectOf entry}: spec.selector: matches no pod of the platform; expected labels of a pod template in namespace ${namespaceOf object}"
            ]
        else
          map (
            port:
            let
              known = filter (name: name != null) (map (candidate: candidate.name or null) ports);
              near = nearest port.targetPort known;
            in
            "${subjectOf entry}: spec.ports: targetPort ${port.targetPort} is no port of the pods; there are: ${concatStringsSep ", " known}"
            + (if near == null then "" else "; did you mean ${near}?")
          ) wrong;
    in
    concatMap (
      entry:
      if
        entry.object.kind == "Service"
        && entry.object.apiVersion == "v1"
        && entry.object.spec.selector or { } != { }
      then
        check entry
      else
        [ ]
    ) entries;

  nodePorts =
    entries:
    let
      uses = concatMap (
        entry:
        if entry.object.kind == "Service" && entry.object.apiVersion == "v1" then
          concatMap (
            port:
            if port ? nodePort then
              [
                {
                  key = "${toString port.nodePort}/${port.protocol or "TCP"}";
                  inherit (port) nodePort;
                  by = if entry.component == null then title entry.object else entry.component;
                }
              ]
            else
              [ ]
          ) (entry.object.spec.ports or [ ])
        else
          [ ]
      ) entries;
      same = groupBy (use: use.key) uses;
    in
    map (
      key:
      "nodePort ${toString (head same.${key}).nodePort} is used by ${
        concatStringsSep " and " (map (use: use.by) same.${key})
      }; give one of them another"
    ) (filter (key: length same.${key} > 1) (attrNames same));

  nameRegex = "[a-z0-9]([-a-z0-9.]*[a-z0-9])?";
  rbac = {
    Role = true;
    RoleBinding = true;
    ClusterRole = true;
    ClusterRoleBinding = true;
  };
  names =
    entries:
    concatMap (
      entry:
      let
        inherit (entry.object) kind;
        inherit (entry.object.metadata) name;
        limit =
          if kind == "Service" || kind == "Namespace" then
            63
          else if kind == "CronJob" then
            52
          else if kind == "StatefulSet" || kind == "Job" then
            63
          else
            253;
      in
      if stringLength name > limit then
        [
          "${subjectOf entry}: metadata.name: ${toString (stringLength name)} characters; at most ${toString limit} for a ${kind}"
        ]
      else if match nameRegex name == null && !(rbac ? ${kind}) then
        [
          "${subjectOf entry}: metadata.name: not a valid name; expected lower-case letters, digits, '-' and '.'"
        ]
      else
        [ ]
    ) entries;

  # Namespaced objects say their namespace; cluster-wide ones don't.
  scopes =
    { entries, api }:
    concatMap (
      entry:
      let
        found = api.kind entry.object.apiVersion entry.object.kind;
        has = entry.object.metadata ? namespace;
      in
      if found == null then
        [ ]
      else if found.scope == "Namespaced" && !has then
        [
          "${subjectOf entry}: metadata.namespace: required, because ${entry.object.kind} is a namespaced kind"
        ]
      else if found.scope == "Cluster" && has then
        [
          "${subjectOf entry}: metadata.namespace: ${entry.object.kind} is a cluster-wide kind; leave the namespace out"
        ]
      else
        [ ]
    ) entries;

  # What a pod asks for in sum, against what one node of a pool can give.
  fit =
    { entries, nodePools }:
    let
      pools = filter (name: nodePools.${name}.allocatable != { }) (attrNames nodePools);
      # Versions of Nix write a whole float as 4 or as 4.0.
      amount =
        number:
        if builtins.floor number == number then
          toString (builtins.floor number)
        else
          builtins.toJSON number;
      sum =
        spec: resource:
        foldl' (
          total: container:
          total
          + quantity.toNumber (
            container.resources.requests.${resource} or container.resources.limits.${resource} or 0
          )
        ) 0.0 (spec.containers or [ ]);
      mayRunOn =
        spec: pool:
        let
          inherit (nodePools.${pool}) selector;
          wanted = spec.nodeSelector or { };
        in
        all (label: !(selector ? ${label}) || selector.${label} == wanted.${label}) (attrNames wanted);
      check =
        entry:
        let
          template = templateOf entry.object;
          inherit (template) spec;
          # A pod that names all labels of a pool means that pool; else every pool that they don't rule out.
          meant = filter (
            pool:
            let
              inherit (nodePools.${pool}) selector;
            in
            selector != { } && intersectAttrs selector (spec.nodeSelector or { }) == selector
          ) pools;
          candidates = if meant != [ ] then meant else filter (mayRunOn spec) pools;
          # A device that a pool does not list is not there.
          devices = filter (resource: match ".+/.+" resource != null) (
            concatMap (container: attrNames (container.resources.limits or { })) (spec.containers or [ ])
          );
          tooMuch =
            pool:
            let
              inherit (nodePools.${pool}) allocatable;
            in
            filter (resource: sum spec resource > quantity.toNumber allocatable.${resource}) (
              attrNames allocatable
            )
            ++ filter (resource: !(allocatable ? ${resource})) devices;
        in
        if template == null || candidates == [ ] || any (pool: tooMuch pool == [ ]) candidates then
          [ ]
        else
          let
            pool = head candidates;
            resource = head (tooMuch pool);
          in
          [
            "${subjectOf entry}: asks for ${amount (sum spec resource)} of ${resource} in one pod, but a node of pool ${pool} has ${
              nodePools.${pool}.allocatable.${resource} or "none"
            }; ask for less, or name another nodePool"
          ];
    in
    if pools == [ ] then [ ] else concatMap check entries;

  own =
    { entries, checks }:
    concatMap (
      check:
      concatMap (
        entry:
        let
          verdict = check.check entry.object;
        in
        if verdict == null then
          [ ]
        else if isString verdict then
          [ "${subjectOf entry}: ${check.name}: ${verdict}" ]
        else
          [
            "checks: ${check.name}: expected null or a message, found ${describe.found verdict} for ${title entry.object}"
          ]
      ) entries
    ) checks;
in
{
  inherit
    duplicates
    fit
    group
    identity
    names
    nodePorts
    own
    references
    scopes
    services
    title
    ;
}
