"""What a command may be pointed at."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from mlops_nix.errors import InputError
from mlops_nix.target import from_objects, load

if TYPE_CHECKING:
    from pathlib import Path

needs_nix = pytest.mark.skipif(shutil.which("nix-instantiate") is None, reason="Nix is not installed")


@needs_nix
def test_a_folder_is_its_default_or_platform_file(platform: Any, tmp_path: Path) -> None:
    file = platform()
    for name in ("default.nix", "platform.nix"):
        folder = tmp_path / name.removesuffix(".nix")
        folder.mkdir()
        (folder / name).write_text(file.read_text())
        loaded = load(str(folder))
        assert (loaded.document.name, loaded.kind) == ("acme", "nix")


@needs_nix
def test_an_attribute_follows_a_hash_sign(platform: Any, tmp_path: Path) -> None:
    file = tmp_path / "all.nix"
    file.write_text(f"{{ clusters.forge = import {platform()}; }}")
    assert load(f"{file}#clusters.forge").document.name == "acme"


@needs_nix
def test_a_rendered_folder_is_read_back_without_nix(
    cli: Any, platform: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = platform()
    fresh = load(str(file)).document
    assert cli("render", file, "--out", tmp_path / "out", "-q").exit_code == 0
    monkeypatch.setenv("PATH", "/nonexistent")
    loaded = load(str(tmp_path / "out"))
    assert loaded.kind == "folder"
    assert [entry.object for entry in loaded.document.entries] == [entry.object for entry in fresh.entries]
    assert loaded.document.secrets == fresh.secrets
    assert loaded.document.graph == fresh.graph


@needs_nix
@pytest.mark.parametrize("change", ["edit", "delete"])
def test_a_rendered_folder_that_was_changed_is_not_taken_for_what_was_rendered(
    cli: Any, platform: Any, tmp_path: Path, change: str
) -> None:
    cli("render", platform(), "--out", tmp_path / "out", "-q")
    victim = tmp_path / "out" / "20-config" / "mlflow" / "configmap-mlflow.yaml"
    if change == "edit":
        victim.write_text(victim.read_text().replace("hello", "bye"))
    else:
        victim.unlink()
    with pytest.raises(InputError, match=r"configmap-mlflow\.yaml (?:was edited|is missing)") as caught:
        load(str(tmp_path / "out"))
    assert "render again" in (caught.value.hint or "")


def test_a_list_of_files_that_leads_outside_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlops-nix.json").write_text(
        json.dumps({"format": "mlops-nix/set/v1", "name": "x", "files": {"../../etc/passwd": "0"}})
    )
    with pytest.raises(InputError, match="names a file outside the folder"):
        load(str(tmp_path))


def test_a_set_document_in_a_file_is_a_target(tmp_path: Path) -> None:
    (tmp_path / "set.json").write_text(json.dumps({"format": "mlops-nix/set/v1", "name": "kept"}))
    assert load(str(tmp_path / "set.json")).document.name == "kept"


def test_a_typing_error_is_met_with_the_nearest_file(tmp_path: Path) -> None:
    (tmp_path / "platform.nix").write_text("1")
    with pytest.raises(InputError, match="no such file or folder") as caught:
        load(str(tmp_path / "platfrom.nix"))
    assert caught.value.hint == f"did you mean {tmp_path / 'platform.nix'}?"


OBJECTS = [
    {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "churn", "namespace": "a"},
    },
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "a", "labels": {"app.kubernetes.io/instance": "web"}},
        "spec": {"template": {"spec": {"initContainers": [{"image": "b:1"}], "containers": [{"image": "a:1"}, {}]}}},
    },
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "a"}},
    {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "web", "namespace": "a"}},
    {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "x.y.z"}},
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}},
]


def test_plain_manifests_are_put_into_waves_by_kind_and_custom_kinds_come_last() -> None:
    document = from_objects(OBJECTS, "foreign")
    placed = [(wave.name, [entry.object["kind"] for entry in entries]) for wave, entries in document.in_waves()]
    assert placed == [
        ("namespaces", ["Namespace"]),
        ("crds", ["CustomResourceDefinition"]),
        ("config", ["Service"]),
        ("workloads", ["Deployment"]),
        ("resources", ["InferenceService", "Service"]),
    ]
    assert [(image.image, image.components) for image in document.images] == [("a:1", ("web",)), ("b:1", ("web",))]
    assert len({entry.file for entry in document.entries}) == len(OBJECTS)


def test_manifests_come_from_files_folders_and_stdin(tmp_path: Path) -> None:
    import io

    text = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n"
    (tmp_path / "a.yaml").write_text(text)
    for target in (str(tmp_path / "a.yaml"), str(tmp_path), "-"):
        loaded = load(target, stdin=io.BytesIO(text.encode()))
        assert loaded.kind == "manifests"
        assert [entry.object["kind"] for entry in loaded.document.entries] == ["Namespace"]
