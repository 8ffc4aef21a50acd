"""Rules of the Nix sources that no formatter holds up: what a file takes it uses, and nothing comes from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for folder in ("lib", "modules") for path in (ROOT / folder).rglob("*.nix"))
TAKEN = re.compile(r"inherit\s*\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)\s*([^;]*);")


def code(path: Path) -> str:
    """The text without comments."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    return re.sub(r"(^|\s)#.*", r"\1", text)


def unused(text: str) -> list[str]:
    head = re.search(r"^let\n(.*?)^in\b", text, re.DOTALL | re.MULTILINE)
    taken = []
    for found in TAKEN.finditer(head[1] if head else ""):
        if found[1].strip() == "builtins" or found[1].strip().startswith("import"):
            taken += found[2].split()
    return [
        name for name in taken if len(re.findall(rf"(?<![\w.'-]){re.escape(name)}(?![\w'-])", text)) < 2
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_uses_what_it_takes(path: Path) -> None:
    assert unused(code(path)) == []


def test_an_unused_name_is_found() -> None:
    text = "let\n  inherit (builtins) map filter;\n  inherit (import ./x.nix { a = (b c); }) other;\nin\nmap other"
    assert unused(text) == ["filter"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_library_needs_nothing_but_itself(path: Path) -> None:
    assert not re.search(r"<nixpkgs|builtins\.(fetch\w+|currentSystem|currentTime|getEnv)\b", code(path))


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if "lib" in path.parts], ids=lambda path: str(path.relative_to(ROOT))
)
def test_the_core_names_no_system(path: Path) -> None:
    systems = "mlflow|kubeflow|kserve|seldon|katib|feast|jupyter|seaweedfs|minio|knative|istio"
    assert not re.findall(rf"\b(?:{systems})\b", code(path).lower())
