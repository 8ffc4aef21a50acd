"""``mlops-nix render``: what is written, what is said, and what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml
from mlops_nix.errors import InputError
from mlops_nix.render import contents, kustomization, stream
from mlops_nix.setdocument import FORMAT, CrdFile, Entry, SetDocument, Wave

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("nix-instantiate") is None, reason="Nix is not installed")

CRD = b"# upstream\n---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: widgets.example.com"


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def document(*entries: Entry, crds: tuple[CrdFile, ...] = ()) -> SetDocument:
    numbers = sorted({entry.wave for entry in entries})
    return SetDocument(
        format=FORMAT,
        name="acme",
        waves=tuple(Wave(name=f"w{number}", number=number) for number in numbers),
        entries=entries,
        crds=crds,
    )


def entry(file: str, wave: int = 20, component: str | None = "x", name: str = "a") -> Entry:
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    return Entry(object=obj, wave=wave, file=file, component=component, yaml=f"name: {name}\n")


@pytest.fixture
def with_crd(platform: Any, web: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLOPS_NIX_CACHE", str(tmp_path / "cache"))
    web.answers = [web.answer(CRD)]
    return platform(crds=True, crdUrl=f"{web.url}/widgets.yaml", crdSha256=hashlib.sha256(CRD).hexdigest())


def test_every_object_is_a_file_with_nixs_own_bytes_in_apply_order(cli: Any, with_crd: Path, tmp_path: Path) -> None:
    outcome = cli("render", with_crd, "--out", tmp_path / "out")
    assert outcome.exit_code == 0, outcome.stderr
    written = files(tmp_path / "out")
    assert list(written) == [
        "00-namespaces/namespace-ml-platform.yaml",
        "10-crds/widgets.yaml",
        "20-config/mlflow/configmap-mlflow.yaml",
        "20-config/postgres/service-postgres.yaml",
        "55-stage-1/mlflow/deployment-mlflow.yaml",
        "kustomization.yaml",
        "mlops-nix.json",
    ]
    assert written["10-crds/widgets.yaml"] == CRD
    assert yaml.safe_load(written["kustomization.yaml"])["resources"] == list(written)[:5]
    listed = json.loads(written["mlops-nix.json"])
    assert listed["files"] == {
        path: hashlib.sha256(content).hexdigest() for path, content in written.items() if path != "mlops-nix.json"
    }


def test_the_summary_names_what_a_reader_needs_next(cli: Any, with_crd: Path, tmp_path: Path) -> None:
    text = cli("render", with_crd, "--out", tmp_path / "out").stdout
    for words in (
        "acme for Kubernetes 1.36: 4 objects in 4 waves",
        "mlflow    mlflow 3.17.2    ml-platform  2 objects",
        "1 ConfigMap · 1 Deployment · 1 Namespace · 1 Service",
        "10  crds        1 CRD file of upstream's",
        "ghcr.io/mlflow/mlflow:v3.17.2-full  mlflow",
        "cert-manager v1.21.1  for mlflow",
        "kubectl apply --server-side -f https://github.com/cert-manager/",
        "ml-platform/mlflow-db  username (fixed), password (generated), ca.crt (from you)",
        "http://mlflow.ml-platform.svc:5000",
        "Warnings (1)",
        "(7 files: 7 new)",
        f"mlops-nix validate {tmp_path / 'out'}",
    ):
        assert words in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 140


def test_json_on_stdout_is_json_alone(cli: Any, platform: Any, tmp_path: Path) -> None:
    outcome = cli("render", platform(), "--out", tmp_path / "out", "--output", "json")
    value = json.loads(outcome.stdout)
    assert value["name"] == "acme"
    assert value["kinds"] == {"ConfigMap": 1, "Deployment": 1, "Namespace": 1, "Service": 1}
    assert len(value["files"]["new"]) == 6
    assert [key["key"] for key in value["secrets"][0]["keys"]] == ["username", "password", "ca.crt"]


def test_a_second_run_writes_nothing_and_check_agrees(cli: Any, platform: Any, tmp_path: Path) -> None:
    target, out = platform(), tmp_path / "out"
    cli("render", target, "--out", out, "-q")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    assert "6 unchanged" in cli("render", target, "--out", out).stdout
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before
    assert cli("render", target, "--out", out, "--check").exit_code == 0


def test_check_names_the_stale_files_exits_2_and_writes_nothing(cli: Any, platform: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cli("render", platform(), "--out", out, "-q")
    before = files(out)
    outcome = cli("render", platform("other.nix", replicas=3), "--out", out, "--check")
    assert outcome.exit_code == 2
    assert f"{out}/55-stage-1/mlflow/deployment-mlflow.yaml: outdated" in outcome.stdout
    assert "namespace" not in outcome.stdout
    assert files(out) == before
    value = json.loads(cli("render", platform("other.nix", replicas=3), "--out", out, "--check", "-o", "json").stdout)
    assert value["current"] is False
    assert set(value["files"]) == {"55-stage-1/mlflow/deployment-mlflow.yaml", "mlops-nix.json"}
    assert cli("render", platform(), "--out", tmp_path / "none", "--check").exit_code == 2
    assert not (tmp_path / "none").exists()


def test_a_change_of_layout_leaves_no_file_of_the_old_one(cli: Any, platform: Any, tmp_path: Path) -> None:
    target, out = platform(), tmp_path / "out"
    cli("render", target, "--out", out, "-q")
    cli("render", target, "--out", out, "-q", "--layout", "components")
    assert list(files(out)) == [
        "00-namespaces/platform.yaml",
        "20-config/mlflow.yaml",
        "20-config/postgres.yaml",
        "55-stage-1/mlflow.yaml",
        "kustomization.yaml",
        "mlops-nix.json",
    ]
    cli("render", target, "--out", out, "-q", "--layout", "single")
    assert list(files(out)) == ["acme.yaml", "kustomization.yaml", "mlops-nix.json"]
    kinds = [obj["kind"] for obj in yaml.safe_load_all((out / "acme.yaml").read_text())]
    assert kinds == ["Namespace", "ConfigMap", "Service", "Deployment"]


def test_the_stream_is_in_apply_order_with_the_crds_in_their_place(cli: Any, with_crd: Path) -> None:
    outcome = cli("render", with_crd, "--stdout")
    kinds = [obj["kind"] for obj in yaml.safe_load_all(outcome.stdout)]
    assert kinds == ["Namespace", "CustomResourceDefinition", "ConfigMap", "Service", "Deployment"]
    bare = cli("render", with_crd, "--stdout", "--no-crds").stdout
    assert [obj["kind"] for obj in yaml.safe_load_all(bare)] == ["Namespace", "ConfigMap", "Service", "Deployment"]


def test_crds_by_url_need_no_network_and_stand_in_the_kustomization(
    cli: Any, with_crd: Path, web: Any, tmp_path: Path
) -> None:
    outcome = cli("render", with_crd, "--out", tmp_path / "out", "--crds", "urls", "-q")
    assert outcome.exit_code == 0
    resources = yaml.safe_load((tmp_path / "out" / "kustomization.yaml").read_text())["resources"]
    assert resources[1] == f"{web.url}/widgets.yaml"
    assert not (tmp_path / "out" / "10-crds").exists()
    assert web.requests == []


def test_offline_without_the_file_is_an_error_before_anything_is_written(
    cli: Any, with_crd: Path, tmp_path: Path
) -> None:
    outcome = cli("render", with_crd, "--out", tmp_path / "out", "--offline")
    assert outcome.exit_code == 3
    assert "not in the cache" in outcome.stderr
    assert "--source" in outcome.stderr
    assert not (tmp_path / "out").exists()


def test_an_edited_file_stops_the_run_and_force_goes_on(cli: Any, platform: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cli("render", platform(), "--out", out, "-q")
    edited = out / "55-stage-1/mlflow/deployment-mlflow.yaml"
    edited.write_text("mine")
    outcome = cli("render", platform(replicas=3), "--out", out)
    assert outcome.exit_code == 3
    assert "55-stage-1/mlflow/deployment-mlflow.yaml was edited" in outcome.stderr
    assert edited.read_text() == "mine"
    assert cli("render", platform(replicas=3), "--out", out, "--force", "-q").exit_code == 0
    assert json.loads(edited.read_text())["spec"]["replicas"] == 3


def test_a_foreign_folder_is_not_touched(cli: Any, platform: Any, tmp_path: Path) -> None:
    out = tmp_path / "repo"
    out.mkdir()
    (out / "kustomization.yaml").write_text("resources: []\n")
    outcome = cli("render", platform(), "--out", out)
    assert outcome.exit_code == 3
    assert f"{out}/kustomization.yaml: in the way: not written by mlops-nix" in outcome.stderr
    assert files(out) == {"kustomization.yaml": b"resources: []\n"}


def test_an_evaluation_error_is_the_librarys_message_and_nothing_is_written(cli: Any, tmp_path: Path) -> None:
    file = tmp_path / "bad.nix"
    file.write_text('throw "mkX: a: unknown option\\nmkX: b: missing"')
    outcome = cli("render", file, "--out", tmp_path / "out")
    assert (outcome.exit_code, outcome.stdout) == (3, "")
    assert outcome.stderr == "error: mkX: a: unknown option\n  mkX: b: missing\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [[], ["--out", "x", "--stdout"], ["--stdout", "--check"], ["--stdout", "--layout", "single"], ["--layout", "flat"]],
)
def test_a_wrong_use_exits_64_and_names_the_help(cli: Any, arguments: list[str]) -> None:
    outcome = cli("render", "x.nix", *arguments)
    assert outcome.exit_code == 64
    assert "`mlops-nix render --help`" in outcome.stderr


def test_what_is_rendered_already_is_not_rendered_again(cli: Any, platform: Any, tmp_path: Path) -> None:
    cli("render", platform(), "--out", tmp_path / "out", "-q")
    outcome = cli("render", tmp_path / "out", "--out", tmp_path / "again")
    assert outcome.exit_code == 3
    assert "rendered already" in outcome.stderr


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kustomize_keeps_the_order_of_the_document(cli: Any, with_crd: Path, tmp_path: Path) -> None:
    cli("render", with_crd, "--out", tmp_path / "out", "-q")
    built = subprocess.run(["kubectl", "kustomize", tmp_path / "out"], capture_output=True, check=True).stdout
    kinds = [obj["kind"] for obj in yaml.safe_load_all(built)]
    assert kinds == ["Namespace", "CustomResourceDefinition", "ConfigMap", "Service", "Deployment"]


# --- documents that no library of ours would give ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["../a.yaml", "/a.yaml", "a//b.yaml", "a\\b.yaml"])
def test_a_path_out_of_the_folder_is_refused(path: str) -> None:
    with pytest.raises(InputError, match="no path for a file of the folder"):
        contents(document(entry(path)), {})


def test_two_objects_of_one_file_are_named() -> None:
    with pytest.raises(InputError, match=r"a\.yaml: two things are written to one file: ConfigMap a and ConfigMap b"):
        contents(document(entry("a.yaml"), entry("a.yaml", name="b")), {})


@pytest.mark.parametrize("path", ["kustomization.yaml", "mlops-nix.json"])
def test_our_own_files_cannot_be_taken(path: str) -> None:
    with pytest.raises(InputError, match="mlops-nix itself and ConfigMap a"):
        contents(document(entry(path)), {})


def test_a_folder_and_a_file_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="exclude one another"):
        contents(document(entry("a"), entry("a/b.yaml", name="b")), {})


def test_a_document_without_texts_cannot_be_written() -> None:
    bare = msgspec.structs.replace(entry("a.yaml"), yaml=None)
    with pytest.raises(InputError, match="has no text"):
        stream(document(bare), {})


def test_crd_files_are_joined_to_a_stream_that_parses() -> None:
    crds = tuple(CrdFile(name=f"c{n}", file=f"10-crds/{n}.yaml", sha256="0" * 64) for n in range(3))
    texts = {
        "10-crds/0.yaml": b"---\na: 0\n---\nb: 0",
        "10-crds/1.yaml": b"\xef\xbb\xbfa: 1\n\n\n",
        "10-crds/2.yaml": b"\n---\na: 2\n",
    }
    text = stream(document(entry("x.yaml", wave=0), entry("y.yaml", wave=30), crds=crds), texts)
    assert list(yaml.safe_load_all(text)) == [{"name": "a"}, {"a": 0}, {"b": 0}, {"a": 1}, {"a": 2}, {"name": "a"}]


@pytest.mark.parametrize(
    "resource",
    [
        "00-a/b.yaml",
        "https://raw.githubusercontent.com/a/b/1/c.yaml?x=1",
        "null.yaml",
        "a b/c.yaml",
        "no",
        "-x/y.yaml",
        "ü/x.yaml",
        "a/b: c.yaml",
        "#/a.yaml",
    ],
)
def test_every_resource_reads_back_as_the_same_text(resource: str) -> None:
    text = kustomization([resource])
    for loader in (yaml.SafeLoader, yaml.CSafeLoader):
        assert yaml.load(text, Loader=loader)["resources"] == [resource]
