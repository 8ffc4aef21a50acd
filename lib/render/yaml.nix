# Plain data -> YAML that people like to read and diff, in pure builtins.
#
# What is written reads back as the same data under YAML 1.1 and YAML 1.2: text stays unquoted only where both agree that it is
# text. The hot path is one lambda call per entry of a mapping, item of a list and collection: the usual words are looked up,
# other scalars are judged inline by primops, and the writers of one indentation are made once and shared by all documents.
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    elemAt
    filter
    fromJSON
    genList
    hasContext
    head
    intersectAttrs
    isAttrs
    isBool
    isFloat
    isInt
    isList
    isString
    length
    listToAttrs
    map
    match
    removeAttrs
    replaceStrings
    split
    stringLength
    substring
    tail
    toJSON
    toString
    typeOf
    unsafeDiscardStringContext
    ;

  # std::regex recurses per character and overflows the stack on long input: text of more than `matchable` bytes is only searched
  # for single characters (`split`), never matched as a whole. `substring matchable 1 text == ""` is the cheapest test for it.
  matchable = 256;
  # PyYAML and libyaml give up on a `key:` of more than 1024 characters; longer ones take the explicit form `? key`.
  longestSimpleKey = 1000;

  # Compared with, instead of `{ }`, which would be made anew each time.
  none = { };

  # The keys that say what an object is come first; alphabetical order is their conventional order too.
  leading = {
    apiVersion = null;
    kind = null;
    metadata = null;
    name = null;
    namespace = null;
  };
  leadingNames = attrNames leading;

  tableOf =
    form: words:
    listToAttrs (
      map (name: {
        inherit name;
        value = form name;
      }) (filter isString (split "[ \n]+" words))
    );

  # How words are written that need no thought: those that one of the two YAML versions takes for something else than text, in
  # quotes, and the field names and values that most manifests are made of, as they are. The latter is for speed alone.
  known =
    tableOf toJSON "y Y yes Yes YES n N no No NO on On ON off Off OFF true True TRUE false False FALSE null Null NULL .inf .Inf .INF .nan .NaN .NAN"
    // tableOf (word: word) ''
      apiVersion kind metadata name namespace labels annotations spec data app.kubernetes.io/name app.kubernetes.io/instance
      app.kubernetes.io/component app.kubernetes.io/part-of app.kubernetes.io/version app.kubernetes.io/managed-by
      kubernetes.io/metadata.name mlops-nix replicas selector matchLabels template strategy rollingUpdate RollingUpdate
      Recreate maxSurge maxUnavailable containers initContainers image imagePullPolicy IfNotPresent Always args command env
      envFrom value valueFrom secretKeyRef configMapKeyRef fieldRef fieldPath key ports containerPort port targetPort
      protocol TCP UDP http https resources requests limits cpu memory ephemeral-storage securityContext runAsNonRoot
      runAsUser runAsGroup fsGroup seccompProfile type RuntimeDefault allowPrivilegeEscalation readOnlyRootFilesystem
      capabilities drop ALL readinessProbe livenessProbe startupProbe httpGet tcpSocket exec path periodSeconds
      timeoutSeconds failureThreshold initialDelaySeconds volumeMounts mountPath subPath readOnly volumes configMap secret
      secretName emptyDir items persistentVolumeClaim claimName serviceAccountName automountServiceAccountToken
      terminationGracePeriodSeconds ingress egress Ingress Egress from to podSelector namespaceSelector policyTypes
      minReplicas maxReplicas scaleTargetRef metrics resource target averageUtilization Utilization Resource schedule
      concurrencyPolicy jobTemplate restartPolicy Never OnFailure backoffLimit rules apiGroups resourceNames verbs get list
      watch create update patch delete roleRef subjects apiGroup volumeClaimTemplates accessModes ReadWriteOnce
      storageClassName storage clusterIP ClusterIP None endpoints interval v1 apps/v1 batch/v1 policy/v1 autoscaling/v2
      networking.k8s.io/v1 rbac.authorization.k8s.io rbac.authorization.k8s.io/v1 monitoring.coreos.com/v1 Namespace
      Deployment StatefulSet DaemonSet Job CronJob Service ConfigMap Secret ServiceAccount Role RoleBinding ClusterRole
      ClusterRoleBinding NetworkPolicy PodDisruptionBudget HorizontalPodAutoscaler PersistentVolumeClaim ServiceMonitor'';

  # Printable ASCII: [!-~] is all but the space, [!-9;-~] lacks the colon, [!"$-9;-~] lacks colon and number sign. A word may
  # hold both, but may not end in a colon, and a number sign after a space would start a comment.
  word = "-?-?[A-Za-z/][!-~]*[!-9;-~]";
  words = ''(-?-?[A-Za-z/]|[_$(\^]|[.][.]?/|[.][A-Za-z][A-Za-z])([!-~]*[!-9;-~])?( +[!"$-9;-~]([!-~]*[!-9;-~])?)*'';
  wordsHead = ''(-?-?[A-Za-z/]|[_$(\^]|[.][.]?/).*'';
  # Text that starts with a digit is plain where no reader takes it for a number, a time or a date: with a unit of one letter
  # (15d), as a version or address (1.2.3), or with a character that none of those can have (500m, 2Gi, 10.0.0.0/8).
  measure = "[1-9][0-9]*[A-Za-z]|[0-9]+[.][0-9]+([.][0-9]+)+";
  digits = ''[0-9]([!-~]*[!-9;-~])?( +[!"$-9;-~]([!-~]*[!-9;-~])?)*'';
  noNumber = ''.*[g-nq-su-wyG-NQ-SU-WY/@%=~*(){}<>|&;!?$'"\^].*'';

  character = escape: fromJSON ''"\u${escape}"'';
  # Bytes that a block scalar cannot carry and that JSON escapes by itself, but for DEL: C0 without tab and newline.
  controls = "[${character "0001"}-${character "0008"}${character "000b"}-${character "001f"}${character "007f"}]";
  # Characters outside ASCII that YAML calls not printable or takes for a line break, as escapes and as themselves.
  invisibleEscapes = [
    "007f"
    "2028"
    "2029"
    "feff"
    "fffe"
    "ffff"
  ]
  ++ genList (
    n: "00${elemAt [ "8" "9" ] (n / 16)}${substring (n - n / 16 * 16) 1 "0123456789abcdef"}"
  ) 32;
  invisible = map character invisibleEscapes;
  invisibleRemoved = map (_: "") invisible;
  invisibleEscaped = map (escape: "\\u${escape}") invisibleEscapes;

  isAscii = text: length (split "[^ -~]" text) == 1;
  hasNewline = text: length (split "\n" text) != 1;
  hasControls = text: length (split controls text) != 1;
  hasInvisible = text: replaceStrings invisible invisibleRemoved text != text;

  # Is printable ASCII that is not `known` read back as itself when it stands without quotes?
  isPlainAscii =
    text:
    if substring matchable 1 text == "" then
      match words text != null
      || match measure text != null
      || match digits text != null && match noNumber text != null
    else
      match wordsHead (substring 0 64 text) != null
      && match "[!-9;-~]" (substring (stringLength text - 1) 1 text) != null
      && length (split ": | #| :" text) == 1;

  # One line, all of it to be seen.
  isLine =
    text:
    isAscii text || !(hasControls text) && length (split "[\t\n]" text) == 1 && !(hasInvisible text);

  # Is this line read back as itself when it stands without quotes? No letter outside ASCII means anything to YAML, so each byte
  # of one may be judged as if it were any letter.
  isPlain = text: isPlainAscii (concatStringsSep "x" (filter isString (split "[^ -~]" text)));

  quoted =
    text:
    let
      json = toJSON text;
    in
    if !(isLine text) then
      replaceStrings invisible invisibleEscaped json
    else if stringLength json == stringLength text + 2 then
      json
    else
      # JSON escapes only quotes and backslashes here: single quotes spare the reader those.
      "'${replaceStrings [ "'" ] [ "''" ] text}'";

  # Text of several lines as a block scalar.
  block =
    let
      # Stands for the indentation until it is known whether the line is empty; no text with it comes here.
      mark = character "0001";
    in
    newline: text:
    let
      size = stringLength text;
      spaces = substring 1 (stringLength newline) newline;
      ended = substring (size - 1) 1 text == "\n";
      chomping =
        if !ended then
          "-"
        else if substring (size - 2) 1 text == "\n" then
          "+"
        else
          "";
      first = substring 0 1 text;
      # Readers take the indentation from the first line, unless that starts with white space.
      indicator = if first == " " || first == "\t" || first == "\n" then "2" else "";
      # The last newline is left out: what follows brings its own.
      body = if ended then substring 0 (size - 1) text else text;
      marked = "${mark}${replaceStrings [ "\n" ] [ "\n${mark}" ] body}\n";
      lines = replaceStrings [ "${mark}\n" mark ] [ "\n" spaces ] marked;
    in
    "|${indicator}${chomping}\n${substring 0 (stringLength lines - 1) lines}";

  canBeBlock =
    text:
    hasNewline text
    && !(hasControls text)
    && !(hasInvisible text)
    && replaceStrings [ " " "\t" "\n" ] [ "" "" "" ] text != "";

  # YAML 1.1 wants a fraction before the exponent.
  float =
    number:
    let
      json = toJSON number;
      parts = match "(-?[0-9]+)(e.*)" json;
    in
    if parts == null then json else "${elemAt parts 0}.0${elemAt parts 1}";

  # Text on one line that is not `known`.
  inline = text: if isLine text && isPlain text then text else quoted text;

  # The writers of one indentation; `newline` is a newline and the spaces that start each line there.
  level =
    newline:
    let
      dash = "${newline}- ";
      newlineBelow = "${newline}  ";
      below = level newlineBelow;
      entriesBelow = below.entries;
      sequenceBelow = below.sequence;
      scalarBelow = below.scalar;

      # A key that is not known.
      unusualKey =
        name:
        let
          text = inline name;
        in
        if substring matchable 1 name == "" && match word name != null then
          name
        else if stringLength text > longestSimpleKey then
          "? ${text}${newline}"
        else
          text;

      # One text per entry of a mapping, without the newline before it. The key is looked up in place: a name for it would cost a
      # thunk per entry.
      entries =
        set:
        map
          (
            name:
            let
              value = set.${name};
            in
            if isString value then
              "${known.${name} or (unusualKey name)}: ${
                if hasContext value then
                  scalarBelow value
                else
                  known.${value} or (
                    if substring matchable 1 value == "" && match word value != null then value else scalarBelow value
                  )
              }"
            else if isAttrs value && value != none && !(value ? outPath || value ? __toString) then
              concatStringsSep newlineBelow ([ "${known.${name} or (unusualKey name)}:" ] ++ entriesBelow value)
            else if isList value && value != [ ] then
              concatStringsSep dash ([ "${known.${name} or (unusualKey name)}:" ] ++ items value)
            else
              "${known.${name} or (unusualKey name)}: ${
                if isInt value then
                  toString value
                else if value == true then
                  "true"
                else if value == false then
                  "false"
                else
                  scalarBelow value
              }"
          )
          (
            if set ? name || set ? metadata || set ? kind || set ? namespace || set ? apiVersion then
              attrNames (intersectAttrs leading set) ++ attrNames (removeAttrs set leadingNames)
            else
              attrNames set
          );

      # One text per item of a list, without the dash before it.
      items = map (
        value:
        if isString value then
          if hasContext value then
            scalarBelow value
          else
            known.${value} or (
              if substring matchable 1 value == "" && match word value != null then value else scalarBelow value
            )
        else if isAttrs value && value != none && !(value ? outPath || value ? __toString) then
          concatStringsSep newlineBelow (entriesBelow value)
        else if isList value && value != [ ] then
          sequenceBelow value
        else
          scalarBelow value
      );

      sequence = list: "- ${concatStringsSep dash (items list)}";

      # Whatever the fast paths above do not know. The lines of a block start at this indentation.
      scalar =
        value:
        if isString value then
          if hasContext value then
            scalar (unsafeDiscardStringContext value)
          else
            known.${value} or (
              if
                substring matchable 1 value == "" && (match measure value != null || match words value != null)
              then
                value
              else if canBeBlock value then
                block newline value
              else
                inline value
            )
        else if isInt value || isBool value || value == null then
          toJSON value
        else if isFloat value then
          float value
        else if isList value then
          "[]"
        else if value == { } then
          "{}"
        else if isAttrs value then
          # What builtins.toJSON writes as text.
          scalar (fromJSON (toJSON value))
        else
          throw "yaml: a ${typeOf value} has no place in a manifest; expected text, a number, true, false, null, a list or an attribute set";
    in
    {
      inherit entries sequence scalar;
    };

  top = level "\n";

  # The parts of a document, to be joined by newlines.
  parts =
    value:
    if isAttrs value && value != none && !(value ? outPath || value ? __toString) then
      top.entries value
    else if isList value && value != [ ] then
      [ (top.sequence value) ]
    else
      [ ((level "\n  ").scalar value) ];
in
{
  /**
    One YAML document: ends in a newline, has no `---`.

    # Inputs

    `value`
    : plain data: what `builtins.toJSON` takes, but for paths

    # Type

    ```
    document :: Any -> String
    ```

    # Examples

    ```nix
    document { data.on = "no"; kind = "ConfigMap"; }
    => "kind: ConfigMap\ndata:\n  \"on\": \"no\"\n"
    ```
  */
  document = value: concatStringsSep "\n" (parts value ++ [ "" ]);

  /**
    Several documents in one text, each starting with a `---` line but the first.

    # Inputs

    `objects`
    : the documents, in order

    # Type

    ```
    stream :: [Any] -> String
    ```
  */
  stream =
    objects:
    if objects == [ ] then
      ""
    else
      # Joined once: the whole is too large to be copied per document.
      concatStringsSep "\n" (
        parts (head objects) ++ concatMap (object: [ "---" ] ++ parts object) (tail objects) ++ [ "" ]
      );
}
