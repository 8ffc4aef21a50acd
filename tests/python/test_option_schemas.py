"""The JSON Schema of an option type says what its check says: both are held against the same values."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
VALUES: dict[str, dict[str, list[Any]]] = json.loads((CHECKOUT / "tests/nix/options/values.json").read_text())


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    if shutil.which("nix-instantiate") is None:
        pytest.skip("nix-instantiate is not installed")
    run = subprocess.run(
        [
            "nix-instantiate", "--eval", "--strict", "--json", "--expr",
            f"((import {CHECKOUT}/tests/nix/options/types.nix) {{ mlops = import {CHECKOUT}/lib {{ }}; }}).schemas.testOfEveryType.schemas",
        ],
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    return dict(json.loads(run.stdout))


@pytest.mark.parametrize("name", sorted(VALUES))
def test_schema_agrees_with_the_check(name: str, schemas: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(schemas[name])
    refused = [value for value in VALUES[name]["good"] if not validator.is_valid(value)]
    accepted = [value for value in VALUES[name]["bad"] if validator.is_valid(value)]
    assert refused == []
    assert accepted == []
