"""``mlops-nix secrets list``."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(shutil.which("nix-instantiate") is None, reason="Nix is not installed")


def test_every_key_is_named_with_its_origin_and_purpose(cli: Any, platform: Any) -> None:
    assert cli("secrets", "list", platform()).stdout == (
        "ml-platform/mlflow-db\n"
        "  mlflow: the database of the tracking server\n"
        "    username  fixed      its user\n"
        "    password  generated  the password of that user\n"
        "    ca.crt    from you   the authority that signed its certificate\n"
    )
    keys = json.loads(cli("secrets", "list", platform(), "-o", "json").stdout)[0]["keys"]
    assert [key["origin"] for key in keys] == ["fixed", "generated", "from you"]


def test_plain_manifests_cannot_say_it(cli: Any, tmp_path: Any) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n")
    outcome = cli("secrets", "list", tmp_path / "a.yaml")
    assert outcome.exit_code == 0
    assert "do not say which Secrets" in outcome.stderr


def test_an_unknown_subcommand_names_those_there_are(cli: Any) -> None:
    outcome = cli("secrets", "lst")
    assert outcome.exit_code == 64
    assert "list" in outcome.stderr
