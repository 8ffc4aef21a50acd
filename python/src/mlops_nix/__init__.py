"""mlops-nix: render, check and apply Kubernetes manifests of machine-learning platforms."""
