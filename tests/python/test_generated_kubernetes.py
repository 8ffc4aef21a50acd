"""generated/kubernetes: fresh, the same in every run, and true where another source says the same."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("kubernetes_validate", reason="the development dependency kubernetes-validate is not installed")

from mlops_nix.generate.kubernetes import core, write
from mlops_nix.generate.kubernetes.__main__ import stale_files
from mlops_nix.generate.kubernetes.pattern import UntranslatableError, translate
from mlops_nix.generate.kubernetes.structure import UnknownKeywordError, custom_node, share

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / "generated" / "kubernetes"
NIX = shutil.which("nix-instantiate")


@pytest.fixture(scope="session")
def made(reference: Path) -> dict[str, str]:
    """Every file of the folder, generated anew."""
    return write.files(reference)


def test_committed_files_are_what_the_generator_makes(made: dict[str, str]) -> None:
    stale = stale_files(FOLDER, made)
    assert not stale, f"stale, run `python -m mlops_nix.generate.kubernetes`: {stale[:10]}"


def test_core_files_are_the_same_in_every_run(made: dict[str, str]) -> None:
    core._raw.cache_clear()
    for version in core.VERSIONS:
        again = core.definitions(version)
        base = core.definitions(core.DEFAULT_VERSION)
        committed = json.loads(made[f"core/{version}.json"])["definitions"]
        assert committed == {
            name: node for name, node in again.items() if version == core.DEFAULT_VERSION or base.get(name) != node
        }


def test_writing_removes_what_is_made_no_more(tmp_path: Path) -> None:
    write.write(tmp_path, {"a.json": "1\n", "custom/x/y.json": "2\n"})
    write.write(tmp_path, {"a.json": "3\n"})
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} == {"a.json"}
    assert (tmp_path / "a.json").read_text() == "3\n"


def test_every_reference_leads_to_a_definition() -> None:
    base = json.loads((FOLDER / "core" / f"{core.DEFAULT_VERSION}.json").read_text())["definitions"]
    for version in core.VERSIONS:
        file = json.loads((FOLDER / "core" / f"{version}.json").read_text())
        names = (base.keys() - set(file.get("absent", []))) | file["definitions"].keys()
        assert "meta/v1.ObjectMeta" in names
        for name, node in file["definitions"].items():
            assert {target for target in _targets(node) if target[1:] not in names} == set(), (version, name)
        assert {kind["definition"] for kinds in file["kinds"].values() for kind in kinds.values()} <= names
    for path in (FOLDER / "custom").glob("*/*.json"):
        definitions = json.loads(path.read_text())["definitions"]
        for node in definitions.values():
            for target in _targets(node):
                assert target == "core#meta/v1.ObjectMeta" or target[1:] in definitions, (path, target)


def _targets(node: Any) -> Iterator[str]:
    if isinstance(node, str) and (node.startswith(("#", "core#"))):
        yield node
    elif isinstance(node, list):
        yield from _targets(node[0])
    elif isinstance(node, dict):
        for child in (*node.get("fields", {}).values(), *(node[key] for key in ("values", "items") if key in node)):
            yield from _targets(child)


def test_plural_and_scope_are_those_of_the_official_client() -> None:
    client = pytest.importorskip("kubernetes.client", reason="the extra `cluster` is not installed")
    folder = Path(client.__file__).parent / "api"
    paths: dict[tuple[str, str], tuple[str, str]] = {}
    for file in folder.glob("*_api.py"):
        for path in re.findall(r"method='(?:GET|POST)',\s+resource_path='/apis?/([^']+)'", file.read_text()):
            match = re.fullmatch(r"(.+?)/(namespaces/\{namespace\}/)?([a-z]+)", path)
            if match and "{" not in match[1] and not match[1].endswith("/watch"):
                scope = "Namespaced" if match[2] else "Cluster"
                # A namespaced kind is also listed over all namespaces.
                if paths.get((match[1], match[3]), ("", ""))[1] != "Namespaced":
                    paths[match[1], match[3]] = (match[3], scope)
    newest = core.kinds_of(core.VERSIONS[-1])
    compared = {
        (api_version, kind): ((entry["plural"], entry["scope"]), paths[api_version, entry["plural"]])
        for api_version, kinds in newest.items()
        for kind, entry in kinds.items()
        if (api_version, entry["plural"]) in paths
    }
    assert {kind: pair for kind, pair in compared.items() if pair[0] != pair[1]} == {}
    missing = {kind for api, kinds in newest.items() for kind in kinds if (api, kind) not in compared}
    assert len(compared) > 90
    assert missing == set(), "the client knows no path of these kinds, so that plural or scope may be wrong"


@pytest.mark.parametrize(
    ("pattern", "expression"),
    [
        ("^[a-z]+$", "[a-z]+"),
        ("abc", ".*abc.*"),
        ("^a|b$", "(a.*)|(.*b)"),
        (r"^\d+\.\w$", r"[0-9]+\.[0-9A-Z_a-z]"),
        (r"^[\-a\]^]$", "[]a^-]"),
        ("^(?:a|b){2}$", "(a|b){2}"),
        ("^(?i)ok$", "[Oo][Kk]"),
        ("^a(b|$)", "(ab.*)|(a)"),
        ("^.$", "[^\n]"),
    ],
)
def test_pattern_is_translated(pattern: str, expression: str) -> None:
    assert translate(pattern) == expression


@pytest.mark.parametrize(
    "pattern", ["^a(?=b)", "a*?", r"\bword\b", "(^a)+", "[[:alpha:]]", "(a", "a)", "^[é]$", "[z-a]"]
)
def test_pattern_without_an_exact_equivalent_is_refused(pattern: str) -> None:
    with pytest.raises(UntranslatableError):
        translate(pattern)


@pytest.mark.skipif(NIX is None, reason="nix-instantiate is not installed")
def test_translated_patterns_match_what_the_originals_match(tmp_path: Path) -> None:
    """Every pattern in the schemas against strings made for it and against each other's."""
    patterns = {
        pattern: expression
        for pattern, expression in json.loads((FOLDER / "patterns.json").read_text())["patterns"].items()
        if expression is not None
    }
    strings: set[str] = {"", "a", "\n", "a\nb", "é"}

    for pattern in patterns:
        spelled = _python(pattern)

        @settings(max_examples=40, database=None, derandomize=True, deadline=None)
        @given(st.from_regex(spelled), st.data())
        def collect(text: str, data: st.DataObject) -> None:
            # Nix has no NUL in strings, and no lone surrogates.
            text = text.replace("\0", "")
            place = data.draw(st.integers(0, max(len(text) - 1, 0)))
            for made in (text, text[:place] + data.draw(st.sampled_from("aA0-_/.: \né")) + text[place + 1 :]):
                if len(made) < 200 and not re.search(r"[\ud800-\udfff]", made):
                    strings.add(made)

        collect()

    ordered = sorted(strings)
    (tmp_path / "case.json").write_text(json.dumps({"expressions": list(patterns.values()), "strings": ordered}))
    expression = (
        f"with builtins; let case = fromJSON (readFile {tmp_path}/case.json); in "
        'map (e: concatStringsSep "" (map (s: if match e s == null then "0" else "1") case.strings)) case.expressions'
    )
    run = subprocess.run(
        [str(NIX), "--eval", "--strict", "--json", "--expr", expression], capture_output=True, check=False, timeout=120
    )
    assert run.returncode == 0, run.stderr.decode()[-2000:]
    for (pattern, _), row in zip(patterns.items(), json.loads(run.stdout), strict=True):
        original = re.compile(_python(pattern), re.ASCII)
        wrong = [
            text
            for text, found in zip(ordered, row, strict=True)
            if (original.search(text) is not None) != (found == "1")
        ]
        assert wrong == [], (pattern, wrong[:5])


