# Flux and Argo CD: what points at the folder of a platform, and what its objects carry.
{ mlops, root }:
let
  inherit (builtins)
    attrNames
    elem
    filter
    head
    length
    listToAttrs
    map
    mapAttrs
    readDir
    toJSON
    ;
  schema = (import (root + "/lib/schema") { }).forVersion "1.36";
  examples = listToAttrs (
    map (name: {
      inherit name;
      value = import (root + "/examples/${name}") { inherit mlops; };
    }) (filter (name: name != "flake") (attrNames (readDir (root + "/examples"))))
  );
  inherit (examples) starter tracking;

  flux = made: made.gitops.flux { url = "oci://registry.example.com/acme/manifests"; };
  argocd =
    made:
    made.gitops.argocd {
      repoURL = "https://git.example.com/cluster.git";
      path = "generated/acme";
    };
  kustomizations = made: filter (object: object.kind == "Kustomization") (flux made).objects;
  says = expr: msg: {
    inherit expr;
    expectedError.msg = msg;
  };
  annotationsOf = entry: entry.object.metadata.annotations or { };
in
{
  flux = {
    testEveryWaveHasItsKustomization = {
      expr = mapAttrs (_: made: map (object: object.spec.path) (kustomizations made)) examples;
      expected = mapAttrs (
        _: made:
        map (
          wave: "./${if wave.number < 10 then "0" else ""}${toString wave.number}-${wave.name}"
        ) made.waves
      ) examples;
    };
    # Each file of the set is below the path of exactly one Kustomization.
    testEveryFileIsInAWave = {
      expr = mapAttrs (
        _: made:
        let
          paths = map (object: builtins.substring 2 (-1) object.spec.path) (kustomizations made);
        in
        filter (file: !(elem (head (builtins.split "/" file)) paths)) (attrNames (flux made).files)
      ) examples;
      expected = mapAttrs (_: _: [ ]) examples;
    };
    # A chain from the first to the last: no cycle, none left out.
    testDependenciesFormOneChain = {
      expr = mapAttrs (
        _: made: map (object: map (other: other.name) (object.spec.dependsOn or [ ])) (kustomizations made)
      ) examples;
      expected = mapAttrs (
        _: made:
        let
          names = map (object: object.metadata.name) (kustomizations made);
        in
        builtins.genList (index: if index == 0 then [ ] else [ (builtins.elemAt names (index - 1)) ]) (
          length names
        )
      ) examples;
    };
    testSchema = {
      expr = filter (object: !(schema.accepts object)) (
        (flux starter).objects ++ (argocd starter).objects
      );
      expected = [ ];
    };
    testSourceFollowsTheUrl = {
      expr = map (url: (head (tracking.gitops.flux { inherit url; }).objects).kind) [
        "oci://registry.example.com/a"
        "https://git.example.com/a.git"
        "ssh://git@git.example.com/a.git"
      ];
      expected = [
        "OCIRepository"
        "GitRepository"
        "GitRepository"
      ];
    };
    testOptionsReachTheObjects = {
      expr =
        let
          inherit
            (tracking.gitops.flux {
              url = "https://git.example.com/a.git";
              name = "ml";
              namespace = "flux";
              interval = "1h";
              timeout = "5m";
              path = "clusters/a";
              prune = false;
              secretRef = "git";
              ref.tag = "v1";
            })
            objects
            ;
          source = head objects;
          first = builtins.elemAt objects 1;
        in
        {
          inherit (source.spec)
            ref
            secretRef
            interval
            ;
          inherit (source.metadata) name namespace;
          kustomization = {
            inherit (first.spec)
              path
              prune
              timeout
              sourceRef
              ;
            inherit (first.metadata) name;
          };
        };
      expected = {
        ref.tag = "v1";
        secretRef.name = "git";
        interval = "1h";
        name = "ml";
        namespace = "flux";
        kustomization = {
          path = "clusters/a/00-namespaces";
          prune = false;
          timeout = "5m";
          sourceRef = {
            kind = "GitRepository";
            name = "ml";
          };
          name = "ml-00-namespaces";
        };
      };
    };
    testVolumesAndNamespacesSurvivePruning = {
      expr = filter (
        entry:
        (elem entry.object.kind [
          "Namespace"
          "PersistentVolumeClaim"
        ]) != (annotationsOf entry ? "kustomize.toolkit.fluxcd.io/prune")
      ) (flux starter).set.entries;
      expected = [ ];
    };
    testShellVariablesInConfigMapsStay = {
      expr = filter (
        entry:
        (entry.object.kind == "ConfigMap")
        != ((annotationsOf entry)."kustomize.toolkit.fluxcd.io/substitute" or "" == "Disabled")
      ) (flux starter).set.entries;
      expected = [ ];
    };
    testFilesAreTheTextsOfTheSet = {
      expr =
        let
          bundle = flux tracking;
        in
        listToAttrs (
          map (entry: {
            name = entry.file;
            value = entry.yaml;
          }) bundle.set.entries
        ) == bundle.files;
      expected = true;
    };
    testObjectsThemselvesStayAsTheyAre = {
      expr =
        let
          without = object: removeAttrs object [ "metadata" ];
        in
        map (entry: without entry.object) (flux tracking).set.entries == map without tracking.objects;
      expected = true;
    };
    testWithoutUrl =
      says (tracking.gitops.flux { }).objects
        "mkPlatform tracking: gitops.flux: url: required option is missing; expected a URI, scheme://…";
    testOciWithAGitRepository =
      says
        (tracking.gitops.flux {
          url = "oci://a/b";
          kind = "GitRepository";
        }).objects
        "mkPlatform tracking: gitops.flux: kind: GitRepository does not read oci://a/b; expected OCIRepository, or a Git URL";
    testGitWithAnOciRepository =
      says
        (tracking.gitops.flux {
          url = "https://a/b.git";
          kind = "OCIRepository";
        }).objects
        "mkPlatform tracking: gitops.flux: url: expected oci://… for an OCIRepository, found https://a/b.git";
    testReferenceThatTheSourceDoesNotHave =
      says
        (tracking.gitops.flux {
          url = "oci://a/b";
          ref.brnch = "main";
        }).objects
        "mkPlatform tracking: gitops.flux: OCIRepository flux-system/tracking: spec.ref.brnch: unknown field";
    testIntervalThatFluxDoesNotRead =
      says
        (tracking.gitops.flux {
          url = "oci://a/b";
          interval = "1d";
        }).objects
        "mkPlatform tracking: gitops.flux: OCIRepository flux-system/tracking: spec.interval: ";
    testPackageOfAnySystem = {
      expr = map (system: ((flux tracking).packageFor system).system) [
        "x86_64-linux"
        "aarch64-darwin"
      ];
      expected = [
        "x86_64-linux"
        "aarch64-darwin"
      ];
    };
    testMisspeltOption =
      says
        (tracking.gitops.flux {
          url = "oci://a/b";
          intervall = "1m";
        }).objects
        "mkPlatform tracking: gitops.flux: intervall: unknown option; did you mean interval?";
  };

  argocd = {
    testWavesAreAnnotations = {
      expr =
        let
          inherit (argocd starter) set;
        in
        map (entry: (annotationsOf entry)."argocd.argoproj.io/sync-wave") set.entries
        == map (entry: toString entry.wave) set.entries;
      expected = true;
    };
    # A custom resource may come with its CRD, and the Gateway API is one although its group is under k8s.io.
    testCustomResourcesSkipTheDryRun = {
      expr =
        let
          skips =
            entry:
            builtins.match ".*SkipDryRunOnMissingResource=true.*" (
              (annotationsOf entry)."argocd.argoproj.io/sync-options" or ""
            ) != null;
          gateway = mlops.mkPlatform {
            name = "gateway";
            components = { };
            extraObjects = [
              {
                apiVersion = "gateway.networking.k8s.io/v1";
                kind = "GatewayClass";
                metadata.name = "a";
                spec.controllerName = "example.com/a";
              }
            ];
          };
        in
        map (entry: entry.object.kind) (
          filter skips ((argocd gateway).set.entries ++ (argocd tracking).set.entries)
        );
      expected = [ "GatewayClass" ];
    };
    testVolumesAreNotPruned = {
      expr = filter (
        entry:
        (elem entry.object.kind [
          "Namespace"
          "PersistentVolumeClaim"
        ]) != (
          builtins.match "Prune=false.*" ((annotationsOf entry)."argocd.argoproj.io/sync-options" or "")
          != null
        )
      ) (argocd starter).set.entries;
      expected = [ ];
    };
    testInjectedCertificatesAreIgnored = {
      expr = map (rule: rule.kind) (head (argocd starter).objects).spec.ignoreDifferences != [ ];
      expected = true;
    };
    testApplication = {
      expr =
        let
          application =
            head
              (tracking.gitops.argocd {
                repoURL = "https://git.example.com/cluster.git";
                path = "generated/acme";
                project = "mlops";
                targetRevision = "main";
                automated = false;
              }).objects;
        in
        {
          inherit (application.spec) project source;
          automated = application.spec.syncPolicy ? automated;
          serverSide = elem "ServerSideApply=true" application.spec.syncPolicy.syncOptions;
        };
      expected = {
        project = "mlops";
        source = {
          repoURL = "https://git.example.com/cluster.git";
          path = "generated/acme";
          targetRevision = "main";
          directory.recurse = true;
        };
        automated = false;
        serverSide = true;
      };
    };
    testSameBytesEachTime = {
      expr = toJSON (argocd tracking).set == toJSON (argocd (tracking.override { })).set;
      expected = true;
    };
    testWithoutPath =
      says (tracking.gitops.argocd { repoURL = "https://a/b"; }).objects
        "mkPlatform tracking: gitops.argocd: path: required option is missing";
  };
}
