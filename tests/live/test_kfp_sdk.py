"""What the SDK of Kubeflow Pipelines compiles is accepted by what is rendered: at evaluation, by upstream's CRDs, by a real API server."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.cluster.controlplane import Unavailable as NoPlane  # noqa: E402
from tests.cluster.controlplane import running  # noqa: E402
from tests.live.venvs import Unavailable, environment  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.controlplane import Api

CRDS = Path(os.environ.get("MLOPS_NIX_REFERENCE", ROOT.parent / "shared")) / "upstream" / "crds"
Object = dict[str, Any]

PLATFORM = """
{{ pipelines }}: let mlops = import {root}/lib {{ }}; platform = mlops.mkPlatform {{
  name = "live";
  external = [ "cert-manager" ];
  components.pipelines = mlops.mkKubeflowPipelines {{
    name = "pipelines";
    pipelineStore = "kubernetes";
    storage.retentionDays = 30;
    v1Components = true;
    inherit pipelines;
  }};
}}; in {{ inherit (platform) crds; objects = map (wave: wave.objects) platform.waves; }}
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the SDK wrote."""
    folder = tmp_path_factory.mktemp("compiled")
    try:
        sdk = environment("kfp-sdk", ["kfp==2.17.0", "kfp-kubernetes==2.17.0"])
    except Unavailable as reason:
        pytest.skip(f"no SDK of Kubeflow Pipelines: {reason}")
    program = [str(sdk / "bin" / "python"), str(ROOT / "tests" / "live" / "kfp_training.py"), str(folder)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    pipeline, platform = yaml.safe_load_all((folder / "training.yaml").read_text())
    (folder / "training.json").write_text(json.dumps({"pipelineSpec": pipeline, "platformSpec": platform}))
    return folder


@pytest.fixture(scope="module")
def platform(compiled: Path) -> dict[str, Any]:
    """The rendered installation that holds the two pipelines as resources."""
    pipelines = f"{{ training = {compiled}/training.json; plain = {compiled}/plain.json; }}"
    code = f"({PLATFORM.format(root=ROOT)}) {{ pipelines = {pipelines}; }}"
    command = ["nix-instantiate", "--eval", "--strict", "--json", "-E", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    rendered: dict[str, Any] = json.loads(done.stdout)
    return rendered


def of_kind(platform: dict[str, Any], kind: str) -> dict[str, Object]:
    found = [item for wave in platform["objects"] for item in wave if item["kind"] == kind]
    return {item["spec"].get("pipelineName", item["metadata"]["name"]): item for item in found}


def test_a_resource_holds_exactly_what_the_sdk_compiled(compiled: Path, platform: dict[str, Any]) -> None:
    versions = of_kind(platform, "PipelineVersion")
    training = json.loads((compiled / "training.json").read_text())
    assert versions["training"]["spec"]["pipelineSpec"] == training["pipelineSpec"]
    assert versions["training"]["spec"]["platformSpec"] == training["platformSpec"]
    assert versions["plain"]["spec"]["pipelineSpec"] == json.loads((compiled / "plain.json").read_text())
    assert set(of_kind(platform, "Pipeline")) == {"training", "plain"}


def test_upstreams_schemas_accept_the_resources(platform: dict[str, Any]) -> None:
    for kind, file in (("Pipeline", "pipelines.yaml"), ("PipelineVersion", "pipelineversions.yaml")):
        path = CRDS / "pipelines.kubeflow.org" / file
        if not path.is_file():
            pytest.skip(f"{path} is not here; set MLOPS_NIX_REFERENCE to the folder that holds upstream/")
        schema = yaml.safe_load(path.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for item in of_kind(platform, kind).values():
            jsonschema.validate(item, schema)


def files_of(platform: dict[str, Any]) -> list[Path]:
    """The CRDs of the installation, and of cert-manager, found by what they must be."""
    if not CRDS.is_dir():
        pytest.skip(f"{CRDS} is not here; set MLOPS_NIX_REFERENCE to the folder that holds upstream/")
    by_hash = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in CRDS.glob("*/*.yaml")}
    wanted = [by_hash[crd["sha256"]] for crd in platform["crds"]]
    return wanted + [CRDS / "cert-manager.io" / name for name in ("issuers.yaml", "certificates.yaml")]


@pytest.fixture(scope="module")
def server(platform: dict[str, Any]) -> Iterator[Api]:
    """A real API server that has the CRDs of the installation."""
    files = files_of(platform)
    try:
        with running(crds=files) as plane:
            yield plane.admin
    except NoPlane as reason:
        pytest.skip(f"no real control plane: {reason}")


def url_of(server: Api, item: Object, cache: dict[str, dict[str, Object]]) -> str:
    version = item["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    if version not in cache:
        resources = server.get(root).body["resources"]
        cache[version] = {one["kind"]: one for one in resources if "/" not in one["name"]}
    resource = cache[version][item["kind"]]
    place = f"/namespaces/{item['metadata']['namespace']}" if resource["namespaced"] else ""
    return f"{root}{place}/{resource['name']}/{item['metadata']['name']}"


def test_a_real_api_server_accepts_the_whole_installation_and_the_pipelines(
    server: Api, platform: dict[str, Any]
) -> None:
    objects = [item for wave in platform["objects"] for item in wave]
    # Nothing runs here, so that the webhooks, which refuse what they cannot look at, come last.
    objects.sort(key=lambda item: item["kind"].endswith("WebhookConfiguration"))
    cache: dict[str, dict[str, Object]] = {}
    refused = []
    for item in objects:
        answer = server.apply(url_of(server, item, cache), item)
        if answer.code not in {200, 201}:
            refused.append(f"{item['kind']} {item['metadata']['name']}: {answer.code} {answer.message}")
    assert not refused, "\n".join(refused)
    for name, item in of_kind(platform, "PipelineVersion").items():
        stored = server.get(url_of(server, item, cache)).body["spec"]
        assert stored == item["spec"], name


def test_the_same_server_refuses_a_version_that_holds_no_pipeline(server: Api) -> None:
    empty = {
        "apiVersion": "pipelines.kubeflow.org/v2beta1",
        "kind": "PipelineVersion",
        "metadata": {"name": "empty", "namespace": "default"},
        "spec": {"pipelineName": "empty"},
    }
    answer = server.apply(url_of(server, empty, {}), empty)
    assert answer.code == 422
    assert "spec.pipelineSpec" in answer.message