def _python(pattern: str) -> str:
    r"""Spell a pattern of RE2 for Python: `$` is the end of the text, and a flag is for the rest of its group."""
    pattern = re.sub(r"(?<!\\)\$(?![^\[]*\])", r"\\Z", pattern)
    if "(?i)" in pattern:
        inner = re.sub(r"\(\(\?i\)([^()]*)\)", r"((?i:\1))", pattern)
        pattern = re.sub(r"\^\(\?i\)(.*)", r"^(?i:\1)", inner)
    return pattern


def test_a_new_keyword_of_upstream_is_an_error() -> None:
    with pytest.raises(UnknownKeywordError, match="patternProperties"):
        custom_node({"type": "object", "patternProperties": {"^x-": {"type": "string"}}})


def test_shared_parts_are_named_once_after_their_field() -> None:
    volume = {"fields": {"name": "string", "path": {"type": "string", "maxLength": 4096}, "readOnly": "boolean"}}
    definitions = share({"fields": {"first": {"fields": {"volume": volume}}, "second": [volume]}})
    assert definitions == {
        "volume": volume,
        "": {"fields": {"first": {"fields": {"volume": "#volume"}}, "second": ["#volume"]}},
    }


def test_embedded_objects_have_an_identity() -> None:
    assert custom_node(
        {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        }
    ) == {
        "fields": {"apiVersion": "string", "kind": "string", "metadata": "core#meta/v1.ObjectMeta"},
        "required": ["apiVersion", "kind"],
        "open": True,
    }
