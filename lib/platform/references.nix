# The names by which objects refer to other objects, each with the place where it stands.
let
  inherit (builtins)
    concatLists
    elemAt
    filter
    genList
    length
    toString
    ;
  inherit (import ../kubernetes/pods.nix) templateOf;

  indexed =
    f: path: list:
    concatLists (genList (index: f "${path}[${toString index}]" (elemAt list index)) (length list));

  reference = kind: path: name: optional: [
    {
      inherit kind path name;
      optional = optional == true;
    }
  ];

  volume =
    path: source:
    if source ? configMap then
      reference "ConfigMap" "${path}.configMap.name" (source.configMap.name or "") (
        source.configMap.optional or false
      )
    else if source ? secret then
      reference "Secret" "${path}.secret.secretName" (source.secret.secretName or "") (
        source.secret.optional or false
      )
    else if source ? persistentVolumeClaim then
      reference "PersistentVolumeClaim" "${path}.persistentVolumeClaim.claimName"
        source.persistentVolumeClaim.claimName
        false
    else if source ? projected then
      indexed projected "${path}.projected.sources" (source.projected.sources or [ ])
    else
      [ ];

  projected =
    path: source:
    if source ? configMap then
      reference "ConfigMap" "${path}.configMap.name" (source.configMap.name or "") (
        source.configMap.optional or false
      )
    else if source ? secret then
      reference "Secret" "${path}.secret.name" (source.secret.name or "") (
        source.secret.optional or false
      )
    else
      [ ];

  variable =
    path: env:
    if !(env ? valueFrom) then
      [ ]
    else if env.valueFrom ? secretKeyRef then
      reference "Secret" "${path}.valueFrom.secretKeyRef.name" env.valueFrom.secretKeyRef.name (
        env.valueFrom.secretKeyRef.optional or false
      )
    else if env.valueFrom ? configMapKeyRef then
      reference "ConfigMap" "${path}.valueFrom.configMapKeyRef.name" env.valueFrom.configMapKeyRef.name (
        env.valueFrom.configMapKeyRef.optional or false
      )
    else
      [ ];

  source =
    path: from:
    if from ? configMapRef then
      reference "ConfigMap" "${path}.configMapRef.name" from.configMapRef.name (
        from.configMapRef.optional or false
      )
    else if from ? secretRef then
      reference "Secret" "${path}.secretRef.name" from.secretRef.name (from.secretRef.optional or false)
    else
      [ ];

  container =
    path: c:
    indexed variable "${path}.env" (c.env or [ ])
    ++ indexed source "${path}.envFrom" (c.envFrom or [ ]);

  podSpec =
    path: spec:
    indexed container "${path}.containers" (spec.containers or [ ])
    ++ indexed container "${path}.initContainers" (spec.initContainers or [ ])
    ++ indexed volume "${path}.volumes" (spec.volumes or [ ])
    ++ (
      if spec.serviceAccountName or "default" == "default" then
        [ ]
      else
        reference "ServiceAccount" "${path}.serviceAccountName" spec.serviceAccountName false
    )
    ++ (
      if spec ? priorityClassName && builtins.substring 0 7 spec.priorityClassName != "system-" then
        reference "PriorityClass" "${path}.priorityClassName" spec.priorityClassName false
      else
        [ ]
    );

  podPath =
    object:
    if object.kind == "CronJob" then
      "spec.jobTemplate.spec.template.spec"
    else if object.kind == "Pod" then
      "spec"
    else
      "spec.template.spec";

  ingressPath =
    path: entry:
    if entry ? backend && entry.backend ? service then
      reference "Service" "${path}.backend.service.name" entry.backend.service.name false
    else
      [ ];

  byKind = {
    Ingress =
      object:
      indexed (
        path: rule: indexed ingressPath "${path}.http.paths" (rule.http.paths or [ ])
      ) "spec.rules" (object.spec.rules or [ ]);
    HTTPRoute =
      object:
      indexed (
        path: rule:
        indexed (
          path: backend:
          if backend.kind or "Service" == "Service" && !(backend ? namespace) then
            reference "Service" "${path}.name" backend.name false
          else
            [ ]
        ) "${path}.backendRefs" (rule.backendRefs or [ ])
      ) "spec.rules" (object.spec.rules or [ ]);
    StatefulSet =
      object:
      if object.spec.serviceName or "" == "" then
        [ ]
      else
        reference "Service" "spec.serviceName" object.spec.serviceName false;
    HorizontalPodAutoscaler =
      object:
      reference object.spec.scaleTargetRef.kind "spec.scaleTargetRef.name" object.spec.scaleTargetRef.name
        false;
    RoleBinding =
      object:
      filter (found: found.kind == "Role") (
        reference object.roleRef.kind "roleRef.name" object.roleRef.name false
      )
      ++ indexed (
        path: subject:
        if
          subject.kind == "ServiceAccount"
          && subject.namespace or object.metadata.namespace == object.metadata.namespace
        then
          reference "ServiceAccount" "${path}.name" subject.name false
        else
          [ ]
      ) "subjects" (object.subjects or [ ]);
  };
in
{
  inherit podPath podSpec;

  /**
    What an object refers to in its own namespace: `{ kind, name, path, optional }`.

    # Type

    ```
    referencesOf :: Object -> [Reference]
    ```
  */
  referencesOf =
    object:
    let
      template = templateOf object;
      own = if byKind ? ${object.kind} then byKind.${object.kind} object else [ ];
    in
    if template == null then own else podSpec (podPath object) template.spec ++ own;
}
