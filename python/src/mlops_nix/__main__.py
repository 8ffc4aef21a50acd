"""``python -m mlops_nix``: the same as the command ``mlops-nix``."""

from mlops_nix.cli import main

if __name__ == "__main__":
    main()
