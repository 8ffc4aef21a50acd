"""What YAML readers read back from ``lib/render/yaml.nix`` equals the JSON of the same value.

Three readers, because they disagree about what an unquoted word means: PyYAML (YAML 1.1), ruamel.yaml (YAML 1.2) and, where
kubectl or kustomize is installed, the Go reader that Kubernetes itself uses. Many values share one Nix evaluation: starting Nix
costs more than writing a hundred documents.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
NIX = shutil.which("nix-instantiate")
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

pytestmark = pytest.mark.skipif(NIX is None, reason="nix-instantiate is not installed")

WRITE = """
{ root, file }:
let
  yaml = import (root + "/lib/render/yaml.nix");
  values = builtins.fromJSON (builtins.readFile file);
in
{
  documents = map yaml.document values;
  json = map builtins.toJSON values;
  stream = yaml.stream values;
}
"""

# Words and shapes that some reader takes for a number, a date, a truth value, a comment, an alias or the end of the text.
NASTY = """
y|Y|n|N|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|true|True|TRUE|false|False|FALSE|null|Null|NULL|~|Yess|nope|nul|oN
0|1|-1|+1|00|007|0644|0o7|0O17|0x1F|0xg|0b101|1_000|_1|-_1|1,000|1e3|1E3|1e+3|1.5e-3|.5|5.|.|..|...|-.5|+.5|1.|1.0|1.36|3.17.2|1.2.3.4|10.0.0.0/8
12:30|1:30:45|12:30:45.5|190:20:30|8080:80|2001-01-01|2001-1-1|2001-12-14t21:59:43.10-05:00|2001-12-14 21:59:43.10 -5|2024-01
.inf|.Inf|.INF|-.inf|+.inf|.nan|.NaN|.NAN|inf|nan|-inf|-Inf|.e5|.e+5|1e|1f|1d|0x|0b|0o|5m|500m|2Gi|15d|1h30m|50%|3fa9|12e03|9e9|0e0|1__0
=|<<|<|!|!!|!tag|&a|*a|%a|@a|`a`|-|--|---|----|--- a|-a|--a|- a|-1a|?|? a|?a|:|: a|:a|a:|a: b|a :b|a : b|a:b|#|# a|#a|a#|a #|a #b|a# b|a#b
[|]|{|}|{}|[]|{a}|[a]|,|, a|a, b|a,b|>|>-|'|"|''|""|'a'|"a"|it's|a'b"c|\\|\\n|a\\|$(A)|${A}|^a$|(a)|;|/|//|/a|./a|../a|.env|.e|~/a|+a|=a|a=b|--a=b c
http://a:80/b?c=d#e|ghcr.io/a/b:v1.2|a b|a  b| a|a | |  |a: |a:  b|a # b|Ünïcode|日本語|🙂|é: a|é|- é|5é|&é|a é|é #
"""
SPECIAL = [
    "", "\n", "\n\n", " \n", "\n ", "\t", "\ta", "a\t", "a\tb", "a\t# b", "a:\tb", "a\n", "a\n\n", "a\n\n\n", "\na", "\n\na", " a\nb", "\ta\nb",
    "a\n b", "a\n\tb", "a \nb ", "a\n \nb", "a\n  ", "a\n\t", "a\n\t\n", "\n a", "\n\ta", " \na", "\t\na", "  \n a", "a\n---\nb", "---\na", "...\na",
    "a\n...\n", "# a\nb", "a\n# b\n", "- a\n- b\n", "a: b\nc: d\n", "a\r\nb", "a\rb", "\r", "a\n\r", "\x01", "a\x7fb", "a\nb\x7f", "a\x85b", "\x85",
    "a\nb\x85", "a\u2028b", "a\n\u2029", "\ufeff", "\ufeffa", "a\n\ufeff", "\ufeffa\n", "\ufffe", "a\uffffb", "a\xa0", "\xa0a", "\xa0", "\u3000a",
    "\x80", "\x9f", "a\x1bb", "a\n\x1b[0m", "\U0010ffff", "\U0001f642\n\U0001f642", "x" * 300, "x " * 300, "x " * 300 + "x", "x" * 300 + ":",
    "x" * 300 + ": y", "x" * 300 + " #y", "x" * 300 + " :y", "1" * 300, "é" * 300, "é " * 200 + "é", "- " * 200 + "-", "x" * 200_000, "x " * 100_000 + "x",
    "line\n" * 20_000, ("é" * 50 + "\n") * 1_000, "\n" * 5_000, "\n" * 5_000 + "x", " " * 20_000, json.dumps({"a": ['"', "'", "\\"]}),
]  # fmt: skip
WORDS = [word for line in NASTY.strip().split("\n") for word in line.split("|")] + SPECIAL

# Letters of which few make something that a reader may misunderstand.
alphabet = st.sampled_from(
    [*"aeEinoyNOxbfTZ0123456789....----++__,:: ##\t\n\n  '\"\\&*!|>%@`{}[]<=~?$/é\x85\u2028\ufeff\r\x7f\x01"]
)
dense = st.lists(alphabet, max_size=12).map("".join)
broad = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
numeric = st.from_regex(r"[-+]?[0-9._:eExXob,]{1,8}[-+]?[0-9]{0,3}", fullmatch=True)
lines = st.lists(st.one_of(dense, broad, st.sampled_from(["", " ", "\t", "a", "  a"])), min_size=1, max_size=5).map(
    "\n".join
)
texts = st.one_of(st.sampled_from(WORDS), dense, broad, numeric, lines)
keys = st.one_of(
    texts, st.sampled_from(["apiVersion", "kind", "metadata", "name", "namespace", "spec", "data"])
).filter(lambda key: key not in {"__toString", "outPath"} and len(key) < 2_000)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300),
    texts,
    texts,
    texts,
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=5)),
    max_leaves=12,
)


def write(values: list[Any], folder: Path) -> dict[str, Any]:
    """The documents, the stream and the JSON that Nix makes of ``values``."""
    assert NIX is not None
    source = folder / "values.json"
    source.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
    run = subprocess.run(
        [NIX, "--eval", "--strict", "--json", "-E", WRITE, "--arg", "root", str(ROOT), "--arg", "file", str(source)],
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr.decode()
    result: dict[str, Any] = json.loads(run.stdout)
    return result


def exact(value: Any) -> str:
    """Text that tells 1 from True and from "1"; a date, which JSON has not, is an error."""
    return json.dumps(value, sort_keys=True)


def yaml12(text: str) -> Any:
    reader = YAML(typ="safe", pure=True)
    reader.version = (1, 2)
    return reader.load(io.StringIO(text))


def check(values: list[Any], folder: Path) -> None:
    written = write(values, folder)
    for text, as_json in zip(written["documents"], written["json"], strict=True):
        expected = exact(json.loads(as_json))
        assert exact(yaml.load(text, LOADER)) == expected, text
        assert exact(yaml12(text)) == expected, text
        assert text.endswith("\n")
        assert not text.endswith("\n\n") or "|" in text
    objects = list(yaml.load_all(written["stream"], LOADER))
    assert [exact(value) for value in objects] == [exact(json.loads(text)) for text in written["json"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yaml")


def test_every_nasty_word_survives_in_every_place(folder: Path) -> None:
    short = [word for word in WORDS if len(word) < 2_000]
    check([*WORDS, WORDS, [[word, [word]] for word in WORDS]], folder)
    check(
        [
            {word: index for index, word in enumerate(short)},
            {word: word for word in short},
            {word: [word, {word: {}}] for word in short},
        ],
        folder,
    )
    check([[{word: word, "name": word}] for word in short], folder)


def test_keys_longer_than_a_simple_key_may_be(folder: Path) -> None:
    keys = ["x" * 1_200, "two words " * 150 + "x", "é" * 1_100, "a: b" * 400]
    check(
        [dict.fromkeys(keys, value) for value in ("text", "a\nb\n", 1, [1, {"a": []}], {"a": "a\nb"}, {}, None)],
        folder,
    )
    check([{"deeper": [{key: {key: [key]} for key in keys}]}], folder)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(texts, min_size=150, max_size=150))
def test_random_text_is_read_back(folder: Path, words: list[str]) -> None:
    check([words, {"key": {str(index): word for index, word in enumerate(words)}}], folder)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(values, min_size=30, max_size=30))
def test_random_values_are_read_back(folder: Path, batch: list[Any]) -> None:
    check(batch, folder)


@pytest.mark.skipif(
    not (shutil.which("kustomize") or shutil.which("kubectl")), reason="neither kustomize nor kubectl is installed"
)
def test_kubernetes_reads_the_same_text(folder: Path) -> None:
    """kustomize reads with the YAML package of Kubernetes and writes again; a word taken for a number comes back as one."""
    # Left out is what kustomize reads well, but then writes wrongly: a leading tab, characters that are not printable, and
    # three words that mean something to YAML 1.1 alone.
    unwritable = re.compile("^\t+[^\t]*\n|[\x7f-\x9f\ufffe\uffff]|^=$|^<<$|^2001.* -5$")
    words = [word for word in WORDS if len(word) < 1_000 and not unwritable.search(word)]
    thing = {
        "apiVersion": "example.com/v1",
        "kind": "Thing",
        "metadata": {"name": "words"},
        "spec": {"words": words},
    }
    build = folder / "kustomization"
    build.mkdir()
    (build / "thing.yaml").write_text(write([thing], folder)["documents"][0], encoding="utf-8")
    (build / "kustomization.yaml").write_text("resources: [thing.yaml]\n", encoding="utf-8")
    kustomize = shutil.which("kustomize")
    program = [kustomize, "build"] if kustomize else ["kubectl", "kustomize"]
    run = subprocess.run([*program, str(build)], capture_output=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr.decode()
    assert yaml.load(run.stdout, LOADER)["spec"]["words"] == words
