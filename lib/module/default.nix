# mkModule: from a declaration to a builder, and from a call of the builder to a component.
{
  options,
  nearest,
  kubernetes,
  schema,
  network,
}:
let
  inherit (builtins)
    attrNames
    attrValues
    catAttrs
    concatMap
    concatStringsSep
    filter
    head
    isAttrs
    isFunction
    isList
    length
    map
    mapAttrs
    match
    substring
    ;
  inherit (options)
    compile
    declarationErrors
    describe
    flatten
    option
    types
    ;
  inherit (import ../internal.nix) changedBy key plain;
  inherit (import ../platform/finalise.nix) finalise withoutNulls;
  inherit (import ../platform/patch.nix { inherit nearest; }) applyPatches;
  inherit (import ../kubernetes/pods.nix) mapContainers mapTemplate;
  inherit (import ../text/case.nix) toUpper;
  versionsOf = import ./versions.nix { inherit types nearest; };
  images = import ./images.nix { inherit nearest describe; };
  defaultSettings = import ../platform/settings.nix;
  endpoints = import ./endpoint.nix;

  moduleFields = {
    builder = null;
    group = null;
    description = "";
    versions = { };
    lines = { };
    withdrawn = { };
    mainImage = null;
    kind = "component";
    provides = [ ];
    providesAlso = _: [ ];
    requires = _: [ ];
    crds = _: [ ];
    checks = _: [ ];
    warnings = _: [ ];
    endpoints = _: { };
    secrets = _: [ ];
    connections = _: [ ];
    deviations = [ ];
    podSecurity = _: [ ];
    pods = scope: [ (scope.k8s.selector null) ];
    open = _: [ ];
    apiAccess = _: false;
    routed = _: null;
    passthru = _: { };
    view = _: null;
  };
  required = [
    "name"
    "summary"
    "options"
    "render"
  ];

  # label-studio -> mkLabelStudio
  builderName =
    name:
    "mk"
    + concatStringsSep "" (
      map (word: toUpper (substring 0 1 word) + substring 1 64 word) (
        filter (part: builtins.isString part && part != "") (builtins.split "[^A-Za-z0-9]+" name)
      )
    );

  /**
    Make a builder from a module: the same for the library's own modules and for a user's.

    # Inputs

    `name`: the system's name, lower case
    `summary`: one line
    `options`: declaration; must have `name` and `namespace`
    `versions`: `{ "1.2.3" = { images.app = "…:1.2.3"; … }; }`; what differs by version is data here
    `lines`: `{ "1.2" = { version = "1.2.3"; reason = "…"; }; }`: versions that are accepted and rendered as another, with a warning
    `withdrawn`: `{ "1.0" = "reason"; }`: versions that can't be deployed any more
    `mainImage`: the image that `image = "…"` replaces
    `kind`: "component", "operator" or "store"
    `provides`: requirements that this module meets
    `providesAlso`: scope -> requirements that it meets with some options only
    `requires`: scope -> names of requirements (operators, CRDs) that must be there
    `crds`: scope -> CRDs that come with the component: names, or { name; file; } for a variant of upstream's file
    `checks`: scope -> [{ when, path, message }]: combinations that cannot work
    `warnings`: scope -> [text | { when, text }]
    `endpoints`: scope -> { <name> = { protocol, service, port, … }; }
    `secrets`: scope -> [{ name, keys, purpose ?, type ?, annotations ?, provided ? }], keys [{ key, purpose, generate ?, value ?, copyOf ? }];
      `provided` when a controller makes it
    `connections`: scope -> [{ option, host, port, from ? }]: what the component's pods connect to
    `pods`: scope -> [labels]: how the component's pods are told apart, when operators make them
    `open`: scope -> [{ port, reason }]: ports that everyone may reach (webhooks that the API server calls)
    `apiAccess`: scope -> bool: whether pods that operators make talk to the API
    `routed`: scope -> { pods; port; }: the pods and their port that an ingress leads to, where not all pods are meant
    `podSecurity`: scope -> [{ level, reason, namespace ? }]: the level of pods that operators make
    `view`: scope -> what follows from the configuration; computed once, and in the scope as `view`
    `passthru`: scope -> attributes of the component beside the usual ones (`buckets.<name>` of a store)
    `deviations`: [{ rule, workload, reason }]: where it departs from the hardening rules
    `render`: scope -> [object]

    The scope holds `config`, `k8s` (bound constructors), `images`, `version`, `release` (the version's data),
    `settings`, `name`, `namespace`, `endpoints`, `view`.

    # Type

    ```
    mkModule :: AttrSet -> Builder
    ```

    # Examples

    ```nix
    mkEcho = mkModule {
      name = "echo";
      summary = "Says what it hears";
      options = {
        name = option { type = types.dnsLabel; default = "echo"; description = "Name."; };
        namespace = option { type = types.dnsLabel; description = "Namespace."; };
      };
      versions."1.0".images.app = "registry.k8s.io/echoserver:1.0";
      render = { name, k8s, images, ... }: [
        (k8s.deployment { inherit name; containers = [ { name = "echo"; image = images.app; } ]; })
      ];
    }
    ```
  */
  mkModule =
    declaration:
    let
      subject = "mkModule ${
        if builtins.isString (declaration.name or null) then declaration.name else "(without name)"
      }";
      versions = declaration.versions or { };
      unknown = attrNames (
        removeAttrs declaration (attrNames moduleFields ++ required ++ [ "defaultVersion" ])
      );
      missing = filter (field: !(declaration ? ${field})) required;
      fieldNames = attrNames moduleFields ++ required;
      problems =
        map (field: "${subject}: ${field}: required field is missing") missing
        ++ map (
          field:
          "${subject}: ${field}: unknown field${
            let
              near = nearest field fieldNames;
            in
            if near == null then "" else "; did you mean ${near}?"
          }"
        ) unknown
        ++ (
          if missing != [ ] then
            [ ]
          else
            (
              if builtins.isString declaration.name then
                [ ]
              else
                [ "${subject}: name: expected a string, found ${describe.found declaration.name}" ]
            )
            ++ map (problem: "${subject}: ${problem}") (declarationErrors "options" declaration.options)
            ++
              map
                (
                  line:
                  "${subject}: lines.\"${line}\".version: no version of that name; there are: ${concatStringsSep ", " (attrNames versions)}"
                )
                (
                  filter (line: !(versions ? ${declaration.lines.${line}.version})) (
                    attrNames (declaration.lines or { })
                  )
                )
            ++ (
              if declaration ? defaultVersion && !(versions ? ${declaration.defaultVersion}) then
                [
                  "${subject}: defaultVersion: no version of the name ${declaration.defaultVersion}; there are: ${concatStringsSep ", " (attrNames versions)}"
                ]
              else
                [ ]
            )
            ++ map (field: "${subject}: options.${field}: every module declares it") (
              filter (field: !(declaration.options ? ${field})) [
                "name"
                "namespace"
              ]
            )
            ++ (
              if !isFunction declaration.render then
                [
                  "${subject}: render: expected a function of the scope, found ${describe.found declaration.render}"
                ]
              else
                [ ]
            )
        );
    in
    if !isAttrs declaration then
      throw "mkModule: expected an attribute set with name, summary, options and render, found ${describe.found declaration}"
    else if problems != [ ] then
      throw (concatStringsSep "\n" problems)
    else
      buildModule (moduleFields // declaration);

  buildModule =
    module:
    let
      builder = if module.builder == null then builderName module.name else module.builder;
      versions = versionsOf module;
      versioned = module.versions != { };
      declared =
        options.common.always
        // (
          if versioned then
            {
              version = option {
                type = versions.type;
                default = versions.newest;
                description = "Version of ${module.name}.";
              };
            }
          else
            { }
        )
        // (if versioned && hasImages then { inherit (options.common) image; } else { })
        // module.options;
      hasImages = builtins.any (version: version ? images) (attrValues module.versions);
      compiled = compile declared;

      explain =
        given:
        let
          found = compiled.explain "" given;
        in
        if isAttrs given then
          found
        else
          [
            {
              path = "";
              message = "expected an attribute set of options, found ${describe.found given}";
            }
          ];

      build =
        settings: given:
        if !compiled.accepts given then
          throw (describe.report builder (explain given))
        else
          component (defaultSettings // settings) given;

      component =
        settings: args:
        let
          config = compiled.fill {
            inherit config settings args;
          } args;
          inherit (config) name namespace;
          version = if versioned then versions.resolve config.version else null;
          release = if versioned then module.versions.${version} else { };
          table = release.images or { };
          imageOption = config.image or null;
          selection = {
            inherit table;
            main = module.mainImage or null;
            option = imageOption;
          };
          mainImage =
            if module.mainImage != null then
              module.mainImage
            else if length (attrNames table) == 1 then
              head (attrNames table)
            else
              null;
          imageSelection = selection // {
            main = mainImage;
          };
          resolvedImages = if hasImages then images.resolve imageSelection else table;
          pullPolicies = images.policies {
            images = resolvedImages;
            option = imageOption;
          };
          context = kubernetes.context {
            inherit
              name
              namespace
              version
              config
              settings
              ;
            module = module.name;
          };
          scope = {
            inherit
              config
              settings
              name
              namespace
              version
              release
              args
              ;
            images = resolvedImages;
            endpoints = componentEndpoints;
            k8s = kubernetes.bind context;
            view = module.view scope;
          };
          componentEndpoints = mapAttrs (
            endpointName: data:
            endpoints.make (
              {
                inherit namespace;
                component = name;
                name = endpointName;
                podLabels = context.selector (data.role or "server");
              }
              // removeAttrs data [ "role" ]
            )
          ) (module.endpoints scope);

          problems =
            map (check: removeAttrs check [ "when" ]) (filter (check: check.when) (module.checks scope))
            ++ (if hasImages then images.problems imageSelection else [ ]);

          located = map (
            problem:
            let
              position = positionOf args problem.path;
            in
            if position == null then problem else { inherit position; } // problem
          ) problems;

          # Some combinations can only be judged with the platform's settings, so a component that is not bound to
          # one yet complains when it is asked for what it renders, not when it is made.
          checked = value: if problems == [ ] then value else throw (describe.report builder located);

          rendered =
            let
              result = module.render scope;
              listed =
                if isList result then
                  result
                else
                  throw "${builder} ${name}: render: expected a list of objects, found ${describe.found result}";
              patched = applyPatches "${builder} ${name}" config.patches (
                map (object: { inherit object; }) listed
              );
            in
            {
              objects = map (entry: pull entry.object) patched.entries;
              inherit (patched) warnings;
            };

          pull =
            if pullPolicies == { } then
              object: object
            else
              mapTemplate (
                template:
                template
                // {
                  spec = mapContainers (
                    container:
                    if pullPolicies ? ${container.image or ""} then
                      container // { imagePullPolicy = pullPolicies.${container.image}; }
                    else
                      container
                  ) template.spec;
                }
              );

          warnings = map (warning: if isAttrs warning then warning.text else warning) (
            filter (warning: !isAttrs warning || warning.when) (module.warnings scope)
          );
          self = {
            _type = "component";
            inherit
              name
              namespace
              version
              config
              ;
            module = module.name;
            inherit builder;
            inherit (module)
              summary
              kind
              deviations
              ;
            inherit settings;
            endpoints = componentEndpoints;
            provides = module.provides ++ module.providesAlso scope;
            pods = module.pods scope;
            open = module.open scope;
            apiAccess = module.apiAccess scope;
            routed = module.routed scope;
            podSecurity = module.podSecurity scope;
            secrets = map (
              secret:
              {
                inherit namespace;
                component = name;
                type = "Opaque";
                purpose = "";
                annotations = { };
              }
              // secret
              // {
                keys = map (
                  key:
                  {
                    purpose = "";
                    generate = null;
                    value = null;
                    copyOf = null;
                    follow = null;
                  }
                  // key
                ) secret.keys;
              }
            ) (filter (secret: secret != null) (module.secrets scope));
            requires = checked (module.requires scope);
            crds = module.crds scope;
            connections = filter (connection: connection != null && connection.host != null) (
              module.connections scope
            );
            warnings =
              (if versioned then versions.warning config.version else [ ]) ++ warnings ++ rendered.warnings;
            images = attrValues resolvedImages;

            # Combinations of options that cannot work, as data; whatever is rendered throws them.
            problems = located;

            # Objects with the core's notes, before checksums and hashes: what a platform works on.
            rendered = checked rendered.objects;

            # Objects as they leave when the component stands alone, checked against the API's schema.
            objects = checkObjects (schema.forVersion (
              if settings.kubernetesVersion == null then schema.default else settings.kubernetesVersion
            )) "${builder} ${name}" (finalise (self.rendered ++ network.standalone self));

            /**
              The component with other arguments: a set that is merged over the old ones at every level, or a
              function of the old ones.
            */
            override =
              change: build settings (if isFunction change then change args else mergeArgs compiled args change);

            # The same component told by its platform.
            bind = other: build other args;

            inherit context;
          };
        in
        module.passthru scope // self;

      self = {
        _type = "builder";
        __functor = _: build { };
        inherit builder;
        inherit (module)
          name
          summary
          description
          group
          provides
          kind
          ;
        schema = compiled.schema // {
          "$schema" = "https://json-schema.org/draft/2020-12/schema";
          title = builder;
          description = module.summary;
        };
        reference = {
          inherit builder;
          module = module.name;
          inherit (module)
            summary
            description
            group
            deviations
            kind
            provides
            lines
            withdrawn
            ;
          options = flatten compiled;
          versions = map (version: {
            inherit version;
            default = version == versions.newest;
            images = module.versions.${version}.images or { };
          }) (if versioned then versions.known else [ ]);
        };
        inherit compiled;
      };
    in
    self;

  # Sets are merged at every level; everything else is replaced. Wires and functions are values.
  merge =
    old: new:
    if isAttrs old && isAttrs new && !(old ? _type) && !(new ? _type) then
      old // mapAttrs (name: value: if old ? ${name} then merge old.${name} value else value) new
    else
      new;

  # The same along a declaration: options that are set beside a wire are merged over what the wire stands for.
  mergeArgs =
    field: old: new:
    if !isAttrs new || new ? _type || field.kind or "option" != "section" then
      merge old new
    else
      let
        base = field.unwire old;
      in
      if !isAttrs base || base ? _type then
        new
      else
        base
        // mapAttrs (
          name: value:
          if base ? ${name} then mergeArgs (field.fields.${name} or { }) base.${name} value else value
        ) new;

  # Position of the deepest attribute on an option's path that the user wrote.
  positionOf =
    args: path:
    let
      steps = filter (part: builtins.isString part && part != "") (builtins.split "[.]" path);
      walk =
        set: remaining:
        if remaining == [ ] || !isAttrs set then
          null
        else
          let
            step = head (match "([^[]*).*" (head remaining));
          in
          if !(set ? ${step}) then
            null
          else
            let
              inner = walk set.${step} (builtins.tail remaining);
            in
            if inner != null then inner else describe.position step set;
    in
    walk args steps;

  /**
    Objects without the core's notes, or an error that names every problem of every object that the schema refuses.
    Nulls are left out.

    # Type

    ```
    checkObjects :: Schema -> String -> [Object] -> [Object]
    ```
  */
  checkObjects =
    api: subject: marked:
    let
      # A null means "not set"; only an object that is refused is searched for them. Kinds whose CRDs are not known here
      # carry a note that says so, and are taken as they are.
      judged = map (
        object:
        let
          bare = if object ? ${key} then plain object else object;
          repaired = withoutNulls bare;
        in
        if api.accepts bare then
          bare
        else if object.${key}.unchecked or false || api.accepts repaired then
          repaired
        else
          {
            __refused = {
              object = repaired;
              patches = object.${key}.patches or [ ];
            };
          }
      ) marked;
      refused = catAttrs "__refused" judged;
      title =
        object:
        "${object.kind or "object without kind"} ${
          if object ? metadata.namespace then "${object.metadata.namespace}/" else ""
        }${object.metadata.name or "(without name)"}";
      problems = concatMap (
        { object, patches }:
        map (
          problem:
          "${subject}: ${title object}${changedBy patches}: ${
            if problem.path == "" then "" else "${problem.path}: "
          }${problem.message}"
        ) (api.explain object)
      ) refused;
    in
    if refused == [ ] then judged else throw (concatStringsSep "\n" problems);
in
{
  inherit mkModule checkObjects mergeArgs;
}
