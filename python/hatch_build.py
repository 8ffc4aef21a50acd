"""Put the API schemas, which lie outside this folder in a checkout, into the wheel and the sdist.

An editable installation reads them from the checkout, so nothing is copied for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class SchemaHook(BuildHookInterface):  # type: ignore[type-arg]
    """Find generated/kubernetes beside the folder (checkout) or inside it (sdist)."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the folder to the files of the build; a build without schemas is refused."""
        if version == "editable":
            return
        root = Path(self.root)
        for folder in (root / "generated" / "kubernetes", root.parent / "generated" / "kubernetes"):
            if folder.is_dir():
                inside = "generated/kubernetes" if self.target_name == "sdist" else "mlops_nix/data/kubernetes"
                build_data["force_include"][str(folder)] = inside
                return
        raise FileNotFoundError(f"generated/kubernetes: not found beside {root}; run `make generate` first")
