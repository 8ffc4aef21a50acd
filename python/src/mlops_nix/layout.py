"""Place the nodes of a wiring on a plane: layers from left to right, namespaces as boxes, connections that avoid nodes.

The method is Sugiyama's: callers stand left of what they call, long connections pass every layer between through a point of
their own, the order in each layer is improved until few connections cross, then everything moves as near to its neighbours as
its order allows. Every step breaks ties by the order of the input, so that the same wiring gives the same picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise, permutations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NODE_WIDTH, NODE_HEIGHT = 208.0, 54.0
"""Size of a node in pixels."""

_POINT_HEIGHT = 8.0  # what a passing connection takes of a layer's height
_NODE_GAP, _POINT_GAP = 22.0, 16.0
_COLUMN_GAP = 112.0
_ROW_GAP = 30.0
_SIDE, _TOP, _BOTTOM = 18.0, 34.0, 18.0  # room between the frame of a group and its nodes; the label stands at the top
_SWEEPS = 16
_MOST_PERMUTED = 6
_WAYS_TRIED = 12


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """Half the height, from the top of the picture."""
        return self.y + self.height / 2

    @property
    def right(self) -> float:
        """The right side."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The lower side."""
        return self.y + self.height

    def overlap(self, other: Box) -> float:
        """Give the area that two boxes share."""
        across = min(self.right, other.right) - max(self.x, other.x)
        down = min(self.bottom, other.bottom) - max(self.y, other.y)
        return across * down if across > 0 and down > 0 else 0.0


Point = tuple[float, float]


@dataclass(frozen=True)
class Route:
    """The way of a connection: an even number of points, between which curves and straight lines take turns.

    Attributes:
        source: Where it begins.
        target: Where its arrow ends.
        points: From source to target.
    """

    source: str
    target: str
    points: tuple[Point, ...]


@dataclass
class Layout:
    """A placed wiring: boxes of nodes and groups, routes, and the size of the whole."""

    nodes: dict[str, Box] = field(default_factory=dict)
    groups: dict[str, Box] = field(default_factory=dict)
    routes: list[Route] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0


def arrange(groups: Mapping[str, str], edges: Sequence[tuple[str, str]]) -> Layout:
    """Place nodes in groups.

    Args:
        groups: The group of each node; the empty group has no frame.
        edges: Pairs of nodes, caller first; at most one of each pair.
    """
    if not groups:
        return Layout()
    kept = [(source, target) for source, target in edges if source != target and source in groups and target in groups]
    forward = _acyclic(list(groups), kept)
    columns = _columns(groups, forward)
    best: tuple[tuple[int, float], _Grid] | None = None
    for rows in _rows(groups, columns, forward):
        grid = _Grid(groups, columns, forward, rows)
        grid.order()
        grid.place()
        cost = (grid.crossings(), grid.length())
        if best is None or cost < best[0]:
            best = (cost, grid)
    assert best is not None  # noqa: S101 (there is at least one way to make rows)
    return best[1].layout(set(kept))


