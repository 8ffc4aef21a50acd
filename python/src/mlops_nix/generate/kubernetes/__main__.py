"""``python -m mlops_nix.generate.kubernetes [--check] [FOLDER]``: write ``generated/kubernetes``, or say what is stale."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from mlops_nix.generate.kubernetes.write import files, write

_CHECKOUT = Path(__file__).resolve().parents[5]


def reference_folder() -> Path:
    """Return the folder with upstream's files: ``MLOPS_NIX_REFERENCE``, else ``../shared`` beside the checkout."""
    return Path(os.environ.get("MLOPS_NIX_REFERENCE") or _CHECKOUT.parent / "shared")


def main() -> int:
    """Run the generator; the answer is the exit code: 0 done or fresh, 1 stale, 2 no reference."""
    parser = argparse.ArgumentParser(prog="python -m mlops_nix.generate.kubernetes", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, list the files that would change")
    parser.add_argument("folder", nargs="?", type=Path, default=_CHECKOUT / "generated" / "kubernetes")
    arguments = parser.parse_args()
    reference = reference_folder()
    if not (reference / "upstream" / "crds" / "index.json").is_file():
        sys.stderr.write(f"{reference}/upstream/crds: no index.json; name the folder in MLOPS_NIX_REFERENCE\n")
        return 2
    made = files(reference)
    if not arguments.check:
        write(arguments.folder, made)
        return 0
    stale = stale_files(arguments.folder, made)
    for path in stale:
        sys.stdout.write(f"stale: {arguments.folder / path}\n")
    return 1 if stale else 0


def stale_files(folder: Path, made: dict[str, str]) -> list[str]:
    """Return the paths whose text in ``folder`` is not what the generator makes, missing and left-over ones too."""
    present = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }
    return sorted(path for path in present.keys() | made.keys() if present.get(path) != made.get(path))


if __name__ == "__main__":
    sys.exit(main())
