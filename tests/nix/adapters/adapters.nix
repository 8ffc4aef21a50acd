# A platform in the form that other tools want. nixpkgs' module system has tests of its own: tests/python/test_module_system.py.
{ mlops, root }:
let
  inherit (builtins)
    attrNames
    concatMap
    filter
    map
    mapAttrs
    toJSON
    ;
  inherit (mlops) adapters mkPlatform;
  echo = import (root + "/tests/echo.nix") { inherit mlops; };
  store = echo.mkStore { };
  platform = mkPlatform {
    name = "acme";
    components = {
      inherit store;
      echo = echo.mkEcho { database = store.endpoints.echo; };
    };
  };
  says = expr: msg: {
    inherit expr;
    expectedError.msg = msg;
  };
in
{
  kubenix = {
    testListOfObjects = {
      expr = adapters.kubenix platform == platform.objects;
      expected = true;
    };
    testOfAComponent = {
      expr = adapters.kubenix store == store.objects;
      expected = true;
    };
    testOfSomethingElse = says (adapters.kubenix
      [ ]
    ) "adapters.kubenix: expected a platform or a component, found a list";
  };

  nixidy = {
    testAnApplicationPerComponent = {
      expr = mapAttrs (_: application: removeAttrs application [ "yamls" ]) (adapters.nixidy platform);
      expected = {
        # Namespaces and their policies.
        acme.createNamespace = false;
        echo = {
          createNamespace = false;
          namespace = "apps";
        };
        store = {
          createNamespace = false;
          namespace = "data";
        };
      };
    };
    testTextsAreAllObjects = {
      expr =
        let
          applications = adapters.nixidy platform;
        in
        builtins.sort builtins.lessThan (
          concatMap (name: applications.${name}.yamls) (attrNames applications)
        ) == builtins.sort builtins.lessThan (map (entry: entry.yaml) platform.set.entries);
      expected = true;
    };
    testComponentCalledAsThePlatform = {
      expr = attrNames (
        adapters.nixidy (mkPlatform {
          name = "store";
          components = { inherit store; };
        })
      );
      expected = [
        "store"
        "store-platform"
      ];
    };
    testOfSomethingElse = says (adapters.nixidy
      { }
    ) "adapters.nixidy: expected a platform or a component, found another attribute set";
  };

  easykubenix = {
    testByNamespaceKindAndName = {
      expr = mapAttrs (_: mapAttrs (_: attrNames)) (adapters.easykubenix platform);
      expected = {
        none.Namespace = [
          "apps"
          "data"
        ];
        apps = {
          ConfigMap = [ "echo-config" ];
          Deployment = [ "echo" ];
          NetworkPolicy = [
            "allow-dns"
            "default-deny"
            "echo"
          ];
          Service = [ "echo" ];
        };
        data = {
          NetworkPolicy = [
            "allow-dns"
            "default-deny"
            "store"
          ];
          Service = [ "store" ];
          StatefulSet = [ "store" ];
        };
      };
    };
    testObjectsAreTheSame = {
      expr =
        (adapters.easykubenix platform).apps.Deployment.echo == echo.the "Deployment" platform.objects;
      expected = true;
    };
    testTwoKindsOfOneName =
      says
        (adapters.easykubenix (mkPlatform {
          name = "acme";
          components = { };
          extraObjects =
            map
              (apiVersion: {
                inherit apiVersion;
                kind = "Service";
                metadata = {
                  name = "a";
                  namespace = "apps";
                };
                spec =
                  if apiVersion == "v1" then
                    {
                      type = "ExternalName";
                      externalName = "a.example.com";
                    }
                  else
                    { template.spec.containers = [ { image = "registry.example.com/a:1"; } ]; };
              })
              [
                "v1"
                "serving.knative.dev/v1"
              ];
        }))
        "adapters.easykubenix: easykubenix tells objects apart by kind and name, and there are several of Service a: .*serving.knative.dev/v1.*; rename one of them";
  };
}
