"""The flake, and a consumer's flake, without network and without nixpkgs: what evaluates, what is built, and the same bytes as `platform.yaml`.

Upstream's CRDs are put into the store under the names by which the derivations look for them, so nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path.name for path in (CHECKOUT / "examples").iterdir() if path.is_dir() and path.name != "flake")
SYSTEMS = ["aarch64-darwin", "aarch64-linux", "x86_64-darwin", "x86_64-linux"]
# What the flake reads when it evaluates; the rest of a checkout would only be copied.
PARTS = ["flake.nix", "flake.lock", "lib", "modules", "examples", "generated/kubernetes"]

pytestmark = pytest.mark.skipif(shutil.which("nix") is None, reason="nix is not installed")


def run(*command: str) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "NIX_CONFIG": "experimental-features = nix-command flakes", "NIX_PATH": "", "NO_COLOR": "1"},
    )
    if done.returncode != 0:
        if "error: creating directory" in done.stderr or "Permission denied" in done.stderr:
            pytest.skip(f"the Nix store cannot be written here: {done.stderr.strip().splitlines()[-1]}")
        pytest.fail(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


@pytest.fixture(scope="module")
def flake(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the reference of a copy of the checkout."""
    folder = tmp_path_factory.mktemp("checkout")
    for part in PARTS:
        source, target = CHECKOUT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    return f"path:{folder}"


@pytest.fixture(scope="module")
def evaluate(flake: str) -> Callable[[str], Any]:
    """Evaluate an expression of the flake as JSON, offline."""

    def call(attribute: str, function: str = "value: value") -> Any:
        return json.loads(run("nix", "eval", "--offline", "--json", f"{flake}#{attribute}", "--apply", function))

    return call


def build(reference: str, *options: str) -> str:
    """Build without network; the text of the one file that comes out."""
    (result,) = json.loads(run("nix", "build", "--offline", "--no-link", "--json", reference, *options))
    return Path(result["outputs"]["out"]).read_text()


def add_crds(crds: list[dict[str, Any]], reference: Path, scratch: Path) -> None:
    """Put upstream's files into the store, found by their hash, under the names of the derivations."""
    folder = reference / "upstream" / "crds"
    by_hash = {entry["sha256"]: folder / entry["file"] for entry in json.loads((folder / "index.json").read_text())}
    for crd in crds:
        name = Path(crd["file"]).name
        shutil.copy(by_hash[crd["sha256"]], scratch / name)
        run("nix-store", "--add-fixed", "sha256", str(scratch / name))


def test_library_is_the_one_without_flakes(evaluate: Callable[..., Any]) -> None:
    names = run(
        "nix-instantiate", "--eval", "--strict", "--json", "--expr",
        f'builtins.attrNames (import {CHECKOUT}/lib {{ lib = throw "accepted and ignored"; }})',
    )  # fmt: skip
    assert evaluate("lib", "builtins.attrNames") == json.loads(names)


def test_a_package_for_every_example_on_every_system(evaluate: Callable[..., Any]) -> None:
    packages = evaluate("packages", "builtins.mapAttrs (_: builtins.attrNames)")
    assert packages == dict.fromkeys(SYSTEMS, sorted(["default", "mlops-nix", *EXAMPLES]))


def test_packages_of_all_systems_evaluate_on_this_one(evaluate: Callable[..., Any]) -> None:
    """nixpkgs is never fetched for them: this runs offline with an empty store."""
    names = " ".join(json.dumps(name) for name in ["default", *EXAMPLES])
    paths = evaluate(
        "packages",
        f"builtins.mapAttrs (_: all: map (name: builtins.unsafeDiscardStringContext all.${{name}}.drvPath) [ {names} ])",
    )
    derivations = [path for system in SYSTEMS for path in paths[system]]
    assert all(path.endswith(".yaml.drv") for path in derivations)
    # `default` is the starter; otherwise each example and system is a derivation of its own.
    assert len(set(derivations)) == len(SYSTEMS) * len(EXAMPLES)


def test_other_outputs_are_there_for_every_system(evaluate: Callable[..., Any]) -> None:
    for output in ("checks", "apps", "devShells", "formatter"):
        assert evaluate(output, "builtins.attrNames") == SYSTEMS
    assert "module" in evaluate("lib.adapters", "builtins.attrNames")
    assert evaluate("modules.mlops", "builtins.isFunction") is True
    assert evaluate("templates.default.description") == "A cluster repository with a platform of its own"


@pytest.mark.parametrize("example", EXAMPLES)
def test_stream_is_namespaces_crds_and_the_rest(
    example: str, flake: str, evaluate: Callable[..., Any], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    platform = evaluate(
        f"packages.x86_64-linux.{example}.platform",
        "p: { inherit (p) crds; entries = map (e: { inherit (e) yaml wave; }) p.set.entries; }",
    )
    if platform["crds"]:
        add_crds(platform["crds"], request.getfixturevalue("reference"), tmp_path)
    before = [entry["yaml"] for entry in platform["entries"] if entry["wave"] < 10]
    after = [entry["yaml"] for entry in platform["entries"] if entry["wave"] >= 10]
    crds = [(tmp_path / Path(crd["file"]).name).read_text() for crd in platform["crds"]]
    crds = [text if text.endswith("\n") else text + "\n" for text in crds]
    parts = (
        ["---\n".join(part) for part in (before,) if part] + crds + ["---\n".join(part) for part in (after,) if part]
    )
    expected = "".join(f"---\n{part}" for part in parts)

    assert build(f"{flake}#packages.x86_64-linux.{example}") == expected


def test_consumer_builds_without_network(flake: str, tmp_path: Path) -> None:
    """examples/flake in a folder of its own: its only input is this checkout."""
    folder = tmp_path / "cluster"
    shutil.copytree(CHECKOUT / "examples" / "flake", folder)
    own = ["--override-input", "mlops-nix", flake]

    texts = {name: build(f"path:{folder}#{name}", *own) for name in ("default", "staging", "flux", "argocd")}

    assert "name: mlflow\n" in texts["default"]
    assert "kind: CustomResourceDefinition" not in texts["default"]
    assert "part-of: acme-staging" in texts["staging"]
    assert "kind: OCIRepository" in texts["flux"]
    assert texts["flux"].count("kind: Kustomization") == texts["flux"].count("path: ./")
    assert "kind: Application" in texts["argocd"]

    # Nothing but the lock file of its own came into the folder, and the same input gives the same bytes.
    assert build(f"path:{folder}#default", *own) == texts["default"]
    rebuilt = run("nix", "build", "--offline", "--no-link", "--rebuild", "--json", f"path:{folder}#default", *own)
    assert json.loads(rebuilt)


def test_consumer_renders_without_flakes() -> None:
    text = run(
        "nix-instantiate", "--eval", "--strict", "--json", "--expr",
        f"(import {CHECKOUT}/examples/flake/platform.nix {{ mlops = import {CHECKOUT}/lib {{ }}; }}).yaml",
    )  # fmt: skip
    assert json.loads(text).startswith("apiVersion: v1\nkind: Namespace\n")