def _acyclic(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Turn round the edges that close a cycle; of two opposite edges one remains."""
    following: dict[str, list[str]] = {node: [] for node in nodes}
    for source, target in edges:
        following[source].append(target)
    state: dict[str, int] = {}
    result: dict[tuple[str, str], None] = {}
    for root in nodes:
        stack = [(root, iter(following[root]))] if root not in state else []
        state.setdefault(root, 1)
        while stack:
            node, rest = stack[-1]
            for target in rest:
                if state.get(target) == 1:  # on the way here: a cycle
                    result[target, node] = None
                    continue
                result[node, target] = None
                if target not in state:
                    state[target] = 1
                    stack.append((target, iter(following[target])))
                    break
            else:
                state[node] = 2
                stack.pop()
    return list(result)


def _columns(groups: Mapping[str, str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Give each node its layer: what calls nothing stands rightmost, everything else left of all that it calls."""
    height: dict[str, int] = dict.fromkeys(groups, 0)
    for _ in groups:  # the longest path has no more steps than there are nodes
        for source, target in edges:
            height[source] = max(height[source], height[target] + 1)
    last = max(height.values())
    columns = {node: last - steps for node, steps in height.items()}
    connected = {node for edge in edges for node in edge}
    for node in groups:
        if node not in connected:  # nothing ties it: where its group is emptiest
            taken = [column for other, column in columns.items() if other != node and groups[other] == groups[node]]
            columns[node] = min(range(last + 1), key=lambda column: (taken.count(column), column))
    return columns


def _rows(
    groups: Mapping[str, str], columns: Mapping[str, int], edges: Sequence[tuple[str, str]]
) -> list[list[list[str]]]:
    """Give ways to put groups into rows, the most promising first.

    Groups that talk stand near one another, and two that share no layer may stand side by side.
    """
    spans: dict[str, tuple[int, int]] = {}
    for node, group in groups.items():
        low, high = spans.get(group, (columns[node], columns[node]))
        spans[group] = (min(low, columns[node]), max(high, columns[node]))
    ties: dict[tuple[str, str], int] = {}
    for source, target in edges:
        a, b = groups[source], groups[target]
        if a != b:
            ties[a, b] = ties.get((a, b), 0) + 1

    def rows_of(order: Sequence[str]) -> list[list[str]]:
        rows: list[list[str]] = []
        for name in order:
            fitting = [
                row
                for row in rows
                if all(spans[name][0] > spans[other][1] or spans[name][1] < spans[other][0] for other in row)
            ]
            if fitting:
                near = [sum(ties.get((name, o), 0) + ties.get((o, name), 0) for o in row) for row in fitting]
                fitting[near.index(max(near))].append(name)
            else:
                rows.append([name])
        return rows

    def cost(rows: list[list[str]]) -> tuple[int, int]:
        place = {name: number for number, row in enumerate(rows) for name in row}
        return sum(count * abs(place[a] - place[b]) for (a, b), count in ties.items()), len(rows)

    names = list(spans)
    orders = permutations(names) if len(names) <= _MOST_PERMUTED else [tuple(names), tuple(reversed(names))]
    ways = {str(rows): rows for rows in map(rows_of, orders)}
    return sorted(ways.values(), key=cost)[:_WAYS_TRIED]


class _Grid:
    """Rows of groups, columns of layers; in each cell nodes, and points where connections pass."""

    def __init__(
        self,
        groups: Mapping[str, str],
        columns: Mapping[str, int],
        edges: Sequence[tuple[str, str]],
        rows: list[list[str]],
    ) -> None:
        self.groups = groups
        self.columns = dict(columns)
        self.edges = edges
        self.count = max(columns.values()) + 1
        self.rows = rows
        self.row_of = {node: row for row, names in enumerate(self.rows) for node in groups if groups[node] in names}
        self.chains: dict[tuple[str, str], list[str]] = {}
        self.points: set[str] = set()
        for edge in edges:
            self._chain(edge)
        self.neighbours: dict[str, list[str]] = {item: [] for item in self.columns}
        for chain in self.chains.values():
            for left, right in pairwise(chain):
                self.neighbours[left].append(right)
                self.neighbours[right].append(left)
        self.layers: list[list[str]] = [[] for _ in range(self.count)]
        for item in self.columns:
            self.layers[self.columns[item]].append(item)
        self.middle: dict[str, float] = {}

    def _chain(self, edge: tuple[str, str]) -> None:
        """Give a connection a point in each layer that it passes, in the row of the end that is nearer."""
        source, target = edge
        chain = [source]
        first, last = self.columns[source], self.columns[target]
        for column in range(first + 1, last):
            point = f"{source}\0{target}\0{column}"
            self.columns[point] = column
            near = source if column - first <= last - column else target
            self.row_of[point] = self.row_of[near]
            self.points.add(point)
            chain.append(point)
        self.chains[edge] = [*chain, target]

    # --- order -----------------------------------------------------------------------------------------------------------------

    def order(self) -> None:
        """Sort each layer so that few connections cross; items of one row stay together."""
        for layer in self.layers:
            layer.sort(key=lambda item: self.row_of[item])
        best, fewest = [list(layer) for layer in self.layers], self.crossings()
        for sweep in range(_SWEEPS):
            indices = range(1, self.count) if sweep % 2 == 0 else range(self.count - 2, -1, -1)
            side = -1 if sweep % 2 == 0 else 1
            for index in indices:
                self._sort_layer(index, side)
            crossings = self.crossings()
            if crossings < fewest:
                best, fewest = [list(layer) for layer in self.layers], crossings
        self.layers = best

    def _sort_layer(self, index: int, side: int) -> None:
        beside = {item: place for place, item in enumerate(self.layers[index + side])}
        size = max(1, len(beside))
        own = {item: place for place, item in enumerate(self.layers[index])}

        def weight(item: str) -> tuple[int, float, int]:
            places = [beside[other] / size for other in self.neighbours[item] if other in beside]
            mean = sum(places) / len(places) if places else own[item] / max(1, len(own))
            return self.row_of[item], mean, own[item]

        self.layers[index].sort(key=weight)

    def crossings(self) -> int:
        """Count the pairs of connections that cross."""
        place = {item: index for layer in self.layers for index, item in enumerate(layer)}
        total = 0
        for column in range(self.count - 1):
            pairs = [
                (place[left], place[right])
                for chain in self.chains.values()
                for left, right in pairwise(chain)
                if self.columns[left] == column
            ]
            total += sum((a - c) * (b - d) < 0 for number, (a, b) in enumerate(pairs) for c, d in pairs[number + 1 :])
        return total

    def length(self) -> float:
        """Give how far all connections go up or down, in pixels."""
        return sum(
            abs(self.middle[left] - self.middle[right])
            for chain in self.chains.values()
            for left, right in pairwise(chain)
        )

    # --- coordinates -----------------------------------------------------------------------------------------------------------

    def _height(self, item: str) -> float:
        return _POINT_HEIGHT if item in self.points else NODE_HEIGHT

    def _distance(self, above: str, below: str) -> float:
        """Give the least distance of the middles of two items of one layer."""
        gap = _POINT_GAP if above in self.points and below in self.points else _NODE_GAP
        return (self._height(above) + self._height(below)) / 2 + gap

    def _cell(self, column: int, row: int) -> list[str]:
        return [item for item in self.layers[column] if self.row_of[item] == row]

    def place(self) -> None:
        """Give each item the height that its neighbours wish, as far as its row and order allow."""
        top = 0.0
        bounds: list[tuple[float, float]] = []
        for row in range(len(self.rows)):
            tallest = 0.0
            for column in range(self.count):
                cell = self._cell(column, row)
                height = sum(self._distance(a, b) for a, b in pairwise(cell))
                height += (self._height(cell[0]) + self._height(cell[-1])) / 2 if cell else 0.0
                tallest = max(tallest, height)
            bounds.append((top + _TOP, top + _TOP + tallest))
            top += _TOP + tallest + _BOTTOM + _ROW_GAP
        for row, (low, high) in enumerate(bounds):
            for column in range(self.count):
                self._settle(
                    self._cell(column, row), dict.fromkeys(self._cell(column, row), (low + high) / 2), low, high
                )
        for sweep in range(_SWEEPS):
            columns = range(self.count) if sweep % 2 == 0 else range(self.count - 1, -1, -1)
            for column in columns:
                for row, (low, high) in enumerate(bounds):
                    cell = self._cell(column, row)
                    wish = {item: self._wish(item) for item in cell}
                    self._settle(cell, wish, low, high)

        self._close_rows()
        self._centre_groups()

    def _centre_groups(self) -> None:
        """Move a group that has its layers to itself up or down to the middle of what it talks to."""
        top = min(self.middle[node] for node in self.groups)
        bottom = max(self.middle[node] for node in self.groups)
        spans = {name: (low, high) for row in range(len(self.rows)) for name, _, low, high in self._frames(row)}
        for group in dict.fromkeys(self.groups.values()):
            members = {node for node in self.groups if self.groups[node] == group}
            first, last = spans[group]
            alone = all(name == group or high < first or low > last for name, (low, high) in spans.items())
            passed = any(item in self.points for column in range(first, last + 1) for item in self.layers[column])
            if not alone or passed:
                continue
            shifts = [
                self.middle[other] - self.middle[node]
                for node in self.groups
                if node in members
                for other in self.neighbours[node]
                if other not in members
            ]
            if not shifts:
                continue
            shift = sum(shifts) / len(shifts)
            least = top - min(self.middle[node] for node in members)
            most = bottom - max(self.middle[node] for node in members)
            shift = min(max(shift, least), most)
            for node in members:
                self.middle[node] = round(self.middle[node] + shift, 1)

    def _close_rows(self) -> None:
        """Move each row up until it, or a frame of it, comes near to what lies above."""
        for row in range(1, len(self.rows)):
            room = float("inf")
            for column in range(self.count):
                above = [item for item in self.layers[column] if self.row_of[item] < row]
                cell = self._cell(column, row)
                if above and cell:
                    room = min(room, self.middle[cell[0]] - self.middle[above[-1]] - self._distance(above[-1], cell[0]))
            for _, low, first, last in self._frames(row):
                for other in range(row):
                    for _, bottom, start, end in self._frames(other, lower=True):
                        if first <= end and start <= last:
                            room = min(room, low - _TOP - bottom - _BOTTOM - _ROW_GAP)
            if room > 0:
                for item in self.middle:
                    if self.row_of[item] >= row:
                        self.middle[item] = round(self.middle[item] - room, 1)

    def _frames(self, row: int, *, lower: bool = False) -> list[tuple[str, float, int, int]]:
        """Give, for each group of a row, its upper (or lower) end over its nodes, and its first and last layer."""
        result = []
        for group in self.rows[row]:
            members = [node for node in self.groups if self.groups[node] == group]
            columns = [self.columns[node] for node in members]
            middles = [self.middle[node] for node in members]
            end = max(middles) + NODE_HEIGHT / 2 if lower else min(middles) - NODE_HEIGHT / 2
            result.append((group, end, min(columns), max(columns)))
        return result

    def _wish(self, item: str) -> float:
        near = [self.middle[other] for other in self.neighbours[item]]
        return sum(near) / len(near) if near else self.middle[item]

    def _settle(self, cell: Sequence[str], wish: Mapping[str, float], low: float, high: float) -> None:
        """Place a cell as near to the wishes as order, distances and bounds allow (isotonic regression)."""
        if not cell:
            return
        offsets = [0.0]
        for above, below in pairwise(cell):
            offsets.append(offsets[-1] + self._distance(above, below))
        blocks: list[tuple[float, int]] = []
        for item, offset in zip(cell, offsets, strict=True):
            value, size = wish[item] - offset, 1
            while blocks and blocks[-1][0] > value:
                before, count = blocks.pop()
                value = (before * count + value * size) / (count + size)
                size += count
            blocks.append((value, size))
        least = low + self._height(cell[0]) / 2
        most = max(least, high - self._height(cell[-1]) / 2 - offsets[-1])
        places = [min(max(value, least), most) for value, size in blocks for _ in range(size)]
        for item, offset, place in zip(cell, offsets, places, strict=True):
            self.middle[item] = round(place + offset, 1)

    # --- result ----------------------------------------------------------------------------------------------------------------

    def layout(self, edges: set[tuple[str, str]]) -> Layout:
        """Give boxes and routes; `edges` says which way each connection points."""
        left = [_SIDE + column * (NODE_WIDTH + _COLUMN_GAP) for column in range(self.count)]
        nodes = {
            node: Box(left[self.columns[node]], self.middle[node] - NODE_HEIGHT / 2, NODE_WIDTH, NODE_HEIGHT)
            for node in self.groups
        }
        frames: dict[str, Box] = {}
        for group in dict.fromkeys(self.groups.values()):
            members = [nodes[node] for node in self.groups if self.groups[node] == group]
            x, y = min(box.x for box in members) - _SIDE, min(box.y for box in members) - _TOP
            right, bottom = max(box.right for box in members) + _SIDE, max(box.bottom for box in members) + _BOTTOM
            frames[group] = Box(x, y, right - x, bottom - y)
        # Rows may have shrunk around their nodes; the picture starts at the topmost frame.
        shift = -min(frame.y for frame in frames.values())
        nodes = {name: Box(box.x, box.y + shift, box.width, box.height) for name, box in nodes.items()}
        frames = {name: Box(box.x, box.y + shift, box.width, box.height) for name, box in frames.items()}
        ports = self._ports()
        routes = []
        for edge, chain in self.chains.items():
            route: list[Point] = [(nodes[edge[0]].right, ports[edge, edge[0]] + shift)]
            for point in chain[1:-1]:
                x, y = left[self.columns[point]], self.middle[point] + shift
                route += [(x, y), (x + NODE_WIDTH, y)]
            route.append((nodes[edge[1]].x, ports[edge, edge[1]] + shift))
            if edge in edges:
                routes.append(Route(edge[0], edge[1], tuple(route)))
            if (edge[1], edge[0]) in edges:  # it closes a cycle: drawn against the direction of the layers
                routes.append(Route(edge[1], edge[0], tuple(reversed(route))))
        return Layout(
            nodes,
            {name: box for name, box in frames.items() if name},
            routes,
            max(frame.right for frame in frames.values()),
            max(frame.bottom for frame in frames.values()),
        )

    def _ports(self) -> dict[tuple[tuple[str, str], str], float]:
        """Spread the ends of connections over the side of a node, in the order in which they come."""
        sides: dict[tuple[str, bool], list[tuple[float, int, tuple[str, str]]]] = {}
        for number, (edge, chain) in enumerate(self.chains.items()):
            sides.setdefault((edge[0], True), []).append((self.middle[chain[1]], number, edge))
            sides.setdefault((edge[1], False), []).append((self.middle[chain[-2]], number, edge))
        ports: dict[tuple[tuple[str, str], str], float] = {}
        for (node, _), ends in sides.items():
            step = min(13.0, (NODE_HEIGHT - 14.0) / max(1, len(ends) - 1))
            for index, (_, _, edge) in enumerate(sorted(ends)):
                ports[edge, node] = round(self.middle[node] + (index - (len(ends) - 1) / 2) * step, 1)
        return ports
