"""``mlops-nix init``: what it writes works as it is, and it overwrites nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from mlops_nix import nixeval

if TYPE_CHECKING:
    from pathlib import Path

needs_nix = pytest.mark.skipif(shutil.which("nix-instantiate") is None, reason="Nix is not installed")


def test_list_names_what_there_is(cli: Any) -> None:
    words = [line.split()[0] for line in cli("init", "--list").stdout.splitlines()]
    assert words == ["platform", "module"]


@needs_nix
def test_a_new_platform_renders_as_it_is(cli: Any, tmp_path: Path) -> None:
    outcome = cli("init", "platform", tmp_path / "acme")
    assert outcome.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "acme").iterdir()) == [
        ".gitignore",
        "README.md",
        "flake.nix",
        "platform.nix",
    ]
    value = json.loads(
        cli("render", tmp_path / "acme", "--out", tmp_path / "out", "-o", "json", "--crds", "urls").stdout
    )
    assert value["name"] == "acme"
    assert {component["name"] for component in value["components"]} == {"mlflow", "postgres", "store"}


@needs_nix
def test_the_flake_of_a_new_platform_works_without_the_network(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = nixeval.library_path()
    assert library is not None
    # A copy of the library alone: the checkout around it may be large, and its Git state is not what is tested.
    for name in ("lib", "modules", "generated/kubernetes"):
        shutil.copytree(library.parent / name, tmp_path / "library" / name)
    (tmp_path / "library" / "flake.nix").write_text("{ outputs = _: { lib = import ./lib { }; }; }")
    monkeypatch.chdir(tmp_path)
    assert cli("init", "acme", "--flake-url", f"path:{tmp_path}/library").exit_code == 0
    outcome = cli("render", f"path:{tmp_path}/acme#platforms.acme", "--stdout", "--no-crds")
    assert outcome.exit_code == 0, outcome.stderr
    assert "kind: Deployment" in outcome.stdout


@needs_nix
def test_a_new_module_passes_its_own_test_and_renders(cli: Any, tmp_path: Path) -> None:
    assert cli("init", "module", tmp_path / "label-studio").exit_code == 0
    test = subprocess.run(
        [
            "nix-instantiate",
            "--eval",
            "--strict",
            str(tmp_path / "label-studio" / "test.nix"),
            "--argstr",
            "library",
            str(nixeval.library_path()),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (test.returncode, test.stdout.strip()) == (0, "true"), test.stderr
    outcome = cli("render", tmp_path / "label-studio" / "platform.nix", "--out", tmp_path / "out", "-o", "json")
    assert outcome.exit_code == 0, outcome.stderr
    assert json.loads(outcome.stdout)["components"][0]["builder"] == "mkLabelStudio"


@needs_nix
def test_the_test_of_a_new_module_fails_when_the_module_is_broken(cli: Any, tmp_path: Path) -> None:
    cli("init", "module", tmp_path / "echo")
    module = tmp_path / "echo" / "default.nix"
    module.write_text(module.read_text().replace("inherit (config) replicas;", "replicas = 1;"))
    test = subprocess.run(
        [
            "nix-instantiate",
            "--eval",
            "--strict",
            str(tmp_path / "echo" / "test.nix"),
            "--argstr",
            "library",
            str(nixeval.library_path()),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "failed: replicas reach the Deployment" in test.stderr


def test_nothing_that_exists_is_overwritten_and_nothing_is_half_written(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "README.md").write_text("mine")
    outcome = cli("init", "platform", tmp_path / "acme")
    assert outcome.exit_code == 3
    assert "exists already" in outcome.stderr
    assert [path.name for path in (tmp_path / "acme").iterdir()] == ["README.md"]
    assert (tmp_path / "acme" / "README.md").read_text() == "mine"


@pytest.mark.parametrize("name", ["Acme", "9lives", "a_b", "-x", "x" * 60])
def test_a_name_that_cannot_be_one_is_met_with_a_better_one(cli: Any, tmp_path: Path, name: str) -> None:
    outcome = cli("init", "platform", tmp_path / name)
    assert outcome.exit_code == 3
    assert "did you mean" in outcome.stderr
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("arguments", [[], ["platfrm", "x"], ["module"]])
def test_a_wrong_use_exits_64(cli: Any, arguments: list[str]) -> None:
    assert cli("init", *arguments).exit_code == 64
