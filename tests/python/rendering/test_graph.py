"""The picture of a platform: nothing overlaps, nothing is lost, and the same wiring gives the same bytes."""

from __future__ import annotations

import json
import shutil
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlops_nix.graph import dot, mermaid
from mlops_nix.layout import arrange
from mlops_nix.picture import fitting, svg, text_width
from mlops_nix.setdocument import FORMAT, Graph, GraphEdge, GraphNode, SetDocument

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


def wirings() -> st.SearchStrategy[tuple[dict[str, str], list[tuple[str, str]]]]:
    """Nodes in groups, and any edges between them: circles, both directions, loops, unknown ends."""
    names = st.integers(1, 14).map(lambda count: [f"n{index}" for index in range(count)])

    def wired(nodes: list[str]) -> st.SearchStrategy[tuple[dict[str, str], list[tuple[str, str]]]]:
        groups = st.lists(st.sampled_from(["", "a", "b", "c", "d"]), min_size=len(nodes), max_size=len(nodes))
        ends = st.sampled_from([*nodes, "unknown"])
        return st.tuples(
            groups.map(lambda found: dict(zip(nodes, found, strict=True))),
            st.lists(st.tuples(ends, ends), max_size=24, unique=True),
        )

    return names.flatmap(wired)


@given(wirings())
@settings(max_examples=80, deadline=None)
def test_no_two_nodes_or_groups_overlap_and_every_node_is_in_its_group(
    wiring: tuple[dict[str, str], list[tuple[str, str]]],
) -> None:
    groups, edges = wiring
    layout = arrange(groups, edges)
    assert layout.nodes.keys() == groups.keys()
    for (_, one), (_, other) in combinations(layout.nodes.items(), 2):
        assert one.overlap(other) == 0
    for (_, one), (_, other) in combinations(layout.groups.items(), 2):
        assert one.overlap(other) == 0
    for node, box in layout.nodes.items():
        for group, frame in layout.groups.items():
            area = box.width * box.height
            assert frame.overlap(box) == pytest.approx(area if groups[node] == group else 0)
        assert box.x >= 0
        assert box.y >= 0
        assert box.right <= layout.width + 0.1
        assert box.bottom <= layout.height + 0.1


@given(wirings())
@settings(max_examples=60, deadline=None)
def test_every_connection_is_drawn_once_from_side_to_side_and_passes_no_node(
    wiring: tuple[dict[str, str], list[tuple[str, str]]],
) -> None:
    groups, edges = wiring
    layout = arrange(groups, edges)
    wanted = {(a, b) for a, b in edges if a in groups and b in groups and a != b}
    assert {(route.source, route.target) for route in layout.routes} == wanted
    assert len(layout.routes) == len(wanted)
    for route in layout.routes:
        assert len(route.points) % 2 == 0
        for point, name in ((route.points[0], route.source), (route.points[-1], route.target)):
            box = layout.nodes[name]
            assert point[0] in {box.x, box.right}
            assert box.y <= point[1] <= box.bottom
        for number, ((x, y), (to_x, to_y)) in enumerate(pairwise(route.points)):
            if number % 2:  # the straight parts cross a layer: there the nodes are
                assert y == to_y
                for box in layout.nodes.values():
                    inside = min(x, to_x) < box.right and max(x, to_x) > box.x and box.y < y < box.bottom
                    assert not inside


@given(wirings())
@settings(max_examples=15, deadline=None)
def test_the_same_wiring_gives_the_same_picture(wiring: tuple[dict[str, str], list[tuple[str, str]]]) -> None:
    document = _document(*wiring)
    assert svg(document) == svg(document)
    ET.fromstring(svg(document))


def _document(groups: dict[str, str], edges: list[tuple[str, str]]) -> SetDocument:
    kinds = ("component", "store", "operator", "external")
    return SetDocument(
        format=FORMAT,
        name="acme",
        graph=Graph(
            nodes=tuple(
                GraphNode(id=name, label=name, namespace=group or None, kind=kinds[index % 4])
                for index, (name, group) in enumerate(groups.items())
            ),
            edges=tuple(
                GraphEdge(source=a, target=b, label=str(8000 + index), kind="flow" if index % 3 else "requires")
                for index, (a, b) in enumerate(edges)
            ),
        ),
    )


