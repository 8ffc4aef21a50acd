{
  description = "Kubernetes manifests of whole machine-learning platforms, from short Nix descriptions";

  # Only what needs a shell's tools asks for nixpkgs: `lib` and the manifest sets evaluate and build without fetching it.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";

  outputs =
    { self, nixpkgs }:
    let
      lib = import ./lib { };
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      forEach =
        f:
        builtins.listToAttrs (
          map (system: {
            name = system;
            value = f system;
          }) systems
        );
      pkgsFor = system: nixpkgs.legacyPackages.${system};

      # Every folder of examples/ is a platform, but for examples/flake, which is a consumer's own repository.
      examples =
        let
          entries = builtins.readDir ./examples;
        in
        builtins.filter (name: entries.${name} == "directory" && name != "flake") (
          builtins.attrNames entries
        );
      platformOf = name: import (./examples + "/${name}") { mlops = lib; };

      commandFor =
        pkgs:
        pkgs.python3Packages.buildPythonApplication {
          pname = "mlops-nix";
          version = "0.1.0";
          pyproject = true;
          src = self;
          sourceRoot = "source/python";
          build-system = [ pkgs.python3Packages.hatchling ];
          dependencies = builtins.attrValues {
            inherit (pkgs.python3Packages)
              click
              jinja2
              jsonschema-rs
              kubernetes
              msgspec
              orjson
              pyyaml
              rich
              ;
          };
          pythonImportsCheck = [ "mlops_nix" ];
          meta.mainProgram = "mlops-nix";
        };
    in
    {
      inherit lib;

      packages = forEach (
        system:
        builtins.listToAttrs (
          map (name: {
            inherit name;
            value = (platformOf name).packageFor system // {
              tree = (platformOf name).tree (pkgsFor system);
              # What `mlops-nix render .#name` reads.
              platform = platformOf name;
            };
          }) examples
        )
        // {
          default = (platformOf "starter").packageFor system // {
            platform = platformOf "starter";
          };
          mlops-nix = commandFor (pkgsFor system);
        }
      );

      checks = forEach (
        system:
        builtins.listToAttrs (
          map (name: {
            inherit name;
            value = (platformOf name).tree (pkgsFor system);
          }) examples
        )
        // {
          mlops-nix = self.packages.${system}.mlops-nix;
        }
      );

      apps = forEach (system: {
        default = {
          type = "app";
          program = "${self.packages.${system}.mlops-nix}/bin/mlops-nix";
        };
      });

      devShells = forEach (
        system:
        let
          pkgs = pkgsFor system;
        in
        {
          default = pkgs.mkShell {
            packages = [
              pkgs.kubeconform
              pkgs.kubectl
              pkgs.nixfmt
              pkgs.ruff
              (pkgs.python3.withPackages (
                python:
                builtins.attrValues {
                  inherit (python)
                    click
                    hypothesis
                    jinja2
                    jsonschema
                    jsonschema-rs
                    kubernetes
                    msgspec
                    mypy
                    orjson
                    pytest
                    pyyaml
                    rich
                    ;
                }
              ))
            ];
          };
        }
      );

      formatter = forEach (system: (pkgsFor system).nixfmt);

      # For users of nixpkgs' module system: evalModules { modules = [ mlops-nix.modules.mlops ./platform.nix ]; }.
      modules.mlops = lib.adapters.module;

      templates.default = {
        path = ./examples/flake;
        description = "A cluster repository with a platform of its own";
      };
    };
}
