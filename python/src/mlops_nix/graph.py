"""The wiring of a platform in formats of other tools: Mermaid (GitHub and many wikis draw it), Graphviz, JSON."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_nix.setdocument import Graph, GraphNode, SetDocument

_MERMAID_SHAPES = {
    "component": ('["', '"]'),
    "store": ('[("', '")]'),
    "operator": ('{{"', '"}}'),
    "external": ('(["', '"])'),
}
_DOT_SHAPES = {"component": "box", "store": "cylinder", "operator": "hexagon", "external": "box"}


def as_json(document: SetDocument) -> dict[str, Any]:
    """Give the wiring as data.

    Args:
        document: The set.
    """
    value: dict[str, Any] = msgspec.to_builtins(document.graph)
    return {"name": document.name, **value}


def mermaid(document: SetDocument) -> str:
    """Give the wiring as a Mermaid flowchart, namespaces as subgraphs.

    Args:
        document: The set.
    """
    graph = document.graph
    names = _identifiers(graph)
    lines = ["flowchart LR"]
    for number, (namespace, nodes) in enumerate(_by_namespace(graph)):
        indent = "  "
        if namespace:
            lines.append(f"  subgraph namespace{number}[{_mermaid_text(namespace)}]")
            indent = "    "
        for node in nodes:
            before, after = _MERMAID_SHAPES[node.kind]
            lines.append(f"{indent}{names[node.id]}{before}{_mermaid_escape(node.label)}{after}")
        if namespace:
            lines.append("  end")
    for edge in graph.edges:
        if edge.source not in names or edge.target not in names:
            continue
        arrow = "-->" if edge.kind == "flow" else "-.->"
        label = f"|{_mermaid_text(edge.label)}|" if edge.label else ""
        lines.append(f"  {names[edge.source]} {arrow}{label} {names[edge.target]}")
    return "\n".join(lines) + "\n"


def dot(document: SetDocument) -> str:
    """Give the wiring in Graphviz's language, namespaces as clusters.

    Args:
        document: The set.
    """
    graph = document.graph
    known = {node.id for node in graph.nodes}
    lines = [
        f"digraph {_dot_text(document.name)} {{",
        "  rankdir=LR;",
        '  node [shape=box, style=rounded, fontname="Helvetica"];',
        '  edge [fontname="Helvetica", fontsize=10];',
    ]
    for number, (namespace, nodes) in enumerate(_by_namespace(graph)):
        indent = "  "
        if namespace:
            lines += [f"  subgraph cluster_{number} {{", f"    label={_dot_text(namespace)};"]
            indent = "    "
        for node in nodes:
            shape = _DOT_SHAPES[node.kind]
            style = ", style=dashed" if node.kind == "external" else ""
            rounded = "" if shape == "box" else ', style=""'
            lines.append(
                f"{indent}{_dot_text(node.id)} [label={_dot_text(node.label)}, shape={shape}{style or rounded}];"
            )
        if namespace:
            lines.append("  }")
    for edge in graph.edges:
        if edge.source in known and edge.target in known:
            words = [f"label={_dot_text(edge.label)}"] if edge.label else []
            words += ["style=dashed"] if edge.kind == "requires" else []
            attributes = f" [{', '.join(words)}]" if words else ""
            lines.append(f"  {_dot_text(edge.source)} -> {_dot_text(edge.target)}{attributes};")
    return "\n".join([*lines, "}"]) + "\n"


def _by_namespace(graph: Graph) -> Iterator[tuple[str, list[GraphNode]]]:
    """Yield each namespace with its nodes in the order of first appearance; those without one come last."""
    groups: dict[str, list[GraphNode]] = {}
    for node in graph.nodes:
        groups.setdefault(node.namespace or "", []).append(node)
    outside = groups.pop("", [])
    yield from groups.items()
    if outside:
        yield "", outside


def _identifiers(graph: Graph) -> dict[str, str]:
    """Give each node a word that Mermaid takes for no keyword (`end` breaks a flowchart) and that is unique."""
    names: dict[str, str] = {}
    for node in graph.nodes:
        word = "n_" + re.sub(r"[^A-Za-z0-9]", "_", node.id)
        while word in names.values():
            word += "_"
        names[node.id] = word
    return names


def _mermaid_escape(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")


def _mermaid_text(text: str) -> str:
    return f'"{_mermaid_escape(text)}"'


def _dot_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
