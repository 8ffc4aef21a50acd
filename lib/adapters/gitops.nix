# A platform for Flux and Argo CD: the objects that point at a rendered folder, and what the folder's objects
# must carry for it.
{
  options,
  yaml,
  checkObjects,
  schema,
}:
let
  inherit (builtins)
    any
    elemAt
    filter
    genList
    length
    map
    match
    toString
    toFile
    unsafeDiscardStringContext
    ;
  inherit (options)
    compile
    describe
    option
    types
    ;
  files = import ../platform/files.nix;
  inherit (import ../platform/references.nix) referencesOf;

  name = option {
    type = types.dnsLabel;
    default = null;
    defaultText = "the platform's name";
    description = "Name of the objects.";
  };

  fluxOptions = compile {
    inherit name;
    url = option {
      type = types.uri;
      description = "Where the rendered folder is: oci://… or a Git URL.";
    };
    kind = option {
      type = types.enum [
        "OCIRepository"
        "GitRepository"
      ];
      derive =
        { config, ... }: if match "oci://.*" config.url != null then "OCIRepository" else "GitRepository";
      defaultText = "OCIRepository for oci://, else GitRepository";
      description = "Kind of the source.";
    };
    ref = option {
      type = types.attrsOf types.string;
      derive =
        { config, ... }:
        if config.kind == "OCIRepository" then { tag = "latest"; } else { branch = "main"; };
      defaultText = "tag latest, or branch main";
      description = "Tag, digest, semver, branch or commit of the source.";
    };
    path = option {
      type = types.string;
      default = ".";
      description = "Folder of the set within the source.";
    };
    interval = option {
      type = types.duration;
      default = "10m";
      description = "How often Flux looks.";
    };
    timeout = option {
      type = types.duration;
      default = "30m";
      description = "How long one wave may take.";
    };
    namespace = option {
      type = types.dnsLabel;
      default = "flux-system";
      description = "Namespace of Flux's objects.";
    };
    secretRef = option {
      type = types.dnsSubdomain;
      default = null;
      description = "Secret with the credentials of the source.";
    };
    prune = option {
      type = types.bool;
      default = true;
      description = "Whether what leaves the set is deleted; volumes, CRDs and namespaces are kept in any case.";
    };
  };

  argocdOptions = compile {
    inherit name;
    repoURL = option {
      type = types.uri;
      description = "Git repository that holds the rendered folder.";
    };
    path = option {
      type = types.string;
      description = "Folder of the set within the repository.";
    };
    targetRevision = option {
      type = types.string;
      default = "HEAD";
      description = "Branch, tag or commit.";
    };
    project = option {
      type = types.dnsSubdomain;
      default = "default";
      description = "Argo CD project.";
    };
    namespace = option {
      type = types.dnsLabel;
      default = "argocd";
      description = "Namespace of Argo CD.";
    };
    server = option {
      type = types.url;
      default = "https://kubernetes.default.svc";
      description = "Cluster to deploy to.";
    };
    automated = option {
      type = types.bool;
      default = true;
      description = "Whether Argo CD syncs by itself.";
    };
    prune = option {
      type = types.bool;
      default = true;
      description = "Whether what leaves the set is deleted; volumes, CRDs and namespaces are kept in any case.";
    };
  };

  check =
    subject: compiled: args: problems:
    let
      config = compiled.fill { inherit config; } args;
      found = compiled.explain "" args;
      combined = problems config;
    in
    if !(compiled.accepts args) then
      throw (describe.report subject found)
    else if combined != [ ] then
      throw (describe.report subject combined)
    else
      config;

  optional = name: value: if value == null then { } else { ${name} = value; };

  keep = {
    Namespace = true;
    CustomResourceDefinition = true;
    PersistentVolumeClaim = true;
    Secret = true;
  };

  workloads = {
    Deployment = true;
    StatefulSet = true;
    DaemonSet = true;
    Job = true;
  };

  # Claims that pods of some objects mount.
  claimsOf =
    wanted: objects:
    builtins.listToAttrs (
      builtins.concatMap (
        object:
        if wanted object then
          map (found: {
            name = "${object.metadata.namespace or ""}/${found.name}";
            value = null;
          }) (filter (found: found.kind == "PersistentVolumeClaim") (referencesOf object))
        else
          [ ]
      ) objects
    );

  annotate =
    annotations: object:
    object
    // {
      metadata = object.metadata // {
        annotations = (object.metadata.annotations or { }) // annotations;
      };
    };

  # Whether the kind comes with a CRD: groups under k8s.io, such as the Gateway API, may as well.
  custom =
    api: object:
    let
      known = api.kind object.apiVersion object.kind;
    in
    known == null || known.crd != null;

  # `set` is what `mlops-nix render` writes: the folder that the tool reads, with what its objects must carry.
  bundle =
    subject: platform: name: change: written:
    let
      objects = checkObjects (schema.forVersion platform.kubernetesVersion) subject written;
      packageFor =
        system:
        derivation {
          name = "${name}.yaml";
          inherit system;
          builder = "/bin/sh";
          args = [
            "-c"
            ''while IFS= read -r line; do printf '%s\n' "$line"; done < ${toFile "objects.yaml" (unsafeDiscardStringContext (yaml.stream objects))} > "$out"''
          ];
          preferLocalBuild = true;
          allowSubstitutes = false;
        };
    in
    {
      _type = "gitops";
      inherit objects packageFor;
      set = platform.set // {
        entries = map (
          entry:
          let
            object = change entry;
          in
          {
            inherit object;
            inherit (entry) component file;
            wave = entry.wave.number;
            yaml = yaml.document object;
          }
        ) platform.entries;
      };
      files = builtins.listToAttrs (
        map (entry: {
          name = entry.file;
          value = yaml.document (change entry);
        }) platform.entries
      );
      yaml = yaml.stream objects;
      package = packageFor "x86_64-linux";
    };

  # A shell variable in a ConfigMap must survive Flux' postBuild substitution, volumes must survive pruning.
  fluxObject =
    object:
    let
      kept = if keep ? ${object.kind} then { "kustomize.toolkit.fluxcd.io/prune" = "Disabled"; } else { };
      literal =
        if object.kind == "ConfigMap" then
          { "kustomize.toolkit.fluxcd.io/substitute" = "Disabled"; }
        else
          { };
      all = kept // literal;
    in
    if all == { } then object else annotate all object;

  argocdObject =
    api: wave: object:
    annotate (
      {
        "argocd.argoproj.io/sync-wave" = toString wave;
      }
      // (
        let
          wanted =
            (if keep ? ${object.kind} then [ "Prune=false" ] else [ ])
            ++ (if custom api object then [ "SkipDryRunOnMissingResource=true" ] else [ ]);
        in
        if wanted == [ ] then
          { }
        else
          { "argocd.argoproj.io/sync-options" = builtins.concatStringsSep "," wanted; }
      )
    ) object;

