"""Builders as modules of nixpkgs' module system.

They need nixpkgs' `lib`, which the library itself never does: its folder comes from the environment variable MLOPS_NIX_NIXPKGS_LIB (the
`lib` of a nixpkgs checkout, or of nix-community/nixpkgs.lib), else from `<nixpkgs>`.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
CASES = Path(__file__).parent / "module_system" / "cases.nix"


def _nixpkgs_lib() -> Path | None:
    named = os.environ.get("MLOPS_NIX_NIXPKGS_LIB")
    if named:
        return Path(named)
    if shutil.which("nix-instantiate") is None:
        return None
    found = subprocess.run(
        ["nix-instantiate", "--find-file", "nixpkgs/lib"], capture_output=True, text=True, timeout=30, check=False
    )
    return Path(found.stdout.strip()) if found.returncode == 0 else None


LIB = _nixpkgs_lib()
pytestmark = [
    pytest.mark.skipif(shutil.which("nix-instantiate") is None, reason="nix-instantiate is not installed"),
    pytest.mark.skipif(
        LIB is None or not LIB.is_dir(), reason="no nixpkgs lib (set MLOPS_NIX_NIXPKGS_LIB to its folder)"
    ),
]


def evaluate(expression: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            "nix-instantiate", "--eval", "--strict", "--json", *options, "--expr",
            f"let cases = import {CASES} {{ lib = import {LIB}; root = {CHECKOUT}; }}; in {expression}",
        ],
        capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip


def names(kind: str) -> list[str]:
    """Names of the cases, from the text of the file: evaluating it is what may be skipped."""
    return re.findall(r"^    (\w+) = \{$" if kind == "equal" else r'^    "(.*)" =', CASES.read_text(), re.MULTILINE)


@functools.cache
def outcomes() -> Any:
    run = evaluate("cases.equal")
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("name", names("equal"))
def test_equal(name: str) -> None:
    assert outcomes()[name]["expr"] == outcomes()[name]["expected"]


@pytest.mark.parametrize("message", names("failing"))
def test_message(message: str) -> None:
    run = evaluate(f"cases.failing.{json.dumps(message)}")
    assert run.returncode != 0, f"no error, but {run.stdout[:200]}"

    # nixpkgs has changed its quotation marks over the years.
    def plain(text: str) -> str:
        return " ".join(re.sub("[`'\u2018\u2019\"]", "'", text).split())

    assert plain(message) in plain(run.stderr)


def test_every_case_is_found() -> None:
    run = evaluate("builtins.mapAttrs (_: builtins.attrNames) { inherit (cases) equal failing; }")
    assert json.loads(run.stdout) == {kind: sorted(names(kind)) for kind in ("equal", "failing")}
