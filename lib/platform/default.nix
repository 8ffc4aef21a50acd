# mkPlatform: components become one set of objects that is complete, closed, checked and in order.
{
  options,
  schema,
  nearest,
  images,
  checkObjects,
  mergeArgs,
  # name of a requirement -> { summary, version, url, crds, builder ? }
  requirements,
  # name of a builder -> builder
  builders,
}:
let
  inherit (builtins)
    any
    attrNames
    attrValues
    concatMap
    concatStringsSep
    elemAt
    filter
    genList
    groupBy
    head
    isAttrs
    length
    listToAttrs
    map
    mapAttrs
    match
    removeAttrs
    ;
  inherit (options) compile describe flatten;
  inherit (import ../internal.nix) note;
  inherit (import ./finalise.nix) finalise;
  inherit (import ./patch.nix { inherit nearest; }) applyPatches;
  quantity = import ../kubernetes/quantity.nix;
  checks = import ./checks.nix { inherit nearest quantity describe; };
  network = import ./network.nix;
  namespacesOf = import ./namespaces.nix;
  waves = import ./waves.nix;
  files = import ./files.nix;
  inherit (import ./graph.nix) graph;
  imagesOf = import ./images.nix { inherit images; };
  inherit (import ./requirements.nix { inherit requirements nearest; }) resolve;
  yaml = import ../render/yaml.nix;
  derivations = import ../render/derivation.nix;
  gitops = import ../adapters/gitops.nix {
    inherit
      options
      yaml
      checkObjects
      schema
      ;
  };

  declaration = import ./options.nix { inherit options schema; };
  compiled = compile declaration;
  builder = "mkPlatform";

  unique =
    list:
    attrNames (
      listToAttrs (
        map (name: {
          inherit name;
          value = null;
        }) list
      )
    );

  # `Secret ml/db`, `db.example.com`, `*.example.com`: exact entries by table, patterns one by one.
  externalMatcher =
    external:
    let
      exact = listToAttrs (
        map (name: {
          inherit name;
          value = true;
        }) external
      );
      patterns = map (text: builtins.replaceStrings [ "." "*" ] [ "[.]" ".*" ] text) (
        filter (text: match ".*[*].*" text != null) external
      );
    in
    name: exact ? ${name} || any (pattern: match pattern name != null) patterns;

  failIf =
    subject: messages: value:
    if messages == [ ] then
      value
    else
      throw (concatStringsSep "\n" (map (message: "${subject}: ${message}") messages));

  build =
    args: config:
    let
      subject = "${builder} ${config.name}";
      api = schema.forVersion config.kubernetesVersion;
      platformLabels = {
        "app.kubernetes.io/managed-by" = "mlops-nix";
        "app.kubernetes.io/part-of" = config.name;
      }
      // config.labels;
      settings = {
        platform = config.name;
        inherit (config)
          kubernetesVersion
          storageClass
          labels
          domain
          ingress
          monitoring
          nodePools
          ;
        imagePullSecrets = config.images.pullSecrets;
      };
      isExternal = externalMatcher config.external;

      requirementSet = resolve {
        inherit subject;
        components = mapAttrs (_: component: component.bind settings) config.components;
        inherit (config) external;
        inherit (config.operators) install;
        build = name: (builders.${name} { }).bind settings;
      };
      inherit (requirementSet) components;
      ids = attrNames components;

      poolProblems = concatMap (
        id:
        let
          pool = components.${id}.config.nodePool or null;
          near = nearest pool (attrNames config.nodePools);
        in
        if pool == null || config.nodePools ? ${pool} then
          [ ]
        else
          [
            "${id}.nodePool: no node pool of the name ${pool}; there are: ${concatStringsSep ", " (attrNames config.nodePools)}${
              if near == null then "" else "; did you mean ${near}?"
            }"
          ]
      ) ids;

      entry = component: object: { inherit component object; };
      componentEntries = concatMap (id: map (entry id) components.${id}.rendered) ids;
      extraEntries = map (entry null) config.extraObjects;

      # Namespaces and policies follow from what the components are, before patches see all of it.
      usedNamespaces = unique (
        filter (namespace: namespace != "") (
          map (found: found.object.metadata.namespace or "") (componentEntries ++ extraEntries)
          ++ map (id: components.${id}.namespace) ids
          ++ attrNames config.namespaces
        )
      );
      systemNamespaces = {
        default = true;
        kube-system = true;
        kube-public = true;
        kube-node-lease = true;
      };
      namespaceDefaults = {
        create = true;
        labels = { };
        annotations = { };
        podSecurity = null;
        quota = { };
        limits = null;
      };
      ownNamespaces = filter (
        namespace: !(systemNamespaces ? ${namespace}) && !(isExternal "Namespace ${namespace}")
      ) usedNamespaces;
      namespaceSettings = namespace: config.namespaces.${namespace} or namespaceDefaults;
      podLevels = namespacesOf.levels {
        entries = componentEntries ++ extraEntries;
        inherit components;
      };
      levelOf =
        namespace:
        let
          wanted = (namespaceSettings namespace).podSecurity;
        in
        if wanted != null then wanted else podLevels.${namespace}.level or "restricted";
      levelProblems = concatMap (
        namespace:
        let
          wanted = (namespaceSettings namespace).podSecurity;
          found = podLevels.${namespace} or null;
          failing = filter (pod: namespacesOf.rank.${pod.level} < namespacesOf.rank.${wanted}) found.pods;
        in
        if wanted == null || found == null then
          [ ]
        else
          map (
            pod:
            "namespaces.${namespace}.podSecurity: ${pod.what} does not meet ${wanted}: ${concatStringsSep ", " pod.reasons}; at most ${pod.level} works here"
          ) failing
      ) ownNamespaces;
      levelWarnings = concatMap (
        namespace:
        if (namespaceSettings namespace).podSecurity != null then
          [ ]
        else
          map (
            pod:
            "namespace ${namespace} is ${pod.level} only, because ${pod.what} ${concatStringsSep ", " pod.reasons}"
          ) (podLevels.${namespace}.forcedBy or [ ])
      ) ownNamespaces;

      servicesTable = listToAttrs (
        concatMap (
          found:
          if found.object.kind == "Service" && found.object.apiVersion == "v1" then
            [
              {
                name = "${found.object.metadata.namespace or ""}/${found.object.metadata.name}";
                value = {
                  inherit (found) component;
                  service = found.object;
                };
              }
            ]
          else
            [ ]
        ) componentEntries
      );
      flowSet = network.flows {
        inherit components;
        services = servicesTable;
        isExternal = host: key: isExternal host || isExternal "Service ${key}";
      };
      inherit (flowSet) flows;
      unresolved = map (
        flow:
        "${flow.from}.${flow.option}: ${flow.host} is not part of this platform; add the component that makes it, or say external = [ \"${flow.host}\" ]"
      ) flowSet.unresolved;
      outgoing = groupBy (flow: flow.from) flows;
      incoming = groupBy (flow: flow.target.component) (
        filter (flow: flow.target != null && flow.target.component != null) flows
      );

      namespaceEntries = concatMap (
        namespace:
        map (entry null) (
          namespacesOf.objects {
            name = namespace;
            labels = platformLabels;
            settings = namespaceSettings namespace;
            level = levelOf namespace;
          }
          ++ (if config.networkPolicies then network.defaultDeny platformLabels namespace else [ ])
        )
      ) ownNamespaces;
      policyEntries =
        if !config.networkPolicies then
          [ ]
        else
          concatMap (
            id:
            map (entry id) (
              network.forFlows {
                outgoing = outgoing.${id} or [ ];
                incoming = incoming.${id} or [ ];
              } components.${id}
            )
          ) ids;

      patched = applyPatches subject config.patches (
        namespaceEntries ++ componentEntries ++ policyEntries ++ extraEntries
      );

      # Images, then checksums and hashed names, then the schema: each sees what the last one did. A Job with an image from
      # another registry is another Job.
      rewriter = imagesOf.rewriter config.images;
      rewritten = rewriter.entries components patched.entries;
      finalised =
        let
          objects = finalise (map (found: found.object) rewritten);
        in
        genList (index: elemAt rewritten index // { object = elemAt objects index; }) (length objects);

      dependencies = mapAttrs (
        id: _:
        filter (other: other != id && components ? ${other}) (
          unique (
            map (flow: flow.target.component) (
              filter (flow: flow.target != null && flow.target.component != null && flow.order) (
                outgoing.${id} or [ ]
              )
            )
          )
        )
      ) components;
      levels = waves.levels subject dependencies;

      waveOf = waves.waveOf {
        inherit levels components;
        entries = finalised;
      };

      checkedObjects = checkObjects api subject (map (found: found.object) finalised);
      checkedEntries = genList (
        index:
        let
          found = elemAt finalised index;
        in
        {
          inherit (found) component;
          patches = (note found.object).patches or [ ];
          object = elemAt checkedObjects index;
          wave = waveOf found;
          rank = waves.rankInWave found.object;
          home = if found.component == null then null else components.${found.component}.namespace;
        }
      ) (length finalised);

      # A Secret for a store that is named by its host alone becomes a copy of what the store's component declares.
      storesByHost = groupBy (id: components.${id}.namespace) (
        filter (id: components.${id}.kind == "store") ids
      );
      sourceOf =
        namespace: follow:
        let
          host = network.parseHost namespace follow.host;
          candidates = concatMap (
            id:
            let
              component = components.${id};
              items = component.endpoints // (component.buckets or { });
              item = items.${toString follow.item} or null;
            in
            if item != null && item.service == host.service then [ item ] else [ ]
          ) (storesByHost.${host.namespace} or [ ]);
          found = head candidates;
        in
        if follow.host == null || host == null || candidates == [ ] then
          null
        else if follow.field == "password" then
          found.secretRef or null
        else if found ? credentials then
          {
            inherit (found.credentials) namespace name;
            key = found.credentials.${follow.field};
          }
        else
          null;
      followed =
        secret:
        secret
        // {
          keys = map (
            key:
            let
              source =
                if key.copyOf == null && key.follow != null then sourceOf secret.namespace key.follow else null;
            in
            removeAttrs (if source == null then key else key // { copyOf = source; }) [ "follow" ]
          ) secret.keys;
        };
      declaredSecrets = concatMap (id: map followed components.${id}.secrets) ids;
      # Two components may read different keys of one Secret: it has all of them, each as its first reader says.
      secretTable = mapAttrs (
        _: declared:
        if length declared == 1 then
          head declared
        else
          head declared
          // {
            keys = map head (attrValues (groupBy (key: key.key) (concatMap (secret: secret.keys) declared)));
          }
      ) (groupBy (secret: "${secret.namespace}/${secret.name}") declaredSecrets);

      endpointTable = listToAttrs (
        concatMap (
          id:
          map (endpoint: {
            name = "${endpoint.namespace}/${endpoint.service}";
            value = null;
          }) (attrValues components.${id}.endpoints)
        ) ids
      );

      messages =
        poolProblems
        ++ unresolved
        ++ levelProblems
        ++ checks.duplicates checkedEntries
        ++ checks.scopes {
          entries = checkedEntries;
          inherit api;
        }
        ++ checks.names checkedEntries
        ++ checks.references {
          entries = checkedEntries;
          inherit isExternal;
          secrets = secretTable;
          services = endpointTable;
        }
        ++ checks.services {
          entries = checkedEntries;
          madeByOperators =
            found: found.component != null && components.${found.component}.podSecurity != [ ];
        }
        ++ checks.nodePorts checkedEntries
        ++ checks.fit {
          entries = checkedEntries;
          inherit (config) nodePools;
        }
        ++ checks.own {
          entries = checkedEntries;
          inherit (config) checks;
        }
        ++ (
          if config.images.strict then
            map (
              use:
              "images.strict: ${use.image} (${concatStringsSep ", " use.components}) is not rewritten by images.mirror; add its registry"
            ) (imagesOf.unmirrored config.images imageList)
          else
            [ ]
        );

      checkedSet = failIf subject messages checkedEntries;

      sorted = waves.sortEntries (
        map (
          found:
          found
          // {
            key = "${if found.component == null then "" else found.component}|${checks.identity found.object}";
          }
        ) checkedSet
      );
      imageList = imagesOf.collect rewriter.one components checkedEntries;

      waveNumbers = builtins.sort builtins.lessThan (
        map (number: builtins.fromJSON number) (
          unique (map (found: toString found.wave) sorted ++ (if crdFiles == [ ] then [ ] else [ "10" ]))
        )
      );
      waveList = map (number: {
        inherit number;
        name = waves.nameOf number;
      }) waveNumbers;
      waveByNumber = listToAttrs (
        map (wave: {
          name = toString wave.number;
          value = wave;
        }) waveList
      );

      # CRDs by name become the upstream files that hold them, each once.
      crdFiles =
        let
          wanted = concatMap (
            id:
            map (
              wanted:
              let
                crd = if isAttrs wanted then wanted else { name = wanted; };
              in
              {
                inherit (crd) name;
                inherit id;
                crd = schema.crd crd;
              }
            ) components.${id}.crds
          ) ids;
          byFile = groupBy (need: need.crd.file) wanted;
        in
        map (
          file:
          let
            need = head byFile.${file};
          in
          {
            name = need.name;
            names = unique (map (one: one.name) byFile.${file});
            file = "10-crds/${builtins.replaceStrings [ "/" ] [ "_" ] file}";
            inherit (need.crd) url sha256 bytes;
            requiredBy = unique (map (one: one.id) byFile.${file});
          }
        ) (attrNames byFile);

      final = map (
        found:
        let
          wave = waveByNumber.${toString found.wave};
        in
        {
          inherit (found) object component;
          inherit wave;
          file = pathOf wave found;
        }
      ) sorted;
      # `a-b/c` and `a/b-c` would share a file: such objects have a hash of what they are in its name.
      paths = groupBy (found: files.path waveByNumber.${toString found.wave} found) sorted;
      pathOf =
        wave: found:
        let
          path = files.path wave found;
        in
        if length paths.${path} == 1 then path else files.distinct path (checks.identity found.object);

      objects = map (found: found.object) final;

      warnings =
        concatMap (
          id:
          map (text: {
            component = id;
            inherit text;
          }) components.${id}.warnings
        ) ids
        ++ map (text: {
          component = null;
          inherit text;
        }) (levelWarnings ++ patched.warnings);

      secretList = map (secret: removeAttrs secret [ "provided" ]) (
        filter (secret: !(secret.provided or false)) (attrValues secretTable)
      );

      self = {
        _type = "platform";
        inherit (config) name kubernetesVersion;
        inherit
          config
          components
          objects
          warnings
          ;
        waves = map (
          wave:
          wave
          // {
            objects = map (found: found.object) (filter (found: found.wave.number == wave.number) final);
          }
        ) waveList;
        images = imageList;
        crds = crdFiles;
        inherit (requirementSet) external;
        secrets = secretList;
        entries = final;

        # One stream in apply order; CRDs are upstream's files and come with `package`.
        yaml = yaml.stream objects;

        # Path -> text.
        files = listToAttrs (
          map (found: {
            name = found.file;
            value = yaml.document found.object;
          }) final
        );

        graph = graph {
          inherit components flows;
          requirementEdges = requirementSet.edges;
          inherit (requirementSet) external;
        };

        # What passes to the command line, as one value.
        set =
          let
            byComponent = groupBy (found: if found.component == null then "" else found.component) final;
          in
          {
            format = "mlops-nix/set/v1";
            inherit (config) name kubernetesVersion;
            components = map (
              id:
              let
                component = components.${id};
              in
              {
                name = id;
                inherit (component)
                  module
                  builder
                  version
                  namespace
                  summary
                  requires
                  kind
                  ;
                objects = length (byComponent.${id} or [ ]);
              }
            ) ids;
            waves = waveList;
            entries = map (found: {
              inherit (found) object component file;
              wave = found.wave.number;
              yaml = yaml.document found.object;
            }) final;
            inherit (self)
              crds
              external
              images
              warnings
              graph
              ;
            secrets = secretList;
            endpoints = concatMap (
              id:
              map (
                name:
                let
                  endpoint = components.${id}.endpoints.${name};
                in
                {
                  component = id;
                  inherit name;
                  inherit (endpoint)
                    url
                    namespace
                    service
                    port
                    ;
                }
              ) (attrNames components.${id}.endpoints)
            ) ids;
          };

        # One YAML stream in apply order, CRDs included, built without nixpkgs.
        package = self.packageFor "x86_64-linux";
        packageFor = system: derivations.stream { inherit system; } self;

        # A folder of files, checked with kubeconform; needs nixpkgs.
        tree = pkgs: derivations.tree pkgs self;

        gitops = gitops self;

        /**
          The platform with other arguments: a set that is merged over the old ones at every level, or a function of the old
          ones, with their defaults.
        */
        override =
          change:
          mkPlatform (if builtins.isFunction change then change config else mergeArgs compiled args change);
      };
    in
    self;

  /**
    Compose components into a platform: operators that they need, namespaces, policies, cross-cutting settings,
    patches, checks between objects, and the order in which all of it applies.

    # Type

    ```
    mkPlatform :: { name, components, … } -> Platform
    ```

    # Examples

    ```nix
    mkPlatform {
      name = "acme";
      components = { inherit postgres store mlflow; };
      external = [ "prometheus-operator" ];
      monitoring.enabled = true;
    }
    ```
  */
  mkPlatform =
    args:
    let
      problems = compiled.explain "" args;
      subject = "${builder}${
        if isAttrs args && args ? name && builtins.isString args.name then " ${args.name}" else ""
      }";
      config = compiled.fill { inherit config; } args;
    in
    if !(isAttrs args) then
      throw "${builder}: expected an attribute set of options, found ${describe.found args}"
    else if !(compiled.accepts args) then
      throw (describe.report subject problems)
    else
      build args config;
in
{
  _type = "builder";
  __functor = _: mkPlatform;
  inherit builder compiled;
  schema = compiled.schema // {
    "$schema" = "https://json-schema.org/draft/2020-12/schema";
    title = builder;
    description = "A platform: components composed, closed, checked and ordered.";
  };
  reference = {
    inherit builder;
    module = "platform";
    group = "platform";
    kind = "platform";
    summary = "Components composed into one set of objects: complete, closed, checked and in order.";
    description = "";
    options = flatten compiled;
    versions = [ ];
    deviations = [ ];
    provides = [ ];
    lines = { };
    withdrawn = { };
  };
}
