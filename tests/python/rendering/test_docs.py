"""Reference pages: complete, stable, and valid Markdown tables whatever the texts hold."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlops_nix.docs import cell, code, nix_value, read_reference, reference_pages, schema_files
from mlops_nix.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

needs_nix = pytest.mark.skipif(shutil.which("nix-instantiate") is None, reason="Nix is not installed")

REFERENCE = {
    "mkEcho": {
        "builder": "mkEcho",
        "module": "echo",
        "group": "serving",
        "summary": "Says | what it hears",
        "options": [
            {"path": "ui.port", "type": "port", "default": 8080, "required": False, "description": "Port\nof the UI."},
            {"path": "name", "type": "DNS label", "required": True, "description": "Name."},
            {"path": "mode", "type": "a | b", "default": None, "required": False, "description": "x", "example": "a"},
            {"path": "host", "type": "URL", "defaultText": "the platform's", "required": False, "description": "x"},
        ],
        "versions": [{"version": "2.0", "default": True, "images": {"app": "echo:2.0"}}, {"version": "1.0"}],
        "lines": {"1": {"version": "1.0", "reason": "was never released"}},
        "withdrawn": {"0.9": "its image is gone", "0.7": "no", "0.8": "its image is gone"},
        "deviations": [{"rule": "read-only root", "workload": "app", "reason": "writes beside itself"}],
    },
    "mkStore": {"builder": "mkStore", "module": "store", "group": "data", "summary": "Keeps", "options": []},
}


def pages(reference: Any = REFERENCE) -> dict[str, str]:
    made = reference_pages(read_reference(json.dumps(reference).encode()))
    return {path: content.decode() for path, content in made.items()}


def columns(line: str) -> int:
    return line.replace("\\|", "").count("|")


def test_there_is_a_page_per_builder_and_an_index_by_group() -> None:
    found = pages()
    assert sorted(found) == ["README.md", "mkEcho.md", "mkStore.md"]
    assert found["README.md"].index("## serving") < found["README.md"].index("## data")
    assert "| [mkEcho](mkEcho.md) | Says \\| what it hears | **2.0**, 1.0 |" in found["README.md"]


def test_a_page_has_every_option_with_its_default_and_required_ones_first() -> None:
    page = pages()["mkEcho.md"]
    assert "| `name` | DNS label | **required** | Name. |" in page
    assert "| `host` | URL | the platform's | x |" in page
    assert '| `mode` | a \\| b | `null` | x Example: `"a"` |' in page
    assert "### ui" in page
    assert "| `ui.port` | port | `8080` | Port of the UI. |" in page
    assert page.index("`name`") < page.index("`host`")
    assert "2.0 (default) | app: `echo:2.0` |" in page
    for words in (
        "`1`: accepted as a line; 1.0 is rendered, with a warning, because it was never released.",
        "`0.9`, `0.8`: cannot be deployed any more (its image is gone)",
        "read-only root (app): writes beside itself",
    ):
        assert words in page


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_no_text_breaks_a_table(description: str, example: str) -> None:
    option = {
        "path": "a",
        "type": description,
        "required": False,
        "default": example,
        "description": description,
        "example": [example],
    }
    builder = {"builder": "mkA", "module": "a", "summary": "x", "options": [option]}
    page = pages({"mkA": builder})["mkA.md"]
    (row,) = [line for line in page.split("\n") if line.startswith("| `a` |")]
    assert columns(row) == 5
    assert page == pages({"mkA": builder})["mkA.md"]


def test_cells_keep_their_meaning() -> None:
    assert cell("a\n  b | <c>") == "a b \\| &lt;c>"
    assert code("x" * 80) == "`" + "x" * 59 + "…`"
    assert code("a`b|c") == "`` a`b\\|c ``"


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@needs_nix
@given(st.lists(JSON_VALUES, min_size=25, max_size=25))
@settings(max_examples=12, deadline=None)
def test_a_value_written_in_nix_reads_back_as_the_same_value(values: list[Any]) -> None:
    done = subprocess.run(
        ["nix-instantiate", "--eval", "--strict", "--json", "-"],
        input=nix_value(values),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == values


def test_a_reference_of_another_shape_is_no_traceback() -> None:
    for data in (b"[]", b'{"mkA": {"builder": 1}}', b"{"):
        with pytest.raises(InputError, match="reference cannot be read"):
            read_reference(data)
    with pytest.raises(InputError, match="schemas cannot be read"):
        schema_files(b"[]")


@needs_nix
def test_the_librarys_own_reference_is_written_checked_and_complete(cli: Any, tmp_path: Path) -> None:
    from mlops_nix.nixeval import evaluate_library

    arguments = ["docs", "--out", tmp_path / "reference", "--schemas", tmp_path / "schemas"]
    outcome = cli(*arguments)
    assert outcome.exit_code == 0, outcome.stderr
    builders = json.loads(evaluate_library("reference").json)
    for name, builder in builders.items():
        page = (tmp_path / "reference" / f"{name}.md").read_text()
        for option in builder["options"]:
            assert f"| `{option['path']}` |" in page
        schema = json.loads((tmp_path / "schemas" / f"{name}.schema.json").read_text())
        assert schema["type"] == "object"
    checks = (tmp_path / "reference" / "checks.md").read_text()
    assert "`duplicate-object`" in checks
    assert cli(*arguments, "--check").exit_code == 0
    victim = tmp_path / "reference" / "mkPlatform.md"
    victim.write_text(victim.read_text() + "more\n")
    outcome = cli(*arguments, "--check")
    assert outcome.exit_code == 2
    assert f"{victim}: edited" in outcome.stdout


def test_without_a_folder_it_says_what_to_give(cli: Any) -> None:
    assert cli("docs").exit_code == 64
