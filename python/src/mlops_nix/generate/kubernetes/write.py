"""Write the folder ``generated/kubernetes``: one line per definition, the same bytes for the same input."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from mlops_nix.generate.kubernetes import core, custom
from mlops_nix.generate.kubernetes.pattern import UntranslatableError, translate
from mlops_nix.generate.kubernetes.structure import Node, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FORMAT = "mlops-nix/kubernetes-schema/v1"
# The definition that a custom kind's file begins with: the object itself.
_ROOT = ""


def files(reference: Path) -> dict[str, str]:
    """Return every file of the folder: relative path -> text.

    Args:
        reference: The folder that holds ``upstream/crds``.
    """
    made: dict[str, str] = {}
    nodes: dict[str, dict[str, Node]] = {}

    base = core.definitions(core.DEFAULT_VERSION)
    for version in core.VERSIONS:
        definitions = core.definitions(version)
        nodes[f"Kubernetes {version}"] = definitions
        sections: dict[str, Any] = {"kinds": core.kinds_of(version)}
        if version == core.DEFAULT_VERSION:
            sections["definitions"] = definitions
        else:
            sections["absent"] = [name for name in base if name not in definitions]
            sections["definitions"] = {
                name: node for name, node in definitions.items() if name not in base or base[name] != node
            }
        made[f"core/{version}.json"] = _lines(sections)

    kinds = custom.kinds_of(reference / "upstream" / "crds")
    for kind in kinds:
        if kind.served:
            definitions = custom.definitions(kind, kinds)
            nodes[f"{kind.api_version} {kind.kind}"] = definitions
            made[f"custom/{kind.path}"] = _lines(
                {"apiVersion": kind.api_version, "kind": kind.kind, "definitions": definitions}
            )
    made["custom/index.json"] = _lines(_custom_index(kinds, reference))

    made["history.json"] = _lines({"kinds": core.history()})
    made["patterns.json"] = _lines({"patterns": _patterns(nodes)})
    made["unchecked.md"] = _unchecked(nodes)
    made["index.json"] = _lines({"format": FORMAT, "default": core.DEFAULT_VERSION, "versions": list(core.VERSIONS)})
    made["README.md"] = (resources.files(__package__) / "format.md").read_text(encoding="utf-8")
    return dict(sorted(made.items()))


def write(folder: Path, made: dict[str, str]) -> None:
    """Make ``folder`` hold exactly the files given; what an earlier run wrote and this one did not is removed."""
    for old in sorted(folder.rglob("*"), reverse=True):
        if old.is_dir():
            if not any(old.iterdir()):
                old.rmdir()
        elif old.relative_to(folder).as_posix() not in made:
            old.unlink()
    for path, text in made.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def _custom_index(kinds: list[custom.Kind], reference: Path) -> dict[str, Any]:
    index: dict[str, Any] = {"files": custom.files_of(reference / "upstream" / "crds"), "crds": {}, "kinds": {}}
    for kind in kinds:
        holders = index["crds"].setdefault(kind.crd, {"files": []})["files"]
        holders += [file for file in kind.files if file not in holders]
        entry = {"crd": kind.crd, "from": kind.files[0], "plural": kind.plural, "scope": kind.scope}
        index["kinds"].setdefault(kind.api_version, {})[kind.kind] = (
            {**entry, "file": kind.path} if kind.served else {**entry, "served": False}
        )
    return {**index, "crds": dict(sorted(index["crds"].items())), "kinds": dict(sorted(index["kinds"].items()))}


def _lines(sections: dict[str, Any]) -> str:
    """Write a JSON object whose sections hold one entry a line."""
    parts = []
    for name, section in sections.items():
        if isinstance(section, dict):
            entries = ",\n".join(f"{json.dumps(key)}:{text_of(value)}" for key, value in section.items())
            parts.append(f"{json.dumps(name)}:{{\n{entries}\n}}")
        else:
            parts.append(f"{json.dumps(name)}:{text_of(section)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _walk(node: Node, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, list):
        yield from _walk(node[0], path + "[]")
    if not isinstance(node, dict):
        return
    yield path, node
    for name, child in node.get("fields", {}).items():
        yield from _walk(child, f"{path}.{name}" if path else name)
    if "values" in node:
        yield from _walk(node["values"], path + ".*")
    if "items" in node:
        yield from _walk(node["items"], path + "[]")


def _all_nodes(nodes: dict[str, dict[str, Node]]) -> Iterable[tuple[str, str, dict[str, Any]]]:
    for owner, definitions in nodes.items():
        for name, definition in definitions.items():
            for path, node in _walk(definition, ""):
                yield owner, f"#{name} {path}".strip() if name != _ROOT else path, node


def _patterns(nodes: dict[str, dict[str, Node]]) -> dict[str, str | None]:
    patterns = {node["pattern"] for _, _, node in _all_nodes(nodes) if "pattern" in node}
    return {pattern: _translated(pattern)[0] for pattern in sorted(patterns)}


def _translated(pattern: str) -> tuple[str | None, str]:
    try:
        return translate(pattern), ""
    except UntranslatableError as error:
        return None, str(error)


def _unchecked(nodes: dict[str, dict[str, Node]]) -> str:
    """List what the files hold and the check at evaluation leaves out; README.md has the reasons that are general."""
    lines = [
        "# What is in these files and not checked at evaluation",
        "",
        "The reasons that hold everywhere (formats, rules in CEL) are in README.md. Particular to a kind are:",
        "",
        "| kind | where | what | why |",
        "| --- | --- | --- | --- |",
    ]
    for owner, path, node in _all_nodes(nodes):
        lines += [
            f"| {owner} | {path} | `{key}` | its branches differ in a format, which is not checked |"
            for key in ("anyOf", "oneOf")
            if key in node
        ]
        if "pattern" in node:
            reason = _translated(node["pattern"])[1]
            if reason:
                lines.append(f"| {owner} | {path} | `pattern` | no exact POSIX expression: {reason} |")
    rules = sum(len(node["rules"]) for _, _, node in _all_nodes(nodes) if "rules" in node)
    lines += ["", f"Rules in CEL, kept under `rules` for a checker that can evaluate them: {rules}.", ""]
    return "\n".join(lines)
