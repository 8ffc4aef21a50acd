"""What README.md shows is what happens: its Nix evaluates, its output is printed, its links and commands exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CHECKOUT = Path(__file__).resolve().parents[2]
README = (CHECKOUT / "README.md").read_text()
TEXTS = {name: (CHECKOUT / name).read_text() for name in ("README.md", "CONTRIBUTING.md")}

needs_nix = pytest.mark.skipif(shutil.which("nix-instantiate") is None, reason="nix-instantiate is not installed")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def block(language: str, start: str) -> str:
    """Give the one block that starts so."""
    (found,) = [text for text in blocks(language) if text.startswith(start)]
    return found


def shown_by(command: str, number: int) -> list[str]:
    """Give the lines that the README shows under a command, in its n-th block."""
    texts = [text for text in blocks("console") if text.startswith(f"$ {command}\n")]
    return texts[number].splitlines()[1:]


def in_order(shown: Sequence[str], printed: Sequence[str]) -> str | None:
    """Give the first shown line that is not printed where it should be; a line "…" stands for any number of lines."""
    position, gap = 0, False
    for line in shown:
        if line.strip() == "…":
            gap = True
            continue
        if gap:
            if line not in printed[position:]:
                return line
            position = printed.index(line, position)
        if position >= len(printed) or printed[position] != line:
            return line
        position, gap = position + 1, False
    return None if gap or position == len(printed) else f"not shown: {printed[position]}"


def test_the_comparison_of_lines_notices() -> None:
    printed = ["a", "b", "c", "d"]
    assert in_order(["a", "…", "d"], printed) is None
    assert in_order(["a", "c", "…"], printed) == "c"
    assert in_order(["a", "…", "x"], printed) == "x"
    assert in_order(["a", "b", "c"], printed) == "not shown: d"


@needs_nix
def test_the_first_example_prints_what_is_shown(
    tmp_path: Path, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    example = block("nix", "{ mlops }:\nlet\n")
    assert len(example.splitlines()) <= 25
    (tmp_path / "platform.nix").write_text(example)
    outcome = cli("render", "platform.nix", "--out", "rendered")
    assert outcome.exit_code == 0, outcome.stderr
    printed = outcome.stdout.rstrip().splitlines()
    wrong = in_order(shown_by("mlops-nix render platform.nix --out rendered", 0), printed)
    assert wrong is None, "\n".join([f"README.md shows another line: {wrong}", *printed])


@needs_nix
def test_mistakes_are_told_as_shown(tmp_path: Path, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "platform.nix").write_text(block("nix", "{ mlops }:\nmlops.mkMLflowTracking"))
    outcome = cli("render", "platform.nix", "--out", "rendered")
    assert outcome.exit_code == 3
    assert outcome.stderr.rstrip().splitlines() == shown_by("mlops-nix render platform.nix --out rendered", 1)


def evaluate(expression: str) -> object:
    run = subprocess.run(
        ["nix-instantiate", "--eval", "--strict", "--json", "--expr", expression],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@needs_nix
def test_the_module_of_ones_own_evaluates() -> None:
    module = block("nix", "mkEcho = ")
    kinds = evaluate(f"""
        let
          mlops = import {CHECKOUT}/lib {{ }};
          inherit (mlops) types;
          option = mlops.option or types.option;
          {module}
          platform = mlops.mkPlatform {{
            name = "talk";
            components.echo = mkEcho {{ namespace = "talk"; replicas = 2; }};
          }};
        in
        map (object: object.kind) platform.objects
    """)
    assert {"Deployment", "Service", "Namespace"} <= set(kinds if isinstance(kinds, list) else [])


@needs_nix
def test_the_patch_that_is_shown_applies() -> None:
    found = re.search(r"`(patches = \[ .+? \])`", README)
    assert found is not None
    proxies = evaluate(f"""
        let
          mlops = import {CHECKOUT}/lib {{ }};
          platform = mlops.mkPlatform {{
            name = "patched";
            components.mlflow = mlops.mkMLflowTracking {{
              namespace = "ml";
              trackingUri = "http://mlflow.ml.svc:5000";
              backend.type = "sqlite";
              artifactStore.type = "local";
            }};
            {found[1]};
          }};
          containers = builtins.concatMap
            (object: if object.kind == "Deployment" then object.spec.template.spec.containers else [ ])
            platform.objects;
        in
        builtins.concatMap (container: map (variable: variable.name) container.env) containers
    """)
    assert isinstance(proxies, list)
    assert "HTTPS_PROXY" in proxies


@needs_nix
def test_the_cluster_repository_is_the_example(tmp_path: Path) -> None:
    flake = block("nix", "{\n  inputs.mlops-nix")
    (tmp_path / "flake.nix").write_text(flake)
    (tmp_path / "platform.nix").write_text(block("nix", "{ mlops }:\nlet\n"))
    names = evaluate(f"""
        let outputs = (import {tmp_path}/flake.nix).outputs {{ mlops-nix.lib = import {CHECKOUT}/lib {{ }}; }};
        in map (package: package.name) (builtins.attrValues outputs.packages.x86_64-linux)
    """)
    assert isinstance(names, list)
    assert len(names) == 2


@pytest.mark.parametrize("page", TEXTS)
def test_every_link_leads_somewhere(page: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)#\s]+)\)", TEXTS[page]) if "://" not in link]
    gone = [
        link
        for link in links
        if not (CHECKOUT / link).exists()
        and not (link.startswith("generated/") and not (CHECKOUT / "generated" / "reference").exists())
    ]
    assert gone == []


@pytest.mark.parametrize("page", TEXTS)
def test_every_file_that_is_named_exists(page: str) -> None:
    named = re.findall(r"`((?:bin|lib|modules|tests|python|examples|generated)/[\w./-]*)`", TEXTS[page])
    # X stands for any system; generated/ is made.
    gone = [name for name in named if not (CHECKOUT / name).exists() and "/X" not in name and "generated/" not in name]
    assert gone == []


def test_every_command_that_is_named_has_its_help(cli: Callable[..., Any]) -> None:
    row = re.search(r"`mlops-nix ((?:[a-z]+ \| )+[a-z]+)`", README)
    assert row is not None
    named = {(name,) for name in row[1].split(" | ")}
    known = set(re.findall(r"^  (\w+) ", cli("--help").stdout, re.MULTILINE))
    for text in TEXTS.values():
        for words in re.findall(r"mlops-nix ((?:[a-z]+ ?)+)", text):
            first, *more = words.split()
            if first in known:
                named.add((first, *more[:1]) if first in {"crds", "secrets"} else (first,))
    assert ("crds", "vendor") in named
    for command in sorted(named):
        outcome = cli(*command, "--help")
        assert outcome.exit_code == 0, command
        assert "Usage: mlops-nix " + " ".join(command) in outcome.stdout, command


def test_make_and_bin_are_the_same() -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    for target in re.findall(r"`make (\w+)`", TEXTS["README.md"] + TEXTS["CONTRIBUTING.md"]):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_exit_codes_are_those_of_the_command(cli: Callable[..., Any]) -> None:
    told = re.search(r"Exit codes: (.+?)\.\n", README, re.DOTALL)
    assert told is not None
    printed = cli("--help").stdout
    for code in re.findall(r"\b(\d+) ", told[1]):
        assert re.search(rf"^ +{code}  ", printed, re.MULTILINE), code


def test_no_placeholder_is_left() -> None:
    assert not re.search(r"@[A-Z]+@|TODO|XXX", "".join(TEXTS.values()))
