"""Put the Nix library and the API schemas, which lie outside this folder in a checkout, into the wheel and the sdist.

An editable installation reads them from the checkout, so nothing is copied for it. Inside the wheel they keep their places
relative to one another, because the library reads the schemas.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Folders of the checkout.
_FOLDERS = ("lib", "modules", "generated/kubernetes")


class DataHook(BuildHookInterface):  # type: ignore[type-arg]
    """Find the folders beside this one (checkout) or inside it (sdist)."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the folders to the files of the build; a build without one of them is refused."""
        if version == "editable":
            return
        root = Path(self.root)
        for name in _FOLDERS:
            folder = next((place / name for place in (root, root.parent) if (place / name).is_dir()), None)
            if folder is None:
                raise FileNotFoundError(
                    f"{name}: not found in or beside {root}; `make generate` writes what is generated"
                )
            inside = name if self.target_name == "sdist" else f"mlops_nix/data/{name}"
            build_data["force_include"][str(folder)] = inside
