"""Parse the text of YAML and JSON files into documents.

YAML is read as ``kubectl`` reads it (sigs.k8s.io/yaml, a YAML 1.1 parser without dates and base-60 numbers), so that what is
checked is what would be applied. Where a YAML 1.2 parser reads the same text as another value (``no``, ``0644``, ``1_000``), a
`Surprise` is kept. What kubectl would take in silence although it can't be meant is an error: duplicate keys, values that
JSON can't hold. Everything is bounded: depth, and nodes that come from aliases.

YAML is built from libyaml's events without recursion, so no input can exhaust the stack.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias

from mlops_nix.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH = 200
"""Deepest nesting that is read. The deepest CRD known to us needs 60."""

MAX_ALIAS_NODES = 100_000
"""Largest number of nodes that aliases may add to one document: a bomb adds billions."""


class Position(NamedTuple):
    """Where a document starts: line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Surprise(NamedTuple):
    """A plain scalar that YAML 1.1 (kubectl) and YAML 1.2 read as different values."""

    position: Position
    document: int
    text: str
    read_as: str


Document: TypeAlias = tuple[Any, Position, dict[int, Position]]
"""A value, where it starts, and where the members of its lists start, by their `id`."""


def type_name(value: object) -> str:
    """Name the JSON type of a value with its article: "a map"."""
    names: dict[type, str] = {dict: "a map", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def parse_documents(file: str, content: bytes, surprises: list[Surprise]) -> list[Document]:
    """Parse text into its documents.

    Args:
        file: Its name in messages; ``*.json`` is JSON only.
        content: The text, in UTF-8.
        surprises: Receives every scalar that YAML 1.1 and 1.2 read differently.

    Raises:
        InputError: The text is broken, or out of bounds.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError("UTF-16 text; expected UTF-8", path=file)
    content = content.removeprefix(b"\xef\xbb\xbf")
    nul = content.find(b"\0")
    if nul >= 0:
        raise InputError("a NUL byte: not a text file", path=str(_position(file, content, nul)))
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"not UTF-8: byte 0x{content[error.start]:02x}", path=str(_position(file, content, error.start))
        ) from None
    first = text.lstrip()[:1]
    if file.endswith(".json") or first in {"{", "["}:
        if not first:
            return []
        try:
            return _json_documents(file, text)
        except json.JSONDecodeError as error:
            if file.endswith(".json"):
                where = Position(file, error.lineno, error.colno)
                raise InputError(f"broken JSON: {error.msg[0].lower()}{error.msg[1:]}", path=str(where)) from None
            # `{a: b}` is YAML.
    return _YamlReader(file, content, surprises).documents()


def _position(file: str, content: bytes, offset: int) -> Position:
    start = content.rfind(b"\n", 0, offset) + 1
    return Position(file, content.count(b"\n", 0, offset) + 1, offset - start + 1)


class _RefusedError(Exception):
    """What a hook of the JSON decoder found: not a ValueError, which the decoder's caller reads as a syntax error."""


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RefusedError(f"duplicate key {_quote(key)}")
            seen.add(key)
    return result


def _no_constant(name: str) -> NoReturn:
    raise _RefusedError(f"{name} is no JSON value")


def _json_float(text: str) -> int | float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise _RefusedError(f"{text[:40]}: a number that JSON readers cannot hold")
    return int(number) if number.is_integer() and abs(number) < _EXACT else number


def _json_integer(text: str) -> int | float:
    number = _integer(text, 10, text)
    if isinstance(number, str):
        raise _RefusedError(f"{text[:40]}: a number that JSON readers cannot hold")
    return number


_JSON = json.JSONDecoder(object_pairs_hook=_unique_pairs, parse_constant=_no_constant, parse_float=_json_float)
_JSON_LARGE = json.JSONDecoder(
    object_pairs_hook=_unique_pairs, parse_constant=_no_constant, parse_float=_json_float, parse_int=_json_integer
)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_LARGE = re.compile("[0-9]{19}")
_SPACE = re.compile(r"[ \t\r\n]*(?:---[ \t\r\n]+)?[ \t\r\n]*")


def _json_documents(file: str, text: str) -> list[Document]:
    """Parse one or more JSON values that follow each other, as kubectl reads them."""
    documents: list[Document] = []
    start = _space(text, 0)
    # A hook for integers costs a call for each: only where one may exceed 64 bits.
    decode = (_JSON_LARGE if _LARGE.search(text) else _JSON).raw_decode
    try:
        while start < len(text):
            line = text.count("\n", 0, start) + 1
            value, end = decode(text, start)
            _check_depth(value, Position(file, line))
            if _SURROGATE.search(text, start, end):
                json.dumps(value, ensure_ascii=False).encode()  # half of a pair can be written nowhere
            documents.append((value, Position(file, line, start - text.rfind("\n", 0, start)), {}))
            start = _space(text, end)
    except _RefusedError as refused:
        raise InputError(str(refused), path=str(Position(file, text.count("\n", 0, start) + 1))) from None
    except UnicodeEncodeError:
        raise InputError("half of a UTF-16 surrogate pair in a string", path=file) from None
    except RecursionError:
        raise InputError(f"nested deeper than {MAX_DEPTH} levels", path=file) from None
    return documents


def _space(text: str, offset: int) -> int:
    match = _SPACE.match(text, offset)
    return match.end() if match else offset


def _check_depth(value: Any, position: Position) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 1):
        following: list[Any] = []
        for part in level:
            if type(part) is dict:
                following += [child for child in part.values() if type(child) in {dict, list}]
            elif type(part) is list:
                following += [child for child in part if type(child) in {dict, list}]
        if not following:
            return
        level = following
    raise InputError(f"nested deeper than {MAX_DEPTH} levels", path=str(position))


