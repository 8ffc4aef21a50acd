# The names by which objects refer to other objects, each with the place where it stands.
let
  inherit (builtins)
    concatMap
    elemAt
    filter
    genList
    length
    substring
    toString
    ;
  inherit (import ../kubernetes/pods.nix) templateOf;

  # Containers, variables and volumes are named in a path by their names, as in a patch. Most of them refer to
  # nothing, so each costs one call; paths are built only when somebody reads them.
  variable =
    path: env:
    let
      inherit (env) valueFrom;
    in
    if valueFrom ? secretKeyRef then
      [
        {
          kind = "Secret";
          path = "${path}.env.${env.name}.valueFrom.secretKeyRef.name";
          name = valueFrom.secretKeyRef.name;
          optional = valueFrom.secretKeyRef.optional or false;
        }
      ]
    else if valueFrom ? configMapKeyRef then
      [
        {
          kind = "ConfigMap";
          path = "${path}.env.${env.name}.valueFrom.configMapKeyRef.name";
          name = valueFrom.configMapKeyRef.name;
          optional = valueFrom.configMapKeyRef.optional or false;
        }
      ]
    else
      [ ];

  source =
    path: from:
    if from ? configMapRef then
      [
        {
          kind = "ConfigMap";
          path = "${path}.envFrom.configMapRef.name";
          name = from.configMapRef.name;
          optional = from.configMapRef.optional or false;
        }
      ]
    else if from ? secretRef then
      [
        {
          kind = "Secret";
          path = "${path}.envFrom.secretRef.name";
          name = from.secretRef.name;
          optional = from.secretRef.optional or false;
        }
      ]
    else
      [ ];

  container =
    path: c:
    (
      if c ? env then
        concatMap (env: if env ? valueFrom then variable "${path}.${c.name}" env else [ ]) c.env
      else
        [ ]
    )
    ++ (if c ? envFrom then concatMap (source "${path}.${c.name}") c.envFrom else [ ]);

  projected =
    path: source:
    if source ? configMap then
      [
        {
          kind = "ConfigMap";
          path = "${path}.configMap.name";
          name = source.configMap.name or "";
          optional = source.configMap.optional or false;
        }
      ]
    else if source ? secret then
      [
        {
          kind = "Secret";
          path = "${path}.secret.name";
          name = source.secret.name or "";
          optional = source.secret.optional or false;
        }
      ]
    else
      [ ];

  volume =
    path: volume:
    if volume ? emptyDir then
      [ ]
    else if volume ? secret then
      [
        {
          kind = "Secret";
          path = "${path}.volumes.${volume.name}.secret.secretName";
          name = volume.secret.secretName or "";
          optional = volume.secret.optional or false;
        }
      ]
    else if volume ? persistentVolumeClaim then
      [
        {
          kind = "PersistentVolumeClaim";
          path = "${path}.volumes.${volume.name}.persistentVolumeClaim.claimName";
          name = volume.persistentVolumeClaim.claimName;
          optional = false;
        }
      ]
    else if volume ? projected then
      concatMap (projected "${path}.volumes.${volume.name}.projected") (volume.projected.sources or [ ])
    else
      projected "${path}.volumes.${volume.name}" volume;

  podSpec =
    path: spec:
    concatMap (container "${path}.containers") (spec.containers or [ ])
    ++ (
      if spec ? initContainers then
        concatMap (container "${path}.initContainers") spec.initContainers
      else
        [ ]
    )
    ++ (if spec ? volumes then concatMap (volume path) spec.volumes else [ ])
    ++ (
      if spec.serviceAccountName or "default" == "default" then
        [ ]
      else
        [
          {
            kind = "ServiceAccount";
            path = "${path}.serviceAccountName";
            name = spec.serviceAccountName;
            optional = false;
          }
        ]
    )
    ++ (
      if spec ? priorityClassName && substring 0 7 spec.priorityClassName != "system-" then
        [
          {
            kind = "PriorityClass";
            path = "${path}.priorityClassName";
            name = spec.priorityClassName;
            optional = false;
          }
        ]
      else
        [ ]
    );

  # For the short lists of other kinds, whose entries have no names.
  indexed =
    f: path: list:
    builtins.concatLists (
      genList (index: f "${path}[${toString index}]" (elemAt list index)) (length list)
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
      [
        {
          kind = "Service";
          path = "${path}.backend.service.name";
          name = entry.backend.service.name;
          optional = false;
        }
      ]
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
            [
              {
                kind = "Service";
                path = "${path}.name";
                name = backend.name;
                optional = false;
              }
            ]
          else
            [ ]
        ) "${path}.backendRefs" (rule.backendRefs or [ ])
      ) "spec.rules" (object.spec.rules or [ ]);
    StatefulSet =
      object:
      if object.spec.serviceName or "" == "" then
        [ ]
      else
        [
          {
            kind = "Service";
            path = "spec.serviceName";
            name = object.spec.serviceName;
            optional = false;
          }
        ];
    HorizontalPodAutoscaler = object: [
      {
        kind = object.spec.scaleTargetRef.kind;
        path = "spec.scaleTargetRef.name";
        name = object.spec.scaleTargetRef.name;
        optional = false;
      }
    ];
    RoleBinding =
      object:
      filter (found: found.kind == "Role") [
        {
          kind = object.roleRef.kind;
          path = "roleRef.name";
          name = object.roleRef.name;
          optional = false;
        }
      ]
      ++ indexed (
        path: subject:
        if
          subject.kind == "ServiceAccount"
          && subject.namespace or object.metadata.namespace == object.metadata.namespace
        then
          [
            {
              kind = "ServiceAccount";
              path = "${path}.name";
              name = subject.name;
              optional = false;
            }
          ]
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
