"""Images: their names, their mirrors, and the input of other tools."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlops_nix.errors import InputError
from mlops_nix.images import containerd_hosts, copy_script, mirrored, parse, parse_mirrors

if TYPE_CHECKING:
    from pathlib import Path

needs_nix = pytest.mark.skipif(shutil.which("nix-instantiate") is None, reason="Nix is not installed")
DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("postgres", "docker.io/library/postgres:latest"),
        ("postgres:18.1", "docker.io/library/postgres:18.1"),
        ("bitnami/redis:7", "docker.io/bitnami/redis:7"),
        ("index.docker.io/bitnami/redis:7", "docker.io/bitnami/redis:7"),
        ("ghcr.io/mlflow/mlflow:v3-full", "ghcr.io/mlflow/mlflow:v3-full"),
        ("localhost/x", "localhost/x:latest"),
        ("localhost:5000/x:1", "localhost:5000/x:1"),
        ("registry.local:5000/a/b/c", "registry.local:5000/a/b/c:latest"),
        (f"quay.io/a/b@{DIGEST}", f"quay.io/a/b@{DIGEST}"),
        (f"quay.io/a/b:1@{DIGEST}", f"quay.io/a/b:1@{DIGEST}"),
    ],
)
def test_a_reference_is_read_as_container_runtimes_do(text: str, full: str) -> None:
    assert str(parse(text)) == full
    assert str(parse(full)) == full


@pytest.mark.parametrize(
    "text", ["", "s3://models/bert:v1", "a b", "UPPER/case", "x:", "x@sha256:12", "a//b", "-x", "x:tag:tag"]
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not an image reference"):
        parse(text)


def test_a_mirror_is_chosen_by_registry_and_a_star_keeps_the_registry_in_the_path() -> None:
    mirrors = parse_mirrors(["ghcr.io=registry.local/ghcr/", "*=cache.local:5000"])
    assert mirrored(parse("ghcr.io/a/b:1"), mirrors) == "registry.local/ghcr/a/b"
    assert mirrored(parse("postgres:1"), mirrors) == "cache.local:5000/docker.io/library/postgres"
    assert mirrored(parse("postgres:1"), parse_mirrors(["ghcr.io=x.local"])) is None


@pytest.mark.parametrize(
    "text", ["ghcr.io", "=x", "ghcr.io=", "ghcr.io=https://x", "ghcr.io=a b", "a/b=c", "ghcr.io=$(rm)"]
)
def test_a_mirror_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected registry=prefix"):
        parse_mirrors([text])
    with pytest.raises(InputError, match="mirrored to a already"):
        parse_mirrors(["x=a", "x=b"])


def run_script(lines: list[str], tmp_path: Path, **environment: str) -> list[list[str]]:
    """Run a script with tools that write down how they are called."""
    log = tmp_path / "log"
    for tool in ("skopeo", "crane"):
        (tmp_path / tool).write_text(
            f'#!/bin/sh\nfor word in "$@"; do printf "%s\\n" "$word"; done >> {log}\necho -- >> {log}\n'
        )
        (tmp_path / tool).chmod(0o755)
    script = tmp_path / "mirror.sh"
    script.write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        ["/bin/sh", str(script)],
        env={"PATH": f"{tmp_path}:/bin:/usr/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return [["failed", done.stderr.strip()]]
    return [call.split("\n") for call in log.read_text().removesuffix("\n--\n").split("\n--\n")]


def test_the_script_copies_with_digests_by_digest(tmp_path: Path) -> None:
    lines = list(copy_script(["postgres:18.1", f"quay.io/a/b:1@{DIGEST}"], {"*": "r.local"}, "skopeo"))
    assert run_script(lines, tmp_path) == [
        [
            "copy",
            "--all",
            "--preserve-digests",
            "docker://docker.io/library/postgres:18.1",
            "docker://r.local/docker.io/library/postgres:18.1",
        ],
        ["copy", "--all", "--preserve-digests", f"docker://quay.io/a/b@{DIGEST}", "docker://r.local/quay.io/a/b:1"],
    ]


def test_without_a_mirror_the_script_asks_for_one(tmp_path: Path) -> None:
    lines = list(copy_script(["postgres:18.1"], {}, "crane"))
    assert "set MIRROR to the registry" in run_script(lines, tmp_path)[0][1]
    assert run_script(lines, tmp_path, MIRROR="my registry:5000")[0] == [
        "copy", "docker.io/library/postgres:18.1", "my registry:5000/docker.io/library/postgres:18.1",
    ]  # fmt: skip


def test_containerd_is_told_the_mirror_of_each_registry() -> None:
    files = containerd_hosts(
        ["postgres", "ghcr.io/a/b", "quay.io/c"], parse_mirrors(["docker.io=m.local", "ghcr.io=m.local/ghcr"])
    )
    assert sorted(files) == ["docker.io/hosts.toml", "ghcr.io/hosts.toml"]
    docker, ghcr = (tomllib.loads(files[name]) for name in sorted(files))
    assert docker == {
        "server": "https://registry-1.docker.io",
        "host": {"https://m.local": {"capabilities": ["pull", "resolve"]}},
    }
    assert ghcr["host"] == {"https://m.local/v2/ghcr": {"capabilities": ["pull", "resolve"], "override_path": True}}
    with pytest.raises(InputError, match="no image is from a registry") as caught:
        containerd_hosts(["postgres"], {})
    assert "--mirror" in (caught.value.hint or "")


@given(st.text(alphabet="aA0-_./:@$ '\"\\;", max_size=30))
def test_no_name_breaks_out_of_the_script(text: str) -> None:
    try:
        lines = list(copy_script([text], {"*": "r.local"}, "crane"))
    except InputError:
        return
    words = shlex.split(lines[-1])
    assert len(words) == 4


@needs_nix
def test_the_command_lists_maps_and_writes(cli: Any, platform: Any, tmp_path: Path) -> None:
    target = platform()
    assert cli("images", target).stdout.splitlines() == ["ghcr.io/mlflow/mlflow:v3.17.2-full", "postgres:18.1"]
    rows = json.loads(cli("images", target, "--format", "json", "--mirror", "ghcr.io=r.local").stdout)
    assert rows[0]["mirror"] == "r.local/mlflow/mlflow:v3.17.2-full"
    assert rows[1] == {
        "image": "postgres:18.1", "registry": "docker.io", "repository": "library/postgres", "tag": "18.1",
        "digest": None, "components": ["postgres"], "mirror": None,
    }  # fmt: skip
    text = cli("images", target, "--mirror", "*=r.local").stdout
    assert "postgres:18.1                       ->  r.local/docker.io/library/postgres:18.1" in text
    assert (
        cli(
            "images", target, "-f", "containerd-hosts", "--mirror", "*=r.local", "--out", tmp_path / "certs.d"
        ).exit_code
        == 0
    )
    assert (tmp_path / "certs.d" / "ghcr.io" / "hosts.toml").is_file()
    assert cli("images", target, "--mirror", "nonsense").exit_code == 3
    assert cli("images", target, "--format", "helm").exit_code == 64
