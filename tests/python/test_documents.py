"""Texts are read as kubectl reads them, within bounds, and never end in anything but documents or one InputError."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlops_nix.documents import MAX_DEPTH, Position, Surprise, parse_documents
from mlops_nix.errors import InputError


def load(text: str | bytes, file: str = "a.yaml") -> list[Any]:
    content = text.encode() if isinstance(text, str) else text
    return [document for document, _, _ in parse_documents(file, content, [])]


# What `kubectl annotate --local -o json` (1.32) reads for the scalar.
@pytest.mark.parametrize(
    ("text", "value", "surprising"),
    [
        ("yes", True, True),
        ("n", False, True),
        ("Off", False, True),
        ("true", True, False),
        ("False", False, False),
        ("~", None, False),
        ("", None, False),
        ("12", 12, False),
        ("+5", 5, False),
        ("-0", 0, False),
        ("0644", 420, True),
        ("-017", -15, True),
        ("00", 0, False),
        ("08", 8, False),
        ("0o17", 15, False),
        ("0o8", "0o8", False),
        ("0x1f", 31, False),
        ("0x1_f", 31, True),
        ("0b11", 3, True),
        ("-0b11", -3, True),
        ("1_000", 1000, True),
        ("_5", "_5", False),
        ("1:30", "1:30", False),
        ("2001-01-01", "2001-01-01", False),
        ("=", "=", False),
        ("1e3", 1000, False),
        ("1E5", 100000, False),
        (".5", 0.5, False),
        ("5.", 5, False),
        ("80.0", 80, False),
        ("1_0.5", 10.5, True),
        (".e5", ".e5", False),
        ("1e400", "1e400", True),
        ("18446744073709551615", 18446744073709551615, False),
        ("18446744073709551616", 1.8446744073709552e19, False),
        ("0777777777777777777777777", 7.777777777777778e23, True),
        ("'no'", "no", False),
        ("nothing", "nothing", False),
        ("Yesterday", "Yesterday", False),
    ],
)
def test_a_plain_scalar_is_what_kubectl_reads(text: str, value: Any, surprising: bool) -> None:
    surprises: list[Surprise] = []
    ((document, _, _),) = parse_documents("a.yaml", f"a: {text}\n".encode(), surprises)
    assert document == {"a": value}
    assert type(document["a"]) is type(value)
    assert bool(surprises) is surprising
    if surprising:
        assert surprises == [Surprise(Position("a.yaml", 1, 4), 0, text, json.dumps(value))]


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("a: 1\n---\nb: 2\n", [{"a": 1}, {"b": 2}]),
        ("---\n---\na: 1\n", [None, {"a": 1}]),
        ("# only a comment\n", []),
        ("", []),
        ("\ufeffa: 1", [{"a": 1}]),
        ("{a: 1, b: [2]}", [{"a": 1, "b": [2]}]),
        ('{"a": 1}\n{"b": 2}\n---\n{"c": 3}', [{"a": 1}, {"b": 2}, {"c": 3}]),
        ('{"a": 1}\n---\nb: 2', [{"a": 1}, {"b": 2}]),
        ("1: a\ntrue: b\n1.5: c", [{"1": "a", "true": "b", "1.5": "c"}]),
        ("a: &x {b: 1}\nc: *x", [{"a": {"b": 1}, "c": {"b": 1}}]),
        ("a: &x {b: 1}\nc:\n  <<: *x\n  d: 2", [{"a": {"b": 1}, "c": {"b": 1, "d": 2}}]),
        ("<<: [{a: 1}, {a: 2, b: 3}]\nc: 4", [{"a": 1, "b": 3, "c": 4}]),
        ("<<: {a: 1}\na: 2", [{"a": 2}]),
        ("- <<\n- '<<'", [["<<", "<<"]]),
        (
            "a: !!str 1\nb: !!int '2'\nc: !!float 3\nd: !!bool 'true'\ne: !!null ''\nf: ! 4",
            [{"a": "1", "b": 2, "c": 3.0, "d": True, "e": None, "f": "4"}],
        ),
        ("a: |\n  x\n  y\nb: >-\n  x\n  y", [{"a": "x\ny\n", "b": "x y"}]),
    ],
)
def test_documents_are_read(text: str, documents: list[Any]) -> None:
    assert load(text) == documents


def test_an_alias_is_a_copy() -> None:
    ((first),) = load("a: &x {b: [1]}\nc: *x")
    first["a"]["b"].append(2)
    assert first["c"] == {"b": [1]}


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: 1\nb: {c: 2\n", "a.yaml:3:1", "broken YAML: did not find expected ',' or '}'"),
        ("a:\n\tb: 1", "a.yaml:2:1", "found character that cannot start any token"),
        ("a: 1\nb: 2\na: 3", "a.yaml:3:1", 'duplicate key "a"'),
        ("on: 1\n'true': 2", "a.yaml:2:1", 'duplicate key "true"'),
        ('{"a": 1, "a": 2}', "a.yaml:1", 'duplicate key "a"'),
        ('{"a": {"b": 1, "b": 2}}', "a.yaml:1", 'duplicate key "b"'),
        ("? [a]\n: b", "a.yaml:1:5", "a list as a key; expected a string"),
        ("~: b", "a.yaml:1:1", "null as a key"),
        ("a: {{ .Values.x }}", "a.yaml:1", "a map as a key"),
        ("a: *x", "a.yaml:1:4", "alias *x: no such anchor"),
        ("a: &x [*x]", "a.yaml:1:8", "alias *x: lies inside its own anchor"),
        ("a: !vault b", "a.yaml:1:4", "tag !vault: not understood"),
        ("a: !!python/object:os.system b", "a.yaml:1:4", "tag !!python/object:os.system: not understood"),
        ("a: !!int x", "a.yaml:1:4", '"x" is no int'),
        ("a: !!binary YQ==", "a.yaml:1:4", "tag !!binary"),
        ("a: .inf", "a.yaml:1:4", ".inf: a number that JSON cannot hold"),
        ("a: -.INF", "a.yaml:1:4", "a number that JSON cannot hold"),
        ("a: .nan", "a.yaml:1:4", "a number that JSON cannot hold"),
        ('{"a": NaN}', "a.yaml:1", "NaN is no JSON value"),
        ('{"a": 1e999}', "a.yaml:1", "1e999: a number that JSON readers cannot hold"),
        ('{"a": ' + "9" * 5000 + "}", "a.yaml:1", "a number that JSON readers cannot hold"),
        ("<<: 1", "a.yaml:", "<<: expected a map, found a number"),
        ("a: b\n\0", "a.yaml:2:1", "a NUL byte"),
        (b"a: b\nc: \xff", "a.yaml:2:4", "not UTF-8: byte 0xff"),
        ("a: b".encode("utf-16"), "a.yaml", "UTF-16 text; expected UTF-8"),
        ("a: \x07", "a.yaml:1:4", "control characters are not allowed"),
        (BOMB, "a.yaml:", "aliases expand to more than 100000 nodes"),
        ("[" * 100_000, "a.yaml", "nested deeper than 200 levels"),
        ("- " * 100_000, "a.yaml:1:", "nested deeper than 200 levels"),
        ("{a: " * 100_000, "a.yaml:1:", "nested deeper than 200 levels"),
        ("\n".join(" " * i + "a:" for i in range(1000)), "a.yaml:201:", "nested deeper than 200 levels"),
        ('{"a":' * 300 + "1" + "}" * 300, "a.yaml:1", "nested deeper than 200 levels"),
        ('{"a":' * 100_000, "a.yaml", "nested deeper than 200 levels"),
        ('["\\ud800"]', "a.yaml", "half of a UTF-16 surrogate pair"),
        ("%YAML 9.9\n---\na", "a.yaml:1:1", "incompatible YAML document"),
    ],
)
def test_a_broken_text_is_one_clear_error_with_its_place(text: str | bytes, place: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load(text)
    assert message in caught.value.message
    assert str(caught.value.path).startswith(place)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a:\n\tb: 1", "spaces"),
        ("a: {{ .x }}", "render it first"),
        ("{{- if x }}\na: 1", "helm template"),
        ("a: .inf", "quote it"),
    ],
)
def test_a_frequent_mistake_gets_its_way_out(text: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        load(text)
    assert hint in str(caught.value.hint)


def test_a_json_file_is_json_only() -> None:
    with pytest.raises(InputError) as caught:
        load('{"a": 1,\n "b": }', "a.json")
    assert (caught.value.path, caught.value.message) == ("a.json:2:7", "broken JSON: expecting value")
    assert load("", "a.json") == []
    with pytest.raises(InputError):
        load("{a: 1}", "a.json")


def test_a_document_and_the_items_of_a_list_know_their_place() -> None:
    text = "# head\n\na: 1\n---\nkind: List\nitems:\n- a: 1\n\n- b: 2\n"
    first, second = parse_documents("a.yaml", text.encode(), [])
    assert first[1] == Position("a.yaml", 3, 1)
    assert second[1] == Position("a.yaml", 5, 1)
    assert [second[2][id(item)].line for item in second[0]["items"]] == [7, 9]


def test_nesting_up_to_the_bound_is_read() -> None:
    assert load("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert load("- " * MAX_DEPTH + "a")


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)
VALUES = st.recursive(
    SCALARS | FLOATS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


def close(left: Any, right: Any) -> bool:
    """Compare, and let 1.0 be 1, as JSON does."""
    if isinstance(left, dict):
        return isinstance(right, dict) and left.keys() == right.keys() and all(close(left[k], right[k]) for k in left)
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(close, left, right))
    if isinstance(left, bool) or not isinstance(left, int | float):
        return left == right and type(left) is type(right)
    return isinstance(right, int | float) and math.isclose(left, right, rel_tol=1e-12)


@given(VALUES)
def test_json_that_is_written_is_read_back(value: Any) -> None:
    assert all(map(close, [value], load(json.dumps(value), "a.json"))) or value == ""
    assert close(load(json.dumps([value], ensure_ascii=False))[0], [value])


@given(VALUES)
@example({"a": "no", "b": "0644", "c": "1e3", "d": "2001-01-01", "e": "~", "f": "<<", "<<": 1, "y": "=", "=": 1})
def test_yaml_that_pyyaml_writes_with_quotes_is_read_back(value: Any) -> None:
    # PyYAML does not quote what is special in YAML 1.2 or Go only; with all strings quoted nothing is left to the resolver.
    class Quoted(yaml.CSafeDumper):
        pass

    Quoted.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))
    Quoted.add_representer(
        float, lambda dumper, number: dumper.represent_scalar("tag:yaml.org,2002:float", json.dumps(number))
    )
    text = yaml.dump([value], Dumper=Quoted, allow_unicode=True)
    assert close(load(text)[0], [value])


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_random_bytes_give_documents_or_an_input_error(content: bytes) -> None:
    try:
        documents = load(content)
    except InputError:
        return
    json.dumps(documents, allow_nan=False).encode()


@settings(max_examples=500)
@given(st.text(st.sampled_from("{}[]:,-&*!|>'\"%@#? \n\tab01.e_~<=x"), max_size=40))
def test_random_syntax_gives_documents_or_an_input_error(text: str) -> None:
    for file in ("a.yaml", "a.json"):
        try:
            documents = load(text, file)
        except InputError:
            continue
        json.dumps(documents, allow_nan=False).encode()
