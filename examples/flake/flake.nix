{
  description = "Our cluster: a machine-learning platform, rendered by mlops-nix";

  # In a checkout of mlops-nix: nix build --override-input mlops-nix path:../..
  inputs.mlops-nix.url = "github:mlops-nix/mlops-nix";

  outputs =
    { self, mlops-nix }:
    let
      production = import ./platform.nix { mlops = mlops-nix.lib; };

      # The same platform for a second cluster: other names, less of everything.
      staging = production.override (
        old:
        old
        // {
          name = "acme-staging";
          domain = "ml-staging.example.com";
          components = old.components // {
            mlflow = old.components.mlflow.override { ui.replicas = 1; };
          };
        }
      );
      flux = production.gitops.flux {
        url = "oci://registry.example.com/acme/manifests";
        interval = "10m";
      };
      argocd = production.gitops.argocd {
        repoURL = "https://git.example.com/acme/cluster.git";
        path = "rendered/acme";
        project = "mlops";
      };
    in
    {
      # `mlops-nix apply .#production`, `mlops-nix diff .#staging`
      platforms = { inherit production staging; };

      packages.x86_64-linux = {
        # One YAML stream in apply order; nixpkgs is not fetched for any of these.
        default = production.package;
        staging = staging.package;
        flux = flux.package;
        argocd = argocd.package;
      };
    };
}