in
platform: {
  /**
    For Flux: a source and one Kustomization per wave, each waiting for the one before. `files` is the folder to
    push, `objects` what goes into the cluster.

    # Type

    ```
    flux :: { url, kind ?, interval ?, … } -> { objects, yaml, package, packageFor, files, set }
    ```
  */
  flux =
    args:
    let
      subject = "mkPlatform ${platform.name}: gitops.flux";
      config = check subject fluxOptions args (
        config:
        let
          oci = match "oci://.*" config.url != null;
        in
        if oci && config.kind != "OCIRepository" then
          [
            {
              path = "kind";
              message = "${config.kind} does not read ${config.url}; expected OCIRepository, or a Git URL";
            }
          ]
        else if !oci && config.kind == "OCIRepository" then
          [
            {
              path = "url";
              message = "expected oci://… for an OCIRepository, found ${config.url}";
            }
          ]
        else
          [ ]
      );
      name = if config.name == null then platform.name else config.name;
      metadata = suffix: {
        name = "${name}${suffix}";
        inherit (config) namespace;
      };
      source = {
        apiVersion = "source.toolkit.fluxcd.io/v1";
        inherit (config) kind;
        metadata = metadata "";
        spec = {
          inherit (config) url interval ref;
        }
        // optional "secretRef" (if config.secretRef == null then null else { name = config.secretRef; });
      };
      waves = platform.waves;
      # `wait` asks every object, and a claim that only a CronJob mounts stays pending until its first run: such a
      # wave waits for its workloads by name instead.
      mounted = claimsOf (object: object.kind != "CronJob") platform.objects;
      stays =
        object:
        object.kind == "PersistentVolumeClaim"
        && !(mounted ? "${object.metadata.namespace or ""}/${object.metadata.name}");
      waiting =
        wave:
        if any stays wave.objects then
          {
            wait = false;
            healthChecks = map (object: {
              inherit (object) apiVersion kind;
              inherit (object.metadata) name namespace;
            }) (filter (object: workloads ? ${object.kind}) wave.objects);
          }
        else
          { wait = true; };
      kustomization =
        index:
        let
          wave = elemAt waves index;
        in
        {
          apiVersion = "kustomize.toolkit.fluxcd.io/v1";
          kind = "Kustomization";
          metadata = metadata "-${files.folder wave}";
          spec = {
            inherit (config) interval timeout prune;
            path = "${if config.path == "." then "." else config.path}/${files.folder wave}";
            sourceRef = {
              inherit (config) kind;
              inherit name;
            };
          }
          // waiting wave
          // (
            if index == 0 then
              { }
            else
              {
                dependsOn = [ { name = "${name}-${files.folder (elemAt waves (index - 1))}"; } ];
              }
          );
        };
    in
    bundle subject platform "${platform.name}-flux" (entry: fluxObject entry.object) (
      [ source ] ++ genList kustomization (length waves)
    );

  /**
    For Argo CD: an Application; the files carry sync waves.

    # Type

    ```
    argocd :: { repoURL, path, project ?, … } -> { objects, yaml, package, packageFor, files, set }
    ```
  */
  argocd =
    args:
    let
      subject = "mkPlatform ${platform.name}: gitops.argocd";
      config = check subject argocdOptions args (_: [ ]);
      name = if config.name == null then platform.name else config.name;
      webhooks = filter (
        object:
        object.kind == "ValidatingWebhookConfiguration" || object.kind == "MutatingWebhookConfiguration"
      ) platform.objects;
    in
    bundle subject platform "${platform.name}-argocd"
      (entry: argocdObject (schema.forVersion platform.kubernetesVersion) entry.wave.number entry.object)
      [
        {
          apiVersion = "argoproj.io/v1alpha1";
          kind = "Application";
          metadata = {
            inherit name;
            inherit (config) namespace;
          };
          spec = {
            inherit (config) project;
            source = {
              inherit (config) repoURL path targetRevision;
              directory.recurse = true;
            };
            destination = {
              inherit (config) server;
            };
            syncPolicy = {
              syncOptions = [
                "ServerSideApply=true"
                "RespectIgnoreDifferences=true"
              ];
              retry = {
                limit = 5;
                backoff = {
                  duration = "10s";
                  factor = 2;
                  maxDuration = "3m";
                };
              };
            }
            // (
              if config.automated then
                {
                  automated = {
                    inherit (config) prune;
                    selfHeal = true;
                  };
                }
              else
                { }
            );
          }
          // (
            if webhooks == [ ] then
              { }
            else
              {
                # cert-manager and operators write the certificate there.
                ignoreDifferences = map (object: {
                  group = "admissionregistration.k8s.io";
                  inherit (object) kind;
                  inherit (object.metadata) name;
                  jqPathExpressions = [ ".webhooks[]?.clientConfig.caBundle" ];
                }) webhooks;
              }
          );
        }
      ];
}
