"""Where output goes and where input comes from, as people really type it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mlops_nix import yamlio

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKOUT = Path(__file__).resolve().parents[3]
EXAMPLE = CHECKOUT / "examples" / "own-module"

needs_nix = pytest.mark.skipif(shutil.which("nix-instantiate") is None, reason="nix-instantiate is not installed")


@pytest.mark.parametrize(
    "command",
    [("render", EXAMPLE), ("graph", EXAMPLE), ("images", EXAMPLE), ("crds", "vendor", EXAMPLE), ("docs",)],
    ids=lambda words: str(words[0]),
)
def test_an_unset_variable_is_not_the_working_folder(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = cli(*command, "--out", "")
    assert outcome.exit_code == 64
    assert "expected a path, found an empty text" in outcome.stderr
    assert list(tmp_path.iterdir()) == []


@needs_nix
def test_a_tilde_that_the_shell_left_is_the_home(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    outcome = cli("render", EXAMPLE, "--out=~/rendered")
    assert outcome.exit_code == 0, outcome.stderr
    assert (tmp_path / "home" / "rendered" / "mlops-nix.json").is_file()
    assert not (tmp_path / "~").exists()


@needs_nix
def test_spaces_quotes_and_letters_of_any_language_in_paths(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "größe 'zwei' \"$x\" 東京"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "a b.nix").write_text(f"{{ mlops }}: import {EXAMPLE} {{ inherit mlops; }}")
    assert cli("render", "a b.nix", "--out", "r é").exit_code == 0
    checked = cli("validate", "r é")
    assert checked.exit_code == 0, checked.stderr


@needs_nix
def test_a_function_of_something_else_is_told_what_it_gets(cli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "platform.nix").write_text("{ mlops, pkgs, cluster ? 1 }: { }")
    outcome = cli("render", tmp_path / "platform.nix", "--out", tmp_path / "out")
    assert outcome.exit_code == 3
    assert "found one that also wants pkgs\n" in outcome.stderr
    assert "pick.nix" not in outcome.stderr


def test_a_folder_of_everything_is_refused_before_it_is_read(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yamlio, "MAX_FILES", 3)
    for number in range(4):
        (tmp_path / f"{number}.yaml").write_text("broken: [")
    outcome = cli("validate", tmp_path)
    assert outcome.exit_code == 3
    assert "more than 3 manifests" in outcome.stdout + outcome.stderr
    assert "0.yaml" not in outcome.stdout + outcome.stderr


def test_a_folder_without_anything_says_what_it_may_hold(cli: Callable[..., Any], tmp_path: Path) -> None:
    outcome = cli("render", tmp_path, "--out", tmp_path / "out")
    assert outcome.exit_code == 3
    assert "default.nix or platform.nix" in outcome.stderr


@needs_nix
def test_the_wheel_brings_the_library(tmp_path: Path) -> None:
    """Installed elsewhere, the command needs no checkout: lib/, modules/ and the schemas are inside."""
    run = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, CHECKOUT / "python"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if run.returncode != 0 and "hatchling" in run.stderr:
        pytest.skip("the build backend cannot be had")
    assert run.returncode == 0, run.stderr
    (wheel,) = tmp_path.glob("*.whl")
    shutil.unpack_archive(wheel, tmp_path / "site", "zip")
    (tmp_path / "platform.nix").write_text(f"{{ mlops }}: import {EXAMPLE} {{ inherit mlops; }}")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); import mlops_nix; from mlops_nix.cli import run; "
        f"assert mlops_nix.__file__.startswith({str(tmp_path)!r}); "
        "sys.exit(run(['render', 'platform.nix', '--out', 'rendered']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "rendered" / "mlops-nix.json").is_file()
