"""Ask kubeconform, a second and independent validator, with our schemas and without the network."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_nix.errors import InputError, ToolMissing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_nix.objects import KubernetesObject
    from mlops_nix.schema import Schemas

TIMEOUT = 120
"""Seconds that kubeconform may take: 1,557 objects take one."""


class Verdict(NamedTuple):
    """One object that kubeconform refuses."""

    kind: str
    name: str
    api_version: str
    message: str


def available() -> str | None:
    """Give the path of kubeconform, if it is installed."""
    return shutil.which("kubeconform")


def run(objects: Sequence[KubernetesObject], schemas: Schemas) -> list[Verdict]:
    """Check objects, all of whose kinds are known, with kubeconform.

    Args:
        objects: The objects.
        schemas: Written to a temporary folder; kubeconform reads nothing else.

    Returns:
        The objects that it refuses.

    Raises:
        ToolMissing: kubeconform is not installed.
        InputError: It failed, or did not look at every object. Source: kubeconform 0.8.0 exits with 0 for skipped objects.
    """
    program = available()
    if program is None:
        hint = "go install github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0, or --kubeconform never"
        raise ToolMissing("kubeconform is not installed", hint=hint)
    if not objects:
        return []
    import orjson

    from mlops_nix.schema import write_kubeconform_schemas

    with tempfile.TemporaryDirectory(prefix="mlops-nix-") as folder:
        write_kubeconform_schemas(
            Path(folder), schemas=schemas, only={(obj["apiVersion"], obj["kind"]) for obj in objects}
        )
        location = folder + "/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json"
        command = [program, "-schema-location", location, "-strict", "-summary", "-output", "json", "-"]
        stream = b"\n---\n".join(orjson.dumps(obj) for obj in objects)
        try:
            done = subprocess.run(command, input=stream, capture_output=True, timeout=TIMEOUT, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InputError(f"kubeconform failed: {error}", path=program) from error
    try:
        report: dict[str, Any] = orjson.loads(done.stdout)
    except orjson.JSONDecodeError as error:
        said = done.stderr.decode(errors="replace").strip()[:300] or done.stdout.decode(errors="replace")[:300]
        raise InputError(f"kubeconform failed (exit {done.returncode}): {said}", path=program) from error
    summary = report.get("summary", {})
    looked_at = sum(summary.get(word, 0) for word in ("valid", "invalid", "errors"))
    if summary.get("skipped", 0) or looked_at != len(objects):
        raise InputError(f"kubeconform looked at {looked_at} of {len(objects)} objects", path=program)
    return [
        Verdict(one.get("kind", ""), one.get("name", ""), one.get("version", ""), _plain(str(one.get("msg"))))
        for one in report.get("resources") or ()
    ]


def _plain(message: str) -> str:
    """Drop what kubeconform 0.8.0 puts before the validator's words: advice, and the URL of a temporary file."""
    return re.sub(r"^problem validating schema\..*?failed with '[^']*'\s*-?\s*", "", " ".join(message.split()))
