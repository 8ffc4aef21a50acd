"""Files, folders and stdin: objects are found wherever they stand, and every obstacle is one InputError."""

from __future__ import annotations

import io
import json
import os
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from mlops_nix.errors import ExitCode, InputError
from mlops_nix.yamlio import MAX_BYTES, load_documents, read, read_objects

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"


def names(objects: list[dict[str, Any]]) -> list[str]:
    return [one["metadata"]["name"] for one in objects]


def test_a_folder_is_read_in_order_and_without_what_is_hidden_or_foreign(tmp_path: Path) -> None:
    for name in ("b.yml", "a/z.yaml", "a/.hidden.yaml", ".git/x.yaml", "c.json", "readme.md"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        text = CONFIG % name.rpartition("/")[2].partition(".")[0]
        file.write_text(json.dumps(load_documents(text.encode())[0]) if name.endswith("json") else text)
    assert names(read_objects([tmp_path])) == ["b", "c", "z"]


def test_objects_of_lists_typed_lists_and_json_arrays_are_found() -> None:
    one = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    bare = {"metadata": {"name": "b"}}
    for document in (
        {"apiVersion": "v1", "kind": "List", "items": [one, one]},
        {"apiVersion": "v1", "kind": "ConfigMapList", "items": [bare, bare]},
        [one, one],
    ):
        objects = read_objects(["-"], stdin=io.BytesIO(json.dumps(document).encode()))
        assert [(o["apiVersion"], o["kind"]) for o in objects] == [("v1", "ConfigMap")] * 2


def test_a_set_document_gives_its_objects_and_itself() -> None:
    entry = {"object": load_documents((CONFIG % "a").encode())[0], "wave": 1}
    text = json.dumps({"format": "mlops-nix/set/v1", "kubernetesVersion": "1.34", "entries": [entry]})
    reading = read(["-"], stdin=io.BytesIO(text.encode()))
    assert names(reading.objects) == ["a"]
    assert reading.set_document is not None
    assert reading.set_document["kubernetesVersion"] == "1.34"


def test_a_rendered_folder_carries_its_set_document(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(CONFIG % "a")
    (tmp_path / "mlops-nix.json").write_text('{"format": "mlops-nix/set/v1", "secrets": []}')
    reading = read([tmp_path])
    assert names(reading.objects) == ["a"]
    assert reading.set_document == {"format": "mlops-nix/set/v1", "secrets": []}


def test_a_set_document_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(CONFIG % "a")
    (tmp_path / "mlops-nix.json").write_text('{"format": "mlops-nix/set/v9"}')
    with pytest.raises(InputError, match="mlops-nix/set/v1"):
        read_objects([tmp_path])


def test_a_kustomization_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n")
    (tmp_path / "a.yaml").write_text(CONFIG % "a")
    assert names(read_objects([tmp_path])) == ["a"]


def test_every_broken_file_is_reported_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "1.yaml").write_text("a: [")
    (tmp_path / "2.yaml").write_text(CONFIG % "a")
    (tmp_path / "3.yaml").write_text("replicas: 3\nimage: x\n")
    (tmp_path / "4.yaml").write_text("kind: 3\napiVersion: v1")
    (tmp_path / "5.yaml").write_text("- just\n- a list")
    reading = read([tmp_path])
    assert names(reading.objects) == ["a"]
    texts = [str(problem).replace(str(tmp_path) + "/", "") for problem in reading.problems]
    assert texts[0].startswith("1.yaml:2:1: broken YAML")
    assert texts[1:] == [
        "3.yaml:1:1: not a Kubernetes object: apiVersion (missing) and kind (missing); found the keys replicas, image",
        "4.yaml:1:1: not a Kubernetes object: kind (expected a string, found a number); found the keys kind, apiVersion",
        "5.yaml:1:1: expected a Kubernetes object, found a string",
        "5.yaml:1:1: expected a Kubernetes object, found a string",
    ]


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


OBSTACLES = {
    "a missing file": (lambda _: None, "no such file or folder"),
    "an empty file": (lambda path: path.write_text(""), "no Kubernetes object in it"),
    "a file of comments": (lambda path: path.write_text("# a\n---\n"), "no Kubernetes object in it"),
    "an empty folder": (lambda path: path.mkdir(), "no Kubernetes object in it"),
    "a folder without manifests": (
        lambda path: (path.mkdir(), (path / "a.txt").write_text("x")),
        "no Kubernetes object in it",
    ),
    "a socket": (make_socket, "expected a file or folder, found a socket"),
    "a named pipe": (os.mkfifo, "found a named pipe"),
    "a loop of links": (lambda path: path.symlink_to(path), "cannot be read: too many levels of symbolic links"),
    "a dead link": (lambda path: path.symlink_to("nowhere"), "no such file or folder"),
    "a picture": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0"), "a NUL byte: not a text file"),
    "Latin-1": (lambda path: path.write_bytes(b"a: caf\xe9"), "not UTF-8: byte 0xe9"),
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_an_obstacle_is_one_input_error_with_the_path(name: str, tmp_path: Path) -> None:
    make, message = OBSTACLES[name]
    target = tmp_path / "it.yaml"
    make(target)
    with pytest.raises(InputError) as caught:
        read_objects([target])
    assert message in caught.value.message
    assert str(caught.value.path).startswith(str(target))
    assert caught.value.exit_code is ExitCode.INVALID


def test_a_missing_file_names_the_near_one(tmp_path: Path) -> None:
    (tmp_path / "deployment.yaml").write_text(CONFIG % "a")
    with pytest.raises(InputError) as caught:
        read_objects([tmp_path / "deploymnt.yaml"])
    assert caught.value.hint == f"did you mean {tmp_path / 'deployment.yaml'}?"


def test_a_file_that_may_not_be_read_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.yaml"
    target.write_text(CONFIG % "a")

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)  # root may read everything, so the mode of the file shows nothing
    with pytest.raises(InputError, match="cannot be read: permission denied"):
        read_objects([target])


def test_a_device_is_refused_without_reading_it() -> None:
    with pytest.raises(InputError, match="found a character device"):
        read_objects(["/dev/zero"])


def test_a_name_with_a_nul_is_an_input_error() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_objects(["a\0b"])


def test_a_file_larger_than_the_bound_is_refused_at_once(tmp_path: Path) -> None:
    target = tmp_path / "large.yaml"
    with target.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    start = time.perf_counter()
    with pytest.raises(InputError, match="larger than 50 MiB"):
        read_objects([target])
    assert time.perf_counter() - start < 5
    with pytest.raises(InputError, match="larger than 50 MiB"):
        read_objects(["-"], stdin=io.BytesIO(bytes(MAX_BYTES + 1)))


def test_a_file_of_fifty_megabytes_is_read(tmp_path: Path) -> None:
    target = tmp_path / "large.json"
    filler = "x" * 1_000_000
    items = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"a{i}"}, "data": {"a": filler}}
        for i in range(50)
    ]
    target.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    assert len(read_objects([target])) == 50


def test_stdin_is_read_once_as_yaml() -> None:
    reading = read(["-"], stdin=io.BytesIO((CONFIG % "a" + "---\n" + CONFIG % "b").encode()))
    assert [(m.object["metadata"]["name"], str(m.position)) for m in reading.manifests] == [
        ("a", "<stdin>:1:1"),
        ("b", "<stdin>:5:1"),
    ]