def test_callers_stand_left_of_what_they_call() -> None:
    layout = arrange({"a": "x", "b": "x", "c": "y"}, [("a", "b"), ("b", "c"), ("a", "c")])
    assert layout.nodes["a"].right < layout.nodes["b"].x < layout.nodes["b"].right < layout.nodes["c"].x


def test_nothing_to_draw_is_still_a_picture() -> None:
    root = ET.fromstring(svg(SetDocument(format=FORMAT, name="empty")))
    assert root.find(f"{SVG}title").text == "Wiring of the platform empty"  # type: ignore[union-attr]


def test_names_that_are_markup_stay_text() -> None:
    hostile = "<script>&\"'</script>"
    document = SetDocument(
        format=FORMAT,
        name=hostile,
        graph=Graph(
            nodes=(GraphNode(id="a", label=hostile, namespace=hostile), GraphNode(id="b", label="b")),
            edges=(GraphEdge(source="a", target="b", label=hostile),),
        ),
    )
    root = ET.fromstring(svg(document))
    assert not list(root.iter(f"{SVG}script"))
    assert "<script" not in mermaid(document)
    assert dot(document).count("\n") == len(dot(document).splitlines())


def test_text_is_cut_where_it_would_leave_its_box() -> None:
    assert fitting("short", 12, 100) == "short"
    cut = fitting("a-very-long-name-of-a-component-indeed", 12, 100)
    assert cut.endswith("…")
    assert text_width(cut, 12) <= 100


def test_the_picture_has_light_and_dark_colours_and_asks_no_one_for_anything() -> None:
    text = svg(_document({"a": "x", "b": "y"}, [("a", "b")]))
    assert "prefers-color-scheme:dark" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "@import" not in text


def test_mermaid_and_dot_keep_every_node_and_edge() -> None:
    groups = {"end": "graph", "a b": "", "a-b": "", "a_b": ""}
    edges = [("end", "a b"), ("a b", "a-b"), ("a-b", "a_b")]
    text = mermaid(_document(groups, edges))
    assert text.startswith("flowchart LR\n")
    assert sum("-->" in line or "-.->" in line for line in text.splitlines()) == 3
    words = [
        line.strip().split("[")[0].split("(")[0].split("{")[0]
        for line in text.splitlines()
        if "n_" in line and "->" not in line
    ]
    assert len(set(words)) == 4
    graphviz = dot(_document(groups, edges))
    assert graphviz.count(" -> ") == 3


@pytest.mark.skipif(shutil.which("nix-instantiate") is None, reason="Nix is not installed")
def test_the_command_chooses_the_format_by_name_and_checks(cli: Any, platform: Any, tmp_path: Path) -> None:
    target = platform()
    assert cli("graph", target, "--out", tmp_path / "a.svg").exit_code == 0
    labels = [text.text for text in ET.parse(tmp_path / "a.svg").iter(f"{SVG}text")]
    assert {"acme", "mlflow", "postgres", "5432", "cert-manager", "v1.21.1 · for mlflow"} <= set(labels)
    assert cli("graph", target, "--out", tmp_path / "a.svg", "--check").exit_code == 0
    (tmp_path / "a.svg").write_text("old")
    assert cli("graph", target, "--out", tmp_path / "a.svg", "--check").exit_code == 2
    assert (tmp_path / "a.svg").read_text() == "old"
    assert cli("graph", target, "--out", tmp_path / "a.mmd").exit_code == 0
    assert (tmp_path / "a.mmd").read_text().startswith("flowchart")
    assert len(json.loads(cli("graph", target, "--format", "json").stdout)["edges"]) == 2
    assert cli("graph", target, "--check").exit_code == 64
