"""An example is a test: each renders, stands up to every check, and is committed as it renders now."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Outcome

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path.name for path in (CHECKOUT / "examples").iterdir() if path.is_dir() and path.name != "flake")
MANIFESTS = CHECKOUT / "generated" / "manifests"

pytestmark = pytest.mark.skipif(shutil.which("nix-instantiate") is None, reason="nix-instantiate is not installed")


@pytest.mark.parametrize("example", EXAMPLES)
def test_is_valid(example: str, cli: Callable[..., Outcome]) -> None:
    """Not an error and not a warning: what is accepted says why in the object itself."""
    outcome = cli("validate", CHECKOUT / "examples" / example, "--strict", "--kubeconform", "never", "--output", "json")
    findings = json.loads(outcome.stdout)["findings"]
    assert [
        f"{finding['check']}: {finding['object']}: {finding['message']}"
        for finding in findings
        if finding["severity"] in ("error", "warning") and not finding.get("silenced")
    ] == []
    assert outcome.exit_code == 0, outcome.stderr


@pytest.mark.parametrize("example", EXAMPLES)
def test_is_committed_as_it_renders(example: str, cli: Callable[..., Outcome]) -> None:
    folder = MANIFESTS / example
    if not folder.is_dir():
        pytest.skip(f"no {folder.relative_to(CHECKOUT)} (make generate writes it)")
    outcome = cli("render", CHECKOUT / "examples" / example, "--out", folder, "--crds", "urls", "--check")
    assert outcome.exit_code == 0, f"{outcome.stdout}{outcome.stderr}\nrun `make generate`"


def test_no_rendered_folder_is_left_over() -> None:
    if not MANIFESTS.is_dir():
        pytest.skip("no generated/manifests (make generate writes it)")
    folders = {path.name for path in MANIFESTS.iterdir() if path.is_dir()}
    assert folders <= set(EXAMPLES)


def _public_names() -> list[str]:
    expression = f"""
      let
        mlops = import {CHECKOUT}/lib {{ }};
        bound = mlops.kubernetes.bind (mlops.kubernetes.context {{ name = "a"; namespace = "a"; }});
        platform = mlops.mkPlatform {{ name = "a"; components = {{ }}; }};
      in
      builtins.concatMap builtins.attrNames
        [ mlops mlops.types mlops.kubernetes bound mlops.adapters mlops.common mlops.wiring platform platform.gitops ]
    """
    run = subprocess.run(
        ["nix-instantiate", "--eval", "--strict", "--json", "--expr", expression],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return sorted(set(json.loads(run.stdout)) - {"_type"})


def test_every_public_name_is_tested() -> None:
    """Who adds a name to the library adds a test that uses it; an example counts as well, since it is one."""
    text = "\n".join(
        path.read_text()
        for folder in ("tests", "examples")
        for suffix in ("nix", "json", "py")
        for path in (CHECKOUT / folder).rglob(f"*.{suffix}")
        if path.name not in ("test_examples.py", "base.json")
    )
    words = set(re.findall(r"[\w']+", text))
    assert [name for name in _public_names() if name not in words] == []


CONSTRUCTORS = ["configuration", "container", "network", "operation", "workload"]


@pytest.mark.parametrize("file", CONSTRUCTORS)
def test_every_constructor_is_documented(file: str) -> None:
    """What `lib.kubernetes` offers has an RFC 145 comment with its type."""
    path = CHECKOUT / "lib" / "kubernetes" / f"{file}.nix"
    expression = f"builtins.attrNames (import {path})"
    run = subprocess.run(
        ["nix-instantiate", "--eval", "--strict", "--json", "--expr", expression],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    source = path.read_text()
    documented = set(re.findall(r"# Type\n(?:(?!\*/).)*?\*/\n\s*([\w']+)(?:Of)? =", source, re.DOTALL))
    missing = [name for name in json.loads(run.stdout) if not {name, f"{name}Of"} & documented]
    assert missing == []
