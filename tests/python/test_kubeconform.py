"""kubeconform is a second opinion: what it refuses is a finding, what it skips is an error, a lie of its own is noticed."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from mlops_nix import kubeconform
from mlops_nix.documents import Position
from mlops_nix.errors import InputError, ToolMissing
from mlops_nix.schema import Schemas
from mlops_nix.validation import validate
from mlops_nix.yamlio import Manifest, Reading, read_objects

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a program named kubeconform on the PATH that answers as asked."""

    def install(answer: Any, *, code: int = 0) -> None:
        program = tmp_path / "kubeconform"
        text = answer if isinstance(answer, str) else json.dumps(answer)
        (tmp_path / "answer").write_text(text)
        program.write_text(f"#!/bin/sh\ncat >/dev/null\ncat {tmp_path / 'answer'}\nexit {code}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return install


def summary(**counts: int) -> dict[str, int]:
    return {"valid": 0, "invalid": 0, "errors": 0, "skipped": 0, **counts}


def test_what_kubeconform_refuses_is_a_finding_of_the_object(fake: Callable[..., None]) -> None:
    refused = {"kind": "ConfigMap", "name": "a", "version": "v1", "status": "statusInvalid", "msg": "at '/data':\n bad"}
    fake({"resources": [refused], "summary": summary(invalid=1)}, code=1)
    report = validate(Reading(manifests=[Manifest(CONFIG, Position("a.yaml", 3))]), with_kubeconform=True)
    found = [one for one in report.findings if one.check == "kubeconform"]
    assert [(str(one.ref), one.message, one.position) for one in found] == [
        ("ConfigMap a", "at '/data': bad", Position("a.yaml", 3))
    ]
    assert report.kubeconform == 1
    assert not report.valid()


def test_what_both_refuse_is_said_once(fake: Callable[..., None]) -> None:
    refused = {"kind": "ConfigMap", "name": "a", "version": "v1", "status": "statusInvalid", "msg": "at '/date': bad"}
    fake({"resources": [refused], "summary": summary(invalid=1)}, code=1)
    wrong = {**CONFIG, "date": {}}
    report = validate(Reading(manifests=[Manifest(wrong, Position("a.yaml"))]), with_kubeconform=True)
    assert [one.check for one in report.findings] == ["schema"]


def test_the_words_of_kubeconform_are_freed_of_advice_and_temporary_files(fake: Callable[..., None]) -> None:
    said = "problem validating schema. Check JSON formatting: jsonschema validation failed with 'file:///tmp/x.json#' - at '/a': bad"
    fake(
        {"resources": [{"kind": "ConfigMap", "name": "a", "version": "v1", "msg": said}], "summary": summary(invalid=1)}
    )
    assert [one.message for one in kubeconform.run([CONFIG], Schemas())] == ["at '/a': bad"]


@pytest.mark.parametrize("counts", [{"skipped": 1}, {"valid": 1, "skipped": 1}, {}])
def test_an_object_that_kubeconform_did_not_look_at_is_an_error(
    fake: Callable[..., None], counts: dict[str, int]
) -> None:
    fake({"resources": [], "summary": summary(**counts)})
    with pytest.raises(InputError, match="looked at"):
        kubeconform.run([CONFIG], Schemas())


def test_a_kubeconform_that_fails_is_one_clear_error(fake: Callable[..., None]) -> None:
    fake("panic: oh no", code=2)
    with pytest.raises(InputError, match=r"failed \(exit 2\): panic: oh no"):
        kubeconform.run([CONFIG], Schemas())


def test_a_missing_kubeconform_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing) as caught:
        kubeconform.run([CONFIG], Schemas())
    assert "--kubeconform never" in str(caught.value.hint)


@pytest.mark.skipif(shutil.which("kubeconform") is None, reason="kubeconform is not installed")
def test_kubeconform_accepts_every_kind_of_schema_that_we_write(reference: Path) -> None:
    schemas = Schemas()
    objects = read_objects([reference / "upstream" / "rendered" / "kserve-0.20.0.yaml"])
    known = [one for one in objects if schemas.is_valid(one)]
    assert len(known) > 40
    assert kubeconform.run(known, schemas) == []


@pytest.mark.skipif(shutil.which("kubeconform") is None, reason="kubeconform is not installed")
def test_kubeconform_refuses_what_we_refuse() -> None:
    bad = [{**CONFIG, "data": {"a": 1}}, {**CONFIG, "date": {}}, CONFIG]
    refused = kubeconform.run(bad, Schemas())
    assert len(refused) == 2
    assert [Schemas().is_valid(one) for one in bad] == [False, False, True]
