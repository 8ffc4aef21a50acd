# What a call of a builder gives: versions, images, labels, warnings, endpoints, secrets, and the same with other arguments.
{ mlops, root }:
let
  inherit (builtins)
    concatMap
    filter
    map
    toJSON
    ;
  echo = import (root + "/tests/echo.nix") { inherit mlops; };
  inherit (echo)
    mkEcho
    mkLike
    mkStore
    named
    the
    ;

  says = expr: msg: {
    inherit expr;
    expectedError.msg = msg;
  };
  podOf = component: (the "Deployment" component.objects).spec.template;
  containerOf = component: builtins.head (podOf component).spec.containers;

  several = mkLike {
    versions."1.0".images = {
      app = "registry.k8s.io/echo:1.0";
      sidecar = "ghcr.io/acme/sidecar:2@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    };
  };
  versioned = mkLike {
    lines."1" = {
      version = "1.0";
      reason = "is a line of versions";
    };
    withdrawn."0.9" = "its images are gone";
  };
  store = mkStore { };
in
{
  versions = {
    testNewestIsTheDefault = {
      expr = {
        inherit (mkEcho { }) version;
        inherit (containerOf (mkEcho { })) image;
      };
      expected = {
        version = "1.1";
        image = "registry.k8s.io/echo:1.1";
      };
    };
    testNewestIsNoMatterOfTheAlphabet = {
      expr =
        (mkLike {
          versions = {
            "1.9".images.app = "a:1.9";
            "1.10".images.app = "a:1.10";
          };
        } { }).version;
      expected = "1.10";
    };
    testAnother = {
      expr =
        (containerOf (mkEcho {
          version = "1.0";
        })).image;
      expected = "registry.k8s.io/echo:1.0";
    };
    testALineIsRenderedAsItsVersionWithAWarning = {
      expr = { inherit (versioned { version = "1"; }) version warnings; };
      expected = {
        version = "1.0";
        warnings = [ "version 1 is a line of versions; 1.0 is rendered" ];
      };
    };
    testWithdrawn =
      says (versioned { version = "0.9"; }).objects
        "mkEcho: version: 0.9 cannot be deployed any more (its images are gone); known: 1.1, 1.0";
    testUnknown =
      says (mkEcho { version = "1.2"; }).objects
        "mkEcho: version: unknown version 1.2; known: 1.1, 1.0; nearest: 1.1";
    testModuleWithoutVersions = {
      expr =
        let
          component = mkLike { versions = { }; } { };
        in
        {
          inherit (component) version images;
          hasOption = component.config ? version || component.config ? image;
        };
      expected = {
        version = null;
        images = [ ];
        hasOption = false;
      };
    };
  };

  images = {
    testOneReference = {
      expr =
        (containerOf (mkEcho {
          image = "registry.example.com/echo:2";
        })).image;
      expected = "registry.example.com/echo:2";
    };
    testByName = {
      expr =
        (containerOf (several {
          image.app = "registry.example.com/echo:2";
        })).image;
      expected = "registry.example.com/echo:2";
    };
    testParts = {
      expr = map (change: (several { image.sidecar = change; }).images) [
        { tag = "3"; }
        { repository = "registry.example.com/sidecar"; }
        { digest = "sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"; }
        { pullPolicy = "Always"; }
      ];
      expected =
        map
          (sidecar: [
            "registry.k8s.io/echo:1.0"
            sidecar
          ])
          [
            "ghcr.io/acme/sidecar:3"
            "registry.example.com/sidecar:2"
            "ghcr.io/acme/sidecar:2@sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
            "ghcr.io/acme/sidecar:2@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
          ];
    };
    testRegistryWithAPort = {
      expr =
        (mkLike { versions."1".images.app = "localhost:5000/echo:1"; } { image.app.tag = "2"; }).images;
      expected = [ "localhost:5000/echo:2" ];
    };
    testPullPolicyOfTheContainersOfThatImage = {
      expr =
        (containerOf (mkEcho {
          image.app.pullPolicy = "Never";
        })).imagePullPolicy;
      expected = "Never";
    };
    testUnknownName =
      says (several { image.sidcar = "a:1"; }).objects
        "mkEcho: image.sidcar: no image of that name; there are: app, sidecar; did you mean sidecar?";
    testOneReferenceForSeveralImages =
      says (several { image = "a:1"; }).objects
        "mkEcho: image: this component has several images (app, sidecar); expected image.<name> = …";
    testMainImageTakesTheReference = {
      expr =
        (mkLike {
          versions."1.0".images = {
            app = "a:1";
            sidecar = "b:1";
          };
          mainImage = "app";
        } { image = "c:1"; }).images;
      expected = [
        "c:1"
        "b:1"
      ];
    };
  };

  metadata = {
    testLabels = {
      expr =
        let
          component = mkEcho { labels.team = "search"; };
          deployment = the "Deployment" component.objects;
        in
        {
          object = deployment.metadata.labels;
          pod = deployment.spec.template.metadata.labels;
          # What never changes, so that a Deployment can be updated for ever.
          selector = deployment.spec.selector.matchLabels;
        };
      expected =
        let
          identity = {
            "app.kubernetes.io/name" = "echo";
            "app.kubernetes.io/instance" = "echo";
            "app.kubernetes.io/component" = "server";
          };
          all = identity // {
            "app.kubernetes.io/managed-by" = "mlops-nix";
            team = "search";
          };
        in
        {
          object = all;
          pod = all;
          selector = identity;
        };
    };
    testLabelsAndAnnotationsAreOnEveryObject = {
      expr = map (object: "${object.kind} ${object.metadata.name}") (
        filter
          (
            object:
            object.metadata.labels.team or "" != "search" || object.metadata.annotations.owner or "" != "ml"
          )
          (mkEcho {
            labels.team = "search";
            annotations.owner = "ml";
            replicas = 2;
            ingress.host = "echo.example.com";
            monitoring.enabled = true;
          }).objects
      );
      expected = [ ];
    };
    testUsersLabelsDoNotReachSelectors = {
      expr =
        let
          labels."app.kubernetes.io/name" = "other";
          component = mkEcho { inherit labels; };
          deployment = the "Deployment" component.objects;
        in
        builtins.intersectAttrs deployment.spec.selector.matchLabels deployment.spec.template.metadata.labels
        == deployment.spec.selector.matchLabels;
      expected = true;
    };
    testNoBookkeepingOnObjects = {
      expr = builtins.match ".*__mlops.*" (toJSON (mkEcho { }).objects);
      expected = null;
    };
  };

  checks = {
    testCombinationsAreReportedTogetherWithTheirPlace =
      says
        (mkLike {
          checks =
            { config, ... }:
            [
              {
                when = config.replicas > 1;
                path = "replicas";
                message = "one is enough";
              }
              {
                when = true;
                path = "greeting";
                message = "is impolite";
              }
              {
                when = false;
                path = "name";
                message = "never";
              }
            ];
        } { replicas = 2; }).objects
        "mkEcho: replicas: one is enough[ \n]+at .*component.nix:[0-9]+:[0-9]+[ \n]+mkEcho: greeting: is impolite";
    testProblemsAreData = {
      expr =
        map (problem: problem.path)
          (mkLike {
            checks = _: [
              {
                when = true;
                path = "greeting";
                message = "is impolite";
              }
            ];
          } { }).problems;
      expected = [ "greeting" ];
    };
    testWarningsMayHaveAReasonToStaySilent = {
      expr =
        (mkLike {
          warnings = _: [
            "always"
            {
              when = false;
              text = "never";
            }
            {
              when = true;
              text = "sometimes";
            }
          ];
        } { }).warnings;
      expected = [
        "always"
        "sometimes"
      ];
    };
  };

  wiring = {
    testEndpoint = {
      expr = removeAttrs (mkEcho { }).endpoints.http [ "podLabels" ];
      expected = {
        _type = "endpoint";
        name = "http";
        component = "echo";
        namespace = "apps";
        protocol = "http";
        service = "echo";
        scheme = "http";
        path = "";
        host = "echo.apps.svc";
        port = 80;
        targetPort = 8080;
        url = "http://echo.apps.svc:80";
      };
    };
    testEndpointKnowsItsPods = {
      expr =
        let
          component = mkEcho { };
        in
        component.endpoints.http.podLabels == (the "Deployment" component.objects)
        .spec.selector.matchLabels;
      expected = true;
    };
    testWireBecomesTheOptions = {
      expr = (mkEcho { database = store.endpoints.echo; }).config.database;
      expected = {
        type = "postgresql";
        host = "store.data.svc";
        port = 5432;
        database = "echo";
        username = "echo";
        secretRef = {
          name = "store-echo";
          key = "password";
          copyOf = {
            namespace = "data";
            name = "store-echo";
            key = "password";
          };
        };
      };
    };
    testSecretIsACopyInTheComponentsNamespace = {
      expr =
        map (secret: removeAttrs secret [ "annotations" ])
          (mkEcho {
            database = store.endpoints.echo;
          }).secrets;
      expected = [
        {
          namespace = "apps";
          name = "store-echo";
          component = "echo";
          type = "Opaque";
          purpose = "password of the database";
          keys = [
            {
              key = "password";
              purpose = "password of the database";
              generate = null;
              value = null;
              copyOf = {
                namespace = "data";
                name = "store-echo";
                key = "password";
              };
              follow = {
                host = "store.data.svc";
                item = "echo";
                field = "password";
              };
            }
          ];
        }
      ];
    };
    testNoCopyInTheSameNamespace = {
      expr =
        (mkEcho {
          namespace = "data";
          database = store.endpoints.echo;
        }).secrets;
      expected = [ ];
    };
    testConnectionsWithoutAHostAreNone = {
      expr = (mkEcho { }).connections;
      expected = [ ];
    };
  };

  override = {
    testMergesAtEveryLevel = {
      expr =
        let
          component =
            (mkEcho {
              resources.memory = "128Mi";
              labels.team = "search";
            }).override
              {
                resources.cpu = "1";
                labels.tier = "front";
              };
        in
        {
          inherit (component.config) labels resources;
        };
      expected = {
        labels = {
          team = "search";
          tier = "front";
        };
        resources.requests = {
          cpu = "1";
          memory = "128Mi";
        };
      };
    };
    testFunctionOfTheOldArguments = {
      expr =
        ((mkEcho { replicas = 2; }).override (old: {
          replicas = old.replicas + 1;
        })).config.replicas;
      expected = 3;
    };
    testListsAreReplaced = {
      expr = ((mkEcho { peers = [ "a" ]; }).override { peers = [ "b" ]; }).config.peers;
      expected = [ "b" ];
    };
    testWireStays = {
      expr =
        ((mkEcho { database = store.endpoints.echo; }).override { replicas = 2; }).config.database.host;
      expected = "store.data.svc";
    };
    testOptionBesideAWireIsMergedOverIt = {
      expr =
        let
          inherit
            ((mkEcho { database = store.endpoints.echo; }).override {
              database.database = "other";
            })
            config
            ;
        in
        {
          inherit (config.database) host database;
          secret = config.database.secretRef.name;
        };
      expected = {
        host = "store.data.svc";
        database = "other";
        secret = "store-echo";
      };
    };
    testAnotherWireReplaces = {
      expr =
        ((mkEcho { database.host = "db.example.com"; }).override { database = store.endpoints.echo; })
        .config.database.host;
      expected = "store.data.svc";
    };
    testConsumersFollow = {
      expr =
        (mkEcho { database = (store.override { namespace = "moved"; }).endpoints.echo; })
        .config.database.host;
      expected = "store.moved.svc";
    };
    testIsCheckedAsACallIs =
      says ((mkEcho { }).override { replicas = 0; }).objects
        "mkEcho: replicas: expected an integer ≥ 1, found 0";
    testNothingChangesNothing = {
      expr = toJSON ((mkEcho { }).override { }).objects == toJSON (mkEcho { }).objects;
      expected = true;
    };
  };

  platformSettings = {
    testReachTheComponent = {
      expr =
        let
          component = (mkEcho { nodePool = "gpu"; }).bind {
            platform = "acme";
            labels.cost = "ml";
            imagePullSecrets = [ "registry" ];
            domain = "ml.example.com";
            nodePools.gpu = {
              selector.pool = "gpu";
              tolerations = [ { key = "gpu"; } ];
            };
            monitoring = {
              enabled = true;
              labels.release = "kps";
              interval = "30s";
              namespace = "monitoring";
            };
          };
          pod = (podOf component).spec;
          monitor = the "ServiceMonitor" component.objects;
        in
        {
          labels = {
            inherit ((podOf component).metadata.labels) cost;
            part = (podOf component).metadata.labels."app.kubernetes.io/part-of";
          };
          inherit (pod) nodeSelector tolerations imagePullSecrets;
          inherit (component.config.ingress) host enabled;
          release = monitor.metadata.labels.release;
          interval = map (endpoint: endpoint.interval) monitor.spec.endpoints;
        };
      expected = {
        labels = {
          cost = "ml";
          part = "acme";
        };
        nodeSelector.pool = "gpu";
        tolerations = [ { key = "gpu"; } ];
        imagePullSecrets = [ { name = "registry"; } ];
        host = "echo.ml.example.com";
        enabled = false;
        release = "kps";
        interval = [ "30s" ];
      };
    };
    testWhatTheUserSaysWins = {
      expr =
        (
          (mkEcho {
            ingress.host = "a.example.com";
          }).bind
          { domain = "ml.example.com"; }
        ).config.ingress.host;
      expected = "a.example.com";
    };
  };

  examples.testOwnModuleGetsAllOfIt = {
    expr =
      let
        platform = import (root + "/examples/own-module") { inherit mlops; };
        inherit (platform.components) labelling;
        changed = labelling.override { replicas = 2; };
      in
      {
        inherit (labelling) module builder version;
        url = labelling.endpoints.http.url;
        replicas = (named "Deployment" "label-studio" changed.objects).spec.replicas;
        hardened = concatMap (
          container: if container.securityContext.allowPrivilegeEscalation then [ container.name ] else [ ]
        ) (named "Deployment" "label-studio" platform.objects).spec.template.spec.containers;
      };
    expected = {
      module = "label-studio";
      builder = "mkLabelStudio";
      version = "1.20.0";
      url = "http://label-studio.labelling.svc:8080";
      replicas = 2;
      hardened = [ ];
    };
  };
}
