# Which serving runtime serves a model: KServe's own rules over the table of its runtimes and the user's.
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    elem
    filter
    head
    listToAttrs
    map
    mapAttrs
    sort
    ;
  inherit (import ../../../lib/text/nearest.nix) nearest suggest;
  table = import ../KServe/runtimes.nix;

  # An own ServingRuntime in the shape of the table.
  own = spec: {
    formats = spec.supportedModelFormats or [ ];
    protocols = spec.protocolVersions or [ ];
    multinode = spec ? workerSpec;
    metrics = "unknown";
    root = true;
    own = true;
    inherit spec;
  };

  unique =
    names:
    attrNames (
      listToAttrs (
        map (name: {
          inherit name;
          value = null;
        }) names
      )
    );

  describeFormat =
    format: "${format.name}${if format.version == null then "" else " ${format.version}"}";

  speaks = protocol: runtime: runtime.protocols == [ ] || elem protocol runtime.protocols;
  holds =
    named: format: runtime:
    filter (
      candidate:
      candidate.name == format.name
      && (format.version == null || candidate.version or null == format.version)
      && (named || candidate.autoSelect or false)
    ) runtime.formats != [ ];
  priorityOf =
    format: runtime:
    let
      found = filter (candidate: candidate.name == format.name && candidate ? priority) runtime.formats;
    in
    if found == [ ] then -1 else (head found).priority;

  describeRuntime =
    format: name: runtime:
    "${name} (${
      concatStringsSep ", " (
        map (candidate: "version ${candidate.version or "any"}") (
          filter (candidate: candidate.name == format.name) runtime.formats
        )
      )
    }; ${
      if runtime.protocols == [ ] then
        "any protocol"
      else
        "protocol ${concatStringsSep " or " runtime.protocols}"
    })";
in
{
  /**
    `{ name, runtime }` of the runtime that serves a model, or `{ path, message }` of what is wrong.

    # Type

    ```
    choose :: { model, runtimes, multinode } -> { name ?, runtime ?, problem ? }
    ```
  */
  choose =
    {
      format,
      protocol,
      runtime,
      runtimes,
      multinode,
    }:
    let
      namespaced = mapAttrs (_: own) runtimes;
      all = table // namespaced;
      fits = named: candidate: speaks protocol candidate && holds named format candidate;
      candidates =
        set:
        sort (a: b: priorityOf format set.${a} > priorityOf format set.${b}) (
          filter (name: fits false set.${name} && set.${name}.multinode or false == multinode) (attrNames set)
        );
      chosen = candidates namespaced ++ candidates table;
      withFormat = filter (
        name:
        filter (candidate: candidate.name == format.name) all.${name}.formats != [ ]
        && all.${name}.multinode or false == multinode
      ) (attrNames all);
      listed = concatStringsSep ", " (map (name: describeRuntime format name all.${name}) withFormat);
      formats = unique (
        concatMap (name: map (candidate: candidate.name) all.${name}.formats) (attrNames all)
      );
      found = name: {
        inherit name;
        runtime = all.${name};
      };
      wrong = field: message: { problem = { inherit field message; }; };
    in
    if runtime != null then
      if !(all ? ${runtime}) then
        if all ? "kserve-${runtime}" then
          wrong "runtime" "no runtime of that name; did you mean kserve-${runtime}?"
        else if nearest runtime (attrNames all) != null then
          wrong "runtime" "no runtime of that name${suggest runtime (attrNames all)}"
        else
          {
            name = runtime;
            runtime = null;
          }
      else if !(speaks protocol all.${runtime}) then
        wrong "protocolVersion" "${runtime} does not speak ${protocol}; expected ${
          concatStringsSep " or " all.${runtime}.protocols
        }"
      else if !(holds true format all.${runtime}) then
        wrong "runtime" "${runtime} does not serve ${describeFormat format}; ${
          if withFormat == [ ] then
            "it serves ${
              concatStringsSep ", " (unique (map (candidate: candidate.name) all.${runtime}.formats))
            }"
          else
            "these do: ${listed}"
        }"
      else
        found runtime
    else if chosen != [ ] then
      found (head chosen)
    else if withFormat == [ ] then
      wrong "modelFormat" "no serving runtime knows the format ${format.name}; expected one of ${concatStringsSep ", " formats}, a runtime by name, or one of your own in runtimes${suggest format.name formats}"
    else
      wrong "modelFormat" "no serving runtime takes ${describeFormat format} with protocol ${protocol} by itself; there are: ${listed}; set protocolVersion or runtime";

  inherit table;
}