def _quote(text: str) -> str:
    return json.dumps(text if len(text) <= 60 else text[:57] + "...", ensure_ascii=False)  # noqa: PLR2004


# --- YAML scalars as kubectl reads them ---------------------------------------------------------------------------------------
# Source: sigs.k8s.io/yaml 1.4 (goyaml.v2 resolve.go): no dates, no base 60; `y` and `n` are booleans.

_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE_1_1 = frozenset({"y", "Y", "yes", "Yes", "YES", "on", "On", "ON"})
_FALSE_1_1 = frozenset({"n", "N", "no", "No", "NO", "off", "Off", "OFF"})
_WORDS = _TRUE | _FALSE | _NULL | _TRUE_1_1 | _FALSE_1_1
_NUMBER_START = frozenset("+-.0123456789")
_SAFE_DIGITS = 400

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_OCTAL = re.compile(r"[-+]?0[0-7]+\Z")
_OCTAL_1_2 = re.compile(r"[-+]?0o[0-7]+\Z")
_BINARY = re.compile(r"[-+]?0b[01]+\Z")
_HEX = re.compile(r"[-+]?0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_EXACT = 2**53


class _NotJsonError(Exception):
    """A scalar that no JSON value can hold."""


def _integer(digits: str, base: int, text: str) -> int | float | str:
    """Read an integer. What does not fit 64 bits is a decimal float in Go, and a string if it isn't written in decimals."""
    if len(digits) < _SAFE_DIGITS:
        value = int(digits, base)
        if -(2**63) <= value < 2**64:
            return value
    if not digits.lstrip("+-").isdigit():
        return text
    number = float(digits)
    return text if number in {float("inf"), float("-inf")} else number


def _plain(text: str) -> tuple[Any, bool]:
    """Resolve a plain scalar that looks like a number or a word; tell also whether YAML 1.2 reads it differently."""
    if text in _WORDS:
        if text in _TRUE:
            return True, False
        if text in _FALSE:
            return False, False
        if text in _NULL:
            return None, False
        return text in _TRUE_1_1, True
    if text[0] not in _NUMBER_START:
        return text, False
    digits = text.replace("_", "")
    odd = len(digits) != len(text)
    if _INTEGER.match(digits):
        return _integer(digits, 10, text), odd
    if _OCTAL.match(digits):
        return _integer(digits, 8, text), odd or len(digits.lstrip("+-0")) > 1
    if _HEX.match(digits):
        return _integer(digits, 16, text), odd
    if _BINARY.match(digits):
        return _integer(digits, 2, text), True
    if _OCTAL_1_2.match(digits):
        return _integer(digits, 8, text), odd
    if _FLOAT.match(digits):
        number = float(digits)
        if number in {float("inf"), float("-inf")}:
            return text, True
        # 80.0 and 1e3 are written as 80 and 1000 by kubectl's conversion to JSON.
        return (int(number) if number.is_integer() and abs(number) < _EXACT else number), odd
    if _SPECIAL.match(text):
        raise _NotJsonError(text)
    return text, False


# A plain scalar that starts with one of these may be something else than a string.
_MAYBE = frozenset("+-.0123456789~tTfFnNyYoO")
_LONGEST_WORD = 5

_TAG = "tag:yaml.org,2002:"
_MAP, _SEQUENCE = 0, 1
_NO_KEY = object()
_MERGE = object()


class _Frame:
    """A map or list that is still open."""

    __slots__ = ("anchor", "key", "kind", "merges", "nodes", "value")

    def __init__(self, kind: int, value: Any, anchor: str | None) -> None:
        self.kind = kind
        self.value = value
        self.anchor = anchor
        self.key: Any = _NO_KEY
        self.merges: list[Any] = []
        self.nodes = 1


class _YamlReader:
    """Builds the documents of one YAML stream from libyaml's events."""

    def __init__(self, file: str, content: bytes, surprises: list[Surprise]) -> None:
        self.file = file
        self.content = content
        self.surprises = surprises
        self.alias_nodes = 0
        self.anchors: dict[str, tuple[Any, int] | None] = {}
        self.items: dict[int, Position] = {}
        self.result: list[Document] = []

    def documents(self) -> list[Document]:
        import yaml

        try:
            from yaml.cyaml import CParser as Parser  # type: ignore[attr-defined]
        except ImportError:  # PyYAML without libyaml: slower by a factor of eight, same events
            from yaml import Loader as Parser  # type: ignore[assignment]
        try:
            parser: Any = Parser(self.content)
            self._read(parser.get_event, yaml)
        except yaml.YAMLError as error:
            raise self._broken(error) from None
        return self.result

    def _broken(self, error: Any) -> InputError:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be parsed")
        context = getattr(error, "context", None)
        if mark is not None:
            position = Position(self.file, mark.line + 1, mark.column + 1)
        else:
            position = _position(self.file, self.content, min(getattr(error, "position", 0), len(self.content)))
        line = self.content.split(b"\n", position.line)[position.line - 1 : position.line] if mark is not None else []
        text = line[0] if line else b""
        hint = None
        if b"{{" in text or b"{%" in text:
            hint = "it looks like a template; render it first (`helm template`)"
        elif b"\t" in text[: position.column]:
            hint = "indent with spaces: YAML does not allow tabs"
        message = f"broken YAML: {problem}" + (f" ({context})" if context else "")
        return InputError(message, path=str(position), hint=hint)

    def _fail(self, mark: Any, message: str, hint: str | None = None) -> NoReturn:
        raise InputError(message, path=str(Position(self.file, mark.line + 1, mark.column + 1)), hint=hint)

    def _read(self, get_event: Callable[[], Any], yaml: Any) -> None:
        # One loop: a method per event would double its time.
        scalar_event = yaml.ScalarEvent
        map_start, map_end = yaml.MappingStartEvent, yaml.MappingEndEvent
        list_start, list_end = yaml.SequenceStartEvent, yaml.SequenceEndEvent
        alias_event, document_start, stream_end = yaml.AliasEvent, yaml.DocumentStartEvent, yaml.StreamEndEvent
        stack: list[_Frame] = []
        position = Position(self.file)
        maybe = _MAYBE
        while True:
            event = get_event()
            kind = type(event)
            if kind is scalar_event:
                value: Any = event.value
                nodes = 1
                tag = event.tag
                if tag is None:
                    if not event.style and (not value or value[0] in maybe or value == "<<"):
                        key_comes = bool(stack) and stack[-1].kind == _MAP and stack[-1].key is _NO_KEY
                        value = _MERGE if value == "<<" and key_comes else self._resolve(event, value)
                elif tag != "!":
                    value = self._tagged(event, tag, value)
                if event.anchor is not None:
                    self.anchors[event.anchor] = ("<<" if value is _MERGE else value, 1)
                if not stack:
                    position = Position(self.file, event.start_mark.line + 1, event.start_mark.column + 1)
            elif kind is map_start or kind is list_start:
                if event.tag is not None and event.tag not in {_TAG + "map", _TAG + "seq", "!"}:
                    self._fail(event.start_mark, f"tag {self._tag_name(event.tag)}: not understood")
                frame = _Frame(_MAP, {}, event.anchor) if kind is map_start else _Frame(_SEQUENCE, [], event.anchor)
                depth = len(stack)
                if depth >= MAX_DEPTH:
                    self._fail(event.start_mark, f"nested deeper than {MAX_DEPTH} levels")
                if depth <= 2 and (depth == 0 or stack[-1].kind == _SEQUENCE):  # noqa: PLR2004
                    place = Position(self.file, event.start_mark.line + 1, event.start_mark.column + 1)
                    if depth:
                        self.items[id(frame.value)] = place
                    else:
                        position = place
                if event.anchor is not None:
                    self.anchors[event.anchor] = None  # open: an alias to it now would be a cycle
                stack.append(frame)
                continue
            elif kind is map_end or kind is list_end:
                frame = stack.pop()
                value, nodes = frame.value, frame.nodes
                if frame.merges:
                    value = self._merged(frame, event)
                if frame.anchor is not None:
                    self.anchors[frame.anchor] = (value, nodes)
            elif kind is alias_event:
                value, nodes = self._alias(event)
            elif kind is document_start:
                self.anchors = {}
                self.items = {}
                self.alias_nodes = 0
                continue
            elif kind is stream_end:
                return
            else:
                continue
            if not stack:
                self.result.append((value, position, self.items))
                continue
            top = stack[-1]
            top.nodes += nodes
            if top.kind == _SEQUENCE:
                top.value.append(value)
            elif top.key is _NO_KEY:
                if value is _MERGE:
                    top.key = _MERGE
                    continue
                key = value if type(value) is str else self._key(event, value)
                if key in top.value:
                    self._fail(event.start_mark, f"duplicate key {_quote(key)}")
                top.key = key
            elif top.key is _MERGE:
                top.merges.append(value)
                top.key = _NO_KEY
            else:
                top.value[top.key] = value
                top.key = _NO_KEY

    def _resolve(self, event: Any, text: str) -> Any:
        if text and len(text) > _LONGEST_WORD and text[0] not in _NUMBER_START:
            return text
        try:
            value, surprising = _plain(text)
        except _NotJsonError:
            self._fail(event.start_mark, f"{text[:40]}: a number that JSON cannot hold", "quote it if text is meant")
        if surprising:
            mark = event.start_mark
            self.surprises.append(
                Surprise(Position(self.file, mark.line + 1, mark.column + 1), len(self.result), text, json.dumps(value))
            )
        return value

    @staticmethod
    def _tag_name(tag: str) -> str:
        return "!!" + tag.removeprefix(_TAG) if tag.startswith(_TAG) else tag

    def _tagged(self, event: Any, tag: str, text: str) -> Any:
        """Read a scalar with an explicit tag of YAML's own; another tag has no meaning for Kubernetes."""
        name = tag.removeprefix(_TAG)
        if name == "str":
            return text
        try:
            value, _ = _plain(text) if text else (None, False)
        except _NotJsonError:
            self._fail(event.start_mark, f"{text[:40]}: a number that JSON cannot hold")
        if name == "null" and value is None:
            return None
        if name == "bool" and isinstance(value, bool):
            return value
        if name == "int" and isinstance(value, int) and not isinstance(value, bool):
            return value
        if name == "float" and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if name in {"null", "bool", "int", "float"}:
            self._fail(event.start_mark, f"{_quote(text)} is no {name}")
        return self._fail(
            event.start_mark,
            f"tag {self._tag_name(tag)}: not understood",
            "Kubernetes objects are plain YAML without tags",
        )

    def _key(self, event: Any, value: Any) -> str:
        """Make a key of a scalar that is no string, as kubectl does; a list, a map or null can't be one."""
        if isinstance(value, bool | int | float):
            return json.dumps(value)
        return self._fail(
            event.start_mark,
            f"{type_name(value)} as a key; expected a string",
            "quote it; `{{ … }}` is a template: render it first",
        )

    def _alias(self, event: Any) -> tuple[Any, int]:
        anchor = event.anchor
        if anchor not in self.anchors:
            self._fail(event.start_mark, f"alias *{anchor}: no such anchor in this document")
        anchored = self.anchors[anchor]
        if anchored is None:
            self._fail(event.start_mark, f"alias *{anchor}: lies inside its own anchor")
        value, nodes = anchored
        self.alias_nodes += nodes
        if self.alias_nodes > MAX_ALIAS_NODES:
            self._fail(event.start_mark, f"aliases expand to more than {MAX_ALIAS_NODES} nodes")
        # A copy: whoever changes one occurrence later does not mean the others.
        return (_copy(value) if type(value) in {dict, list} else value), nodes

    def _merged(self, frame: _Frame, event: Any) -> dict[str, Any]:
        """Resolve ``<<``: keys of the map itself win, then earlier maps."""
        result: dict[str, Any] = frame.value
        for merge in frame.merges:
            for source in merge if isinstance(merge, list) else [merge]:
                if not isinstance(source, dict):
                    self._fail(event.start_mark, f"<<: expected a map, found {type_name(source)}")
                for key, value in source.items():
                    result.setdefault(key, value)
        return result


def _copy(value: Any) -> Any:
    """Copy a JSON value; its depth is bounded by MAX_DEPTH."""
    if type(value) is dict:
        return {key: _copy(child) for key, child in value.items()}
    if type(value) is list:
        return [_copy(child) for child in value]
    return value
