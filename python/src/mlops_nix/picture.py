"""Draw the wiring of a platform as SVG: readable in light and dark, without fonts or files of anyone else's."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from mlops_nix.layout import NODE_HEIGHT, NODE_WIDTH, Box, Layout, arrange

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlops_nix.layout import Point, Route
    from mlops_nix.setdocument import GraphNode, SetDocument

_MARGIN = 28.0
_HEADER = 66.0
_NARROWEST = 2 * _MARGIN + 3 * NODE_WIDTH + 2 * 18.0
_CHIP_GAP = 16.0
_NARROWEST_CHIP = 190.0
_LEGEND = 40.0
_BOLD = 1.18  # how much wider a bold text is
_CURVES = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82)  # where on a curve a label may stand, best first

_FONT = "-apple-system, BlinkMacSystemFont, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', Helvetica, Arial, sans-serif"
# Light, then dark. Contrast of text is above 4.5:1 on its ground in both.
_PALETTE = {
    "ground": ("#ffffff", "#0d1117"),
    "ink": ("#1f2328", "#e6edf3"),
    "muted": ("#59636e", "#9198a1"),
    "frame": ("#d1d9e0", "#3d444d"),
    "group": ("#f6f8fa", "#151b23"),
    "node": ("#ffffff", "#212830"),
    "line": ("#818b98", "#7d8590"),
    "component": ("#0969da", "#4493f8"),
    "store": ("#1a7f37", "#3fb950"),
    "operator": ("#8250df", "#ab7df8"),
    "external": ("#bc4c00", "#db6d28"),
}
_KINDS = {
    "component": "component",
    "store": "store",
    "operator": "operator, installed with it",
    "external": "external, you bring it",
}
_TRAFFIC = "traffic, with its port"
# Icons of 16 by 16 pixels, as outlines.
_ICONS = {
    "component": "M8 1.5 14 4.8v6.4L8 14.5 2 11.2V4.8zM2 4.8l6 3.3 6-3.3M8 8.1v6.4",
    "store": "M2.5 4c0-1.4 2.5-2.4 5.5-2.4s5.5 1 5.5 2.4-2.5 2.4-5.5 2.4S2.5 5.4 2.5 4v8c0 1.4 2.5 2.4 5.5 2.4s5.5-1 5.5-2.4V4M2.5 8c0 1.4 2.5 2.4 5.5 2.4s5.5-1 5.5-2.4",
    "operator": "M8 5.4a2.6 2.6 0 1 0 0 5.2 2.6 2.6 0 0 0 0-5.2M8 1.2v2.2M8 12.6v2.2M1.2 8h2.2M12.6 8h2.2M3.2 3.2l1.6 1.6M11.2 11.2l1.6 1.6M12.8 3.2l-1.6 1.6M4.8 11.2l-1.6 1.6",
    "external": "M6.5 3H3v10h10V9.5M9.5 2.5h4v4M13.5 2.5 7.5 8.5",
}


@dataclass(frozen=True)
class _Chip:
    """A requirement in the band below: an operator or external system that no traffic goes to."""

    node: GraphNode
    users: tuple[str, ...]
    box: Box


def svg(document: SetDocument) -> str:
    """Draw the wiring of a set.

    Args:
        document: The set.
    """
    return _Picture(document).text()


def text_width(text: str, size: float) -> float:
    """Estimate the width of a text in pixels, a little too wide for the usual sans-serif fonts.

    Args:
        text: The text.
        size: Of the font, in pixels.
    """
    units = 0.0
    for character in text:
        if character in "iljtfr.,:;|!'()[] I1-/":
            units += 0.38
        elif character in "mwMW@%…—":
            units += 0.9
        elif character.isupper():
            units += 0.7
        else:
            units += 0.59
    return units * size


def fitting(text: str, size: float, width: float) -> str:
    """Cut a text so that it fits.

    Args:
        text: The text.
        size: Of the font, in pixels.
        width: In pixels.
    """
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip(" -.,") + "…"


class _Picture:
    def __init__(self, document: SetDocument) -> None:
        self.document = document
        graph = document.graph
        self.versions = {component.name: component.version for component in document.components}
        self.externals = {external.name: external.version for external in document.external}
        self.nodes = {node.id: node for node in graph.nodes}
        labels: dict[tuple[str, str], dict[str, None]] = {}
        needs: dict[str, dict[str, None]] = {}
        for edge in graph.edges:
            if edge.source not in self.nodes or edge.target not in self.nodes or edge.source == edge.target:
                continue
            if edge.kind == "flow":
                labels.setdefault((edge.source, edge.target), {}).update({edge.label: None} if edge.label else {})
            else:
                needs.setdefault(edge.target, {})[self.nodes[edge.source].label] = None
        self.labels = {pair: ", ".join(found) for pair, found in labels.items()}
        self.needs = {name: tuple(users) for name, users in needs.items()}
        connected = {name for pair in labels for name in pair}
        band = [node for node in graph.nodes if node.kind in {"operator", "external"} and node.id not in connected]
        in_band = {node.id for node in band}
        groups = {node.id: node.namespace or "" for node in graph.nodes if node.id not in in_band}
        laid = arrange(groups, list(labels))
        self.width = max(_NARROWEST, laid.width + 2 * _MARGIN, self._legend_width(bool(labels)))
        self.layout = self._moved(laid)
        self.chips, self.band = self._band(band)
        bottom = self.band.bottom if self.band else self.layout.height + _HEADER
        self.height = bottom + _LEGEND + _MARGIN / 2

    def _moved(self, layout: Layout) -> Layout:
        """Move the layout below the header, in the middle of the picture."""
        across = (self.width - layout.width) / 2

        def box(value: Box) -> Box:
            return Box(value.x + across, value.y + _HEADER, value.width, value.height)

        def route(value: Route) -> Route:
            return type(value)(value.source, value.target, tuple((x + across, y + _HEADER) for x, y in value.points))

        return Layout(
            {name: box(value) for name, value in layout.nodes.items()},
            {name: box(value) for name, value in layout.groups.items()},
            [route(value) for value in layout.routes],
            layout.width,
            layout.height,
        )

    def _band(self, nodes: Sequence[GraphNode]) -> tuple[list[_Chip], Box | None]:
        """Lay the requirements out in rows below everything else."""
        if not nodes:
            return [], None
        top = _HEADER + self.layout.height + (26.0 if self.layout.nodes else 0.0)
        inner = self.width - 2 * _MARGIN - 36.0
        per_row = max(1, int((inner + _CHIP_GAP) // (_NARROWEST_CHIP + _CHIP_GAP)))
        rows = -(-len(nodes) // per_row)
        per_row = -(-len(nodes) // rows)  # as many in each row
        width = min(300.0, (inner - (per_row - 1) * _CHIP_GAP) / per_row)
        used = per_row * width + (per_row - 1) * _CHIP_GAP
        left = (self.width - used) / 2
        chips = []
        for index, node in enumerate(nodes):
            x = left + (index % per_row) * (width + _CHIP_GAP)
            y = top + 34.0 + (index // per_row) * (NODE_HEIGHT + _CHIP_GAP)
            chips.append(_Chip(node, self.needs.get(node.id, ()), Box(x, y, width, NODE_HEIGHT)))
        height = 34.0 + rows * NODE_HEIGHT + (rows - 1) * _CHIP_GAP + 18.0
        return chips, Box(_MARGIN, top, self.width - 2 * _MARGIN, height)

    def text(self) -> str:
        """Give the SVG."""
        width, height = _number(self.width), _number(self.height)
        name = self.document.name
        opening = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        )
        arrow = '<path class="arrow" d="M0 .6 7.4 4 0 7.4z"/>'
        parts = [
            f'{opening} role="img" aria-labelledby="title description">',
            f'<title id="title">{escape(f"Wiring of the platform {name}")}</title>',
            f'<desc id="description">{escape(self._description())}</desc>',
            _style(),
            '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">',
            f"{arrow}</marker></defs>",
            f'<rect class="ground" width="{width}" height="{height}" rx="12"/>',
            *self._header(),
            *self._groups(),
            *self._routes(),
            *(line for node, box in self.layout.nodes.items() for line in self._node(self.nodes[node], box)),
            *self._requirements(),
            *self._legend(),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def _description(self) -> str:
        flows = [f"{self.nodes[a].label} to {self.nodes[b].label}" for a, b in self.labels]
        return "Connections: " + ("; ".join(flows) or "none") + "."

    def _header(self) -> Iterator[str]:
        namespaces = {node.namespace for node in self.nodes.values() if node.namespace}
        facts = [f"Kubernetes {self.document.kubernetes_version}"] if self.document.kubernetes_version else []
        components = sum(node.kind in {"component", "store"} for node in self.nodes.values())
        facts += [_count(components, "component"), _count(len(namespaces), "namespace")]
        if self.document.entries:
            facts.append(_count(len(self.document.entries), "object"))
        yield f'<text class="title" x="{_number(_MARGIN)}" y="34">{escape(self.document.name)}</text>'
        yield f'<text class="facts" x="{_number(_MARGIN)}" y="53">{escape(" · ".join(facts))}</text>'

    def _groups(self) -> Iterator[str]:
        for name, box in self.layout.groups.items():
            yield f'<rect class="group" {_rect(box)} rx="10"/>'
            yield f'<text class="namespace" x="{_number(box.x + 14)}" y="{_number(box.y + 21)}">{escape(fitting(name, 12, box.width - 24))}</text>'

    def _node(self, node: GraphNode, box: Box, detail: str | None = None) -> Iterator[str]:
        version = self.versions.get(node.id) or self.externals.get(node.id) or self.versions.get(node.label)
        if detail is None:
            words = [node.module if node.module and node.module != node.label else "", version or ""]
            detail = " ".join(word for word in words if word) or node.kind
        room = box.width - 52
        yield f'<g class="{node.kind}"><title>{escape(" ".join(w for w in (node.label, version or "", node.namespace or "") if w))}</title>'
        yield f'<rect class="node" {_rect(box)} rx="8"/>'
        yield f'<path class="icon" transform="translate({_number(box.x + 14)} {_number(box.middle - 8)})" d="{_ICONS[node.kind]}"/>'
        # A long name is written a little smaller before it is cut.
        size = next((size for size in (13.5, 12.5) if text_width(node.label, size * _BOLD) <= room), 11.5)
        label = escape(fitting(node.label, size * _BOLD, room))
        small = "" if size == 13.5 else f' style="font-size:{_number(size)}px"'  # noqa: PLR2004 (the size of the class)
        yield f'<text class="label" x="{_number(box.x + 40)}" y="{_number(box.middle - 3)}"{small}>{label}</text>'
        yield f'<text class="detail" x="{_number(box.x + 40)}" y="{_number(box.middle + 14)}">{escape(fitting(detail, 11.0, room))}</text></g>'

    def _routes(self) -> Iterator[str]:
        routes = self.layout.routes
        for route in routes:
            yield f'<path class="flow" d="{_path(route.points)}" marker-end="url(#arrow)"/>'
        placed: list[Box] = []
        ways = [list(_sampled(route.points)) for route in routes]
        for number, route in enumerate(routes):
            label = self.labels.get((route.source, route.target), "")
            if not label:
                continue
            box = self._label_box(number, label, placed, ways)
            placed.append(box)
            yield f'<rect class="port-ground" {_rect(box)} rx="7"/>'
            yield f'<text class="port" x="{_number(box.x + box.width / 2)}" y="{_number(box.y + 11)}">{escape(fitting(label, 10.5, 96))}</text>'

    def _label_box(self, number: int, label: str, placed: Sequence[Box], ways: Sequence[Sequence[Point]]) -> Box:
        """Find the place on a connection where its label hides the least."""
        width, height = min(text_width(label, 10.5), 96.0) + 10.0, 15.0
        nodes = list(self.layout.nodes.values())
        best: tuple[float, Box] | None = None
        for rank, (x, y) in enumerate(_candidates(self.layout.routes[number].points)):
            box = Box(x - width / 2, y - height / 2, width, height)
            around = Box(box.x - 2, box.y - 2, box.width + 4, box.height + 4)
            cost = rank * 1.5
            cost += 40 * sum(around.overlap(other) for other in placed)
            cost += 20 * sum(around.overlap(other) for other in nodes)
            cost += 12 * sum(
                any(around.x <= px <= around.right and around.y <= py <= around.bottom for px, py in way)
                for index, way in enumerate(ways)
                if index != number
            )
            if best is None or cost < best[0]:
                best = (cost, box)
        assert best is not None  # noqa: S101 (a route has at least one curve)
        return best[1]

    def _requirements(self) -> Iterator[str]:
        if self.band is None:
            return
        yield f'<rect class="band" {_rect(self.band)} rx="10"/>'
        yield f'<text class="namespace" x="{_number(self.band.x + 14)}" y="{_number(self.band.y + 21)}">operators and requirements</text>'
        for chip in self.chips:
            version = self.versions.get(chip.node.id) or self.externals.get(chip.node.id)
            words = [version or "", f"for {', '.join(chip.users)}" if chip.users else ""]
            detail = " · ".join(word for word in words if word) or chip.node.kind
            yield from self._node(chip.node, chip.box, detail)

    def _legend(self) -> Iterator[str]:
        x, y = _MARGIN, self.height - 22.0
        for kind, words in self._legend_items():
            yield f'<g class="{kind}"><path class="icon" transform="translate({_number(x)} {_number(y - 12)})" d="{_ICONS[kind]}"/></g>'
            yield f'<text class="facts" x="{_number(x + 22)}" y="{_number(y)}">{words}</text>'
            x += 22 + text_width(words, 12) + 18
        if self.layout.routes:
            yield f'<path class="flow" d="M{_number(x)} {_number(y - 4)}h30" marker-end="url(#arrow)"/>'
            yield f'<text class="facts" x="{_number(x + 40)}" y="{_number(y)}">{_TRAFFIC}</text>'

    def _legend_items(self) -> list[tuple[str, str]]:
        present = {node.kind for node in self.nodes.values()}
        return [(kind, words) for kind, words in _KINDS.items() if kind in present]

    def _legend_width(self, traffic: bool) -> float:
        items = sum(22 + text_width(words, 12) + 18 for _, words in self._legend_items())
        return 2 * _MARGIN + items + (40 + text_width(_TRAFFIC, 12) if traffic else 0.0)


def _style() -> str:
    def rules(index: int) -> str:
        colour = {name: pair[index] for name, pair in _PALETTE.items()}
        shared = (
            f".ground{{fill:{colour['ground']}}}"
            f".title,.label{{fill:{colour['ink']}}}"
            f".facts,.detail,.namespace,.port{{fill:{colour['muted']}}}"
            f".group{{fill:{colour['group']};stroke:{colour['frame']}}}"
            f".band{{stroke:{colour['frame']}}}"
            f".node{{fill:{colour['node']};stroke:{colour['frame']}}}"
            f".flow{{stroke:{colour['line']}}}.arrow{{fill:{colour['line']}}}"
            f".port-ground{{fill:{colour['ground']};stroke:{colour['frame']}}}"
        )
        kinds = "".join(
            f".{kind} .icon{{stroke:{colour[kind]}}}.{kind} .node{{stroke:{colour[kind]}}}" for kind in _KINDS
        )
        return shared + kinds

    fixed = (
        f"text{{font-family:{_FONT}}}"
        ".title{font-size:20px;font-weight:600}.facts{font-size:12px}.label{font-size:13.5px;font-weight:600}"
        ".detail{font-size:11px}.namespace{font-size:12px;font-weight:600}"
        ".port{font-size:10.5px;text-anchor:middle;font-variant-numeric:tabular-nums}"
        ".icon{fill:none;stroke-width:1.4;stroke-linejoin:round;stroke-linecap:round}.flow{fill:none;stroke-width:1.5}"
        ".band{fill:none;stroke-dasharray:5 4}.external .node{stroke-dasharray:5 3}"
    )
    return f"<style>{fixed}{rules(0)}@media (prefers-color-scheme:dark){{{rules(1)}}}</style>"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _rect(box: Box) -> str:
    return " ".join(
        f"{name}={quoteattr(_number(value))}"
        for name, value in (("x", box.x), ("y", box.y), ("width", box.width), ("height", box.height))
    )


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _curves(points: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    """Yield the ends of each curve of a route; between two curves it is straight."""
    for number, (start, end) in enumerate(pairwise(points)):
        if number % 2 == 0:
            yield start, end


def _path(points: Sequence[Point]) -> str:
    words = [f"M{_number(points[0][0])} {_number(points[0][1])}"]
    for number, ((x, y), (to_x, to_y)) in enumerate(pairwise(points)):
        if number % 2 == 0:
            bend = (to_x - x) / 2
            words.append(
                f"C{_number(x + bend)} {_number(y)} {_number(to_x - bend)} {_number(to_y)} {_number(to_x)} {_number(to_y)}"
            )
        else:
            words.append(f"H{_number(to_x)}")
    return "".join(words)


def _on_curve(start: Point, end: Point, share: float) -> Point:
    """Give a point of a curve with level ends, `share` of the way along it."""
    rest = 1 - share
    bend = start[0] + (end[0] - start[0]) / 2
    x = rest**3 * start[0] + 3 * rest * share * bend * (rest + share) + share**3 * end[0]
    y = (rest**3 + 3 * rest**2 * share) * start[1] + (3 * rest * share**2 + share**3) * end[1]
    return x, y


def _sampled(points: Sequence[Point]) -> Iterator[Point]:
    for start, end in _curves(points):
        for step in range(25):
            yield _on_curve(start, end, step / 24)


def _candidates(points: Sequence[Point]) -> Iterator[Point]:
    curves = list(_curves(points))
    for share in _CURVES:
        for start, end in curves:
            yield _on_curve(start, end, share)
