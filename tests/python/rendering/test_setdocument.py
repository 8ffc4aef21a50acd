"""The set document is read strictly, and what is wrong with a foreign one is said clearly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from mlops_nix.errors import InputError
from mlops_nix.nixeval import evaluate_file
from mlops_nix.setdocument import FORMAT, decode, encode


def document(**changes: Any) -> dict[str, Any]:
    value: dict[str, Any] = {
        "format": FORMAT,
        "name": "acme",
        "kubernetesVersion": "1.36",
        "waves": [{"name": "namespaces", "number": 0}, {"name": "config", "number": 20}],
        "entries": [
            {"object": {"kind": "Namespace"}, "wave": 0, "component": None, "file": "a.yaml", "yaml": "a\n"},
            {"object": {"kind": "ConfigMap"}, "wave": 20, "component": "x", "file": "b.yaml", "yaml": "b\n"},
        ],
    }
    return {**value, **changes}


def read(value: object) -> Any:
    return decode(json.dumps(value).encode(), origin="acme.nix")


def test_a_document_is_read_and_written_back_without_its_texts() -> None:
    first = read(document())
    written = json.loads(encode(first))
    assert all("yaml" not in entry for entry in written["entries"])
    again = decode(encode(first), origin="x")
    assert [entry.object for entry in again.entries] == [entry.object for entry in first.entries]
    assert encode(again) == encode(first)


def test_a_document_is_immutable() -> None:
    with pytest.raises(AttributeError):
        read(document()).name = "other"


def test_a_field_of_a_newer_library_is_ignored() -> None:
    assert read(document(novelty=[1])).name == "acme"


def test_entries_are_grouped_by_wave_in_apply_order() -> None:
    waves = [(wave.name, [entry.file for entry in entries]) for wave, entries in read(document()).in_waves()]
    assert waves == [("namespaces", ["a.yaml"]), ("config", ["b.yaml"])]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"format": "mlops-nix/set/v2"}, "has the format mlops-nix/set/v2, this mlops-nix reads mlops-nix/set/v1"),
        ({"format": "helm"}, "expected the format 'mlops-nix/set/v1', found the format 'helm'"),
        ({"kind": "List"}, "found no field `format`"),
        ([1], "not a set document"),
        (document(name=3), r"name: expected `str`, got `int`"),
        (
            document(entries=[{"object": {}, "wave": "0", "file": "a"}]),
            r"entries\[0\]\.wave: expected `int`, got `str`",
        ),
        (document(entries=[{"object": {}, "wave": 0}]), r"entries\[0\]: object missing required field `file`"),
        (document(waves=[{"name": "a", "number": 5}, {"name": "b", "number": 5}]), "waves do not ascend"),
        (document(waves=[]), r"entries\[0\] names the wave 0, which is not listed"),
        (document(entries=document()["entries"][::-1]), r"entries\[1\] \(a\.yaml\) is out of the order of waves"),
        (document(crds=[{"name": "x", "file": "x", "sha256": "ABC"}]), r"crds\[0\] \(x\): sha256: expected 64"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(value: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(value)
    assert caught.value.path == "acme.nix"


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"format": "mlops-nix/set/v1"'])
def test_broken_json_is_no_traceback(data: bytes) -> None:
    with pytest.raises(InputError, match="not a set document"):
        decode(data, origin="x")


CHECKOUT = Path(__file__).resolve().parents[3]
EXAMPLES = sorted(path.parent for path in CHECKOUT.glob("examples/*/default.nix"))


@pytest.mark.skipif(shutil.which("nix-instantiate") is None, reason="Nix is not installed")
@pytest.mark.parametrize("example", [None, *EXAMPLES], ids=lambda path: path.name if path else "hand-made")
def test_nothing_that_nix_gives_is_lost_in_reading(platform: Any, example: Path | None) -> None:
    data = evaluate_file(example or platform(crds=True)).json
    kept = json.loads(encode(decode(data, origin="x"), texts=True))
    assert kept == json.loads(data)
