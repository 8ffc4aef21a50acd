"""The programs that Kubeflow Pipelines' installation brings along, started as its pods start them, against real protocols.

Expiry and profiles talk to moto, a double of AWS, through botocore; uploads talk to a small server of the API that they use.
"""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.cluster.controlplane import free_ports  # noqa: E402
from tests.live.venvs import Unavailable, environment  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]
KEYS = {"accesskey": "pipelines", "secretkey": "not-a-secret"}

INSTALLATION = """
let mlops = import {root}/lib {{ }}; in (mlops.mkKubeflowPipelines {{
  name = "pipelines"; namespace = "team-a"; {options}
}}).objects
"""


def objects(options: str) -> dict[str, Object]:
    """What is rendered, by kind and name; hashes of Jobs are left out."""
    code = INSTALLATION.format(root=ROOT, options=options)
    command = ["nix-instantiate", "--eval", "--strict", "--json", "-E", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return {
        f"{item['kind']}/{re.sub('-[0-9a-f]{8}$', '', item['metadata']['name'])}": item
        for item in json.loads(done.stdout)
    }


def process(
    workload: Object, mounted: dict[str, Path], changes: dict[str, str], python: Path
) -> tuple[list[str], dict[str, str]]:
    """Command and environment of a pod's only container, its volumes somewhere on this machine."""
    spec = workload["spec"].get("jobTemplate", workload)["spec"]["template"]["spec"]
    [container] = spec["containers"]
    variables: dict[str, str] = {}
    for entry in container["env"]:
        source = entry.get("valueFrom", {})
        if "secretKeyRef" in source:
            variables[entry["name"]] = KEYS[source["secretKeyRef"]["key"]]
        elif "fieldRef" in source:
            variables[entry["name"]] = workload["metadata"]["namespace"]
        else:
            variables[entry["name"]] = entry.get("value", "")
    assert set(changes) <= set(variables), "only what the pod has is changed"
    command = [str(python), *container["command"][1:]]
    for path, folder in mounted.items():
        command = [word.replace(path, str(folder)) for word in command]
        variables = {name: value.replace(path, str(folder)) for name, value in variables.items()}
    return command, {"PATH": os.environ["PATH"], **variables, **changes}


def files(config_map: Object, folder: Path) -> Path:
    folder.mkdir()
    for name, text in config_map["data"].items():
        (folder / name).write_text(text)
    return folder


def run(command: list[str], variables: dict[str, str]) -> str:
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def until_open(url: str, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            assert time.monotonic() < end, f"{url} does not answer"
            time.sleep(0.05)
        else:
            return


@contextlib.contextmanager
def started(command: list[str], variables: dict[str, str], url: str) -> Iterator[None]:
    """A program for the length of the block."""
    server = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        until_open(url)
        yield
    finally:
        server.terminate()
        _, errors = server.communicate(timeout=20)
    assert "Traceback" not in errors, errors


@pytest.fixture(scope="module")
def tools() -> Path:
    """The folder of an environment with botocore, which has moto, too."""
    try:
        return environment("moto", ["moto[server]>=5,<6"]) / "bin"
    except Unavailable as reason:
        pytest.skip(f"no double of AWS: {reason}")


@pytest.fixture
def aws(tools: Path) -> Iterator[str]:
    """The URL of a fresh double of AWS."""
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    program = [str(tools / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with started(program, {"PATH": os.environ["PATH"]}, f"{url}/moto-api/"):
        yield url


ASK = """
import botocore.session, json, sys
service, url, method, arguments = sys.argv[1:]
client = botocore.session.get_session().create_client(
    service, endpoint_url=url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
answer = getattr(client, method)(**json.loads(arguments))
answer.pop("ResponseMetadata", None)
print(json.dumps(answer, default=str))
"""


def ask(tools: Path, url: str, service: str, method: str, **arguments: object) -> Any:
    """Ask the double, as a client of AWS does."""
    command = [str(tools / "python"), "-c", ASK, service, url, method, json.dumps(arguments)]
    return json.loads(run(command, {"PATH": os.environ["PATH"]}))


def stub(folder: Path, name: str, script: str) -> None:
    """Put a program of that name where a script finds it first."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def shell(words: list[str], folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a container's script with the stubs of a folder."""
    path = f"{folder / 'stubs'}:{os.environ['PATH']}"
    environment = {"PATH": path, "STATE": str(folder), **variables}
    words = [word.replace("/tmp/initialized", str(folder / "initialized")) for word in words]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_bundled_store_makes_its_bucket_and_user_when_the_server_answers(tmp_path: Path) -> None:
    rendered = objects('storage.bucket = "acme-ml";')
    [container] = rendered["Deployment/seaweedfs"]["spec"]["template"]["spec"]["containers"]
    variables = {entry["name"]: entry.get("value", entry["name"].lower()) for entry in container["env"]}
    stubs = tmp_path / "stubs"
    stub(stubs, "sleep", "")
    # The server answers the third time; a bucket is listed once it is made, and a longer name is another bucket.
    stub(stubs, "wget", 'echo x >> "$STATE/asked"; [ "$(wc -l < "$STATE/asked")" -ge 3 ]')
    stub(
        stubs,
        "weed",
        """read -r line; echo "$line" >> "$STATE/said"
case "$line" in
  s3.bucket.create*) touch "$STATE/made" ;;
  s3.bucket.list) echo "acme-mlx"; if [ -e "$STATE/made" ]; then echo "  acme-ml size:0"; fi ;;
esac""",
    )
    done = shell(container["lifecycle"]["postStart"]["exec"]["command"], tmp_path, variables)
    assert done.returncode == 0, done.stdout + done.stderr
    said = (tmp_path / "said").read_text()
    assert "s3.bucket.create -name acme-ml\n" in said
    assert "-user kubeflow-admin -access_key access_key -secret_key secret_key -actions Admin -apply" in said
    assert (tmp_path / "initialized").exists()


def test_the_bundled_store_gives_up_on_a_server_that_is_silent(tmp_path: Path) -> None:
    [container] = objects("")["Deployment/seaweedfs"]["spec"]["template"]["spec"]["containers"]
    stub(tmp_path / "stubs", "sleep", "")
    stub(tmp_path / "stubs", "wget", "exit 1")
    done = shell(container["lifecycle"]["postStart"]["exec"]["command"], tmp_path, {"BUCKET": "mlpipeline"})
    assert done.returncode != 0
    assert "gave up: answers" in done.stdout
    assert not (tmp_path / "initialized").exists()


@pytest.mark.parametrize(("answers_after", "code"), [(3, 0), (1000, 1)])
def test_pods_wait_for_what_they_need(tmp_path: Path, answers_after: int, code: int) -> None:
    spec = objects("")["Deployment/ml-pipeline"]["spec"]["template"]["spec"]
    waiting = next(one for one in spec["initContainers"] if one["name"] == "wait-for-metadata-grpc")
    variables = {entry["name"]: entry["value"] for entry in waiting["env"]}
    stub(tmp_path / "stubs", "sleep", "")
    stub(tmp_path / "stubs", "nc", f'echo "$*" >> "$STATE/tried"; [ "$(wc -l < "$STATE/tried")" -ge {answers_after} ]')
    done = shell([*waiting["command"], *waiting["args"]], tmp_path, variables)
    assert done.returncode == code, done.stdout + done.stderr
    assert set((tmp_path / "tried").read_text().splitlines()) == {"-z -w 2 metadata-grpc-service 8080"}


def test_with_tls_the_metadata_store_gets_its_certificates_in_one_file(tmp_path: Path) -> None:
    spec = objects("tls.enabled = true;")["Deployment/metadata-grpc-deployment"]["spec"]["template"]["spec"]
    writing = next(one for one in spec["initContainers"] if one["name"] == "configuration")
    for name in ("tls.key", "tls.crt", "ca.crt"):
        (tmp_path / name).write_text(f"-----BEGIN {name}-----\nabc+/=\n-----END {name}-----\n")
    places = {"/etc/pki/tls/certs": str(tmp_path), "/etc/grpc": str(tmp_path)}
    words = [*writing["command"], *writing["args"]]
    for path, folder in places.items():
        words = [word.replace(path, folder) for word in words]
    variables = {entry["name"]: entry["name"].lower() for entry in writing["env"]}
    done = shell(words, tmp_path, variables)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "config.proto").read_text()
    assert 'server_key: "-----BEGIN tls.key-----\\nabc+/=\\n-----END tls.key-----\\n"' in text
    assert 'password: "dbconfig_password"' in text
    assert (tmp_path / "config.proto").stat().st_mode & 0o077 == 0


def test_expiry_sets_its_rules_and_keeps_those_of_others(tools: Path, aws: str, tmp_path: Path) -> None:
    rendered = objects('storage = { bucket = "acme-ml"; path = "kfp"; retentionDays = 30; };')
    programs = files(rendered["ConfigMap/ml-pipeline-retention"], tmp_path / "programs")
    ask(tools, aws, "s3", "create_bucket", Bucket="acme-ml")
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 7}}
    lifecycle = {"Rules": [theirs, {**theirs, "ID": "kubeflow-pipelines-old", "Filter": {"Prefix": "old/"}}]}
    ask(tools, aws, "s3", "put_bucket_lifecycle_configuration", Bucket="acme-ml", LifecycleConfiguration=lifecycle)

    for workload in ("Job/ml-pipeline-retention", "CronJob/ml-pipeline-retention"):
        command, variables = process(
            rendered[workload], {"/programs": programs}, {"S3_ENDPOINT": aws}, tools / "python"
        )
        said = run(command, variables)
        assert ("nothing to change" in said) == workload.startswith("CronJob")

    rules = ask(tools, aws, "s3", "get_bucket_lifecycle_configuration", Bucket="acme-ml")["Rules"]
    assert {rule["Filter"]["Prefix"]: rule["Expiration"]["Days"] for rule in rules} == {
        "logs/": 7,
        "kfp/private-artifacts/": 30,
        "kfp/v2/artifacts/": 30,
    }


def test_expiry_fails_where_there_is_no_bucket(tools: Path, aws: str, tmp_path: Path) -> None:
    rendered = objects("storage.retentionDays = 30;")
    programs = files(rendered["ConfigMap/ml-pipeline-retention"], tmp_path / "programs")
    command, variables = process(
        rendered["Job/ml-pipeline-retention"], {"/programs": programs}, {"S3_ENDPOINT": aws}, tools / "python"
    )
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "NoSuchBucket" in done.stderr


def test_a_profile_gets_its_settings_and_a_key_once(tools: Path, aws: str, tmp_path: Path) -> None:
    rendered = objects(
        'multiUser = { enabled = true; artifactProxy = true; }; storage = { bucket = "acme-ml"; path = "kfp"; };'
    )
    hooks = files(rendered["ConfigMap/kubeflow-pipelines-profile-controller-code"], tmp_path / "hooks")
    ask(tools, aws, "s3", "create_bucket", Bucket="acme-ml")
    # SeaweedFS makes a user with its first key; AWS wants it made before.
    ask(tools, aws, "iam", "create_user", UserName="alice")
    command, variables = process(
        rendered["Deployment/kubeflow-pipelines-profile-controller"],
        {"/hooks": hooks},
        {"S3_URL": aws, "IAM_URL": aws},
        tools / "python",
    )
    [port] = free_ports(1)
    program = (hooks / "sync.py").read_text()
    (hooks / "sync.py").write_text(program.replace('("", 8080)', f'("127.0.0.1", {port})'))
    url = f"http://127.0.0.1:{port}/sync"

    def sync(labels: dict[str, str], attachments: dict[str, Object]) -> Object:
        parent = {"metadata": {"name": "alice", "labels": labels}}
        body = json.dumps({"object": parent, "attachments": attachments}).encode()
        answer: Object = json.load(urllib.request.urlopen(urllib.request.Request(url, body), timeout=30))
        return answer

    enabled = {"pipelines.kubeflow.org/enabled": "true"}
    with started(command, variables, url):
        assert sync({}, {}) == {"status": {}, "attachments": []}
        first = sync(enabled, {})
        made = {f"{item['kind']}/{item['metadata']['name']}": item for item in first["attachments"]}
        there: dict[str, Object] = {}
        for item in first["attachments"]:
            kind = f"{item['kind']}.{item['apiVersion']}"
            there.setdefault(kind, {})[f"alice/{item['metadata']['name']}"] = item
        again = sync(enabled, there)

    assert first["status"] == {"kubeflow-pipelines-ready": "False"}
    assert again["status"] == {"kubeflow-pipelines-ready": "True"}
    assert again["attachments"] == first["attachments"], "the key stays"
    assert set(made) == {
        "ConfigMap/kfp-launcher",
        "ConfigMap/metadata-grpc-configmap",
        "ConfigMap/artifact-repositories",
        "Deployment/ml-pipeline-ui-artifact",
        "Service/ml-pipeline-ui-artifact",
        "Secret/mlpipeline-minio-artifact",
    }
    launcher = made["ConfigMap/kfp-launcher"]["data"]
    assert launcher["defaultPipelineRoot"] == "minio://acme-ml/kfp/private-artifacts/alice/v2/artifacts"
    archive = json.loads(made["ConfigMap/artifact-repositories"]["data"]["default-namespaced"])
    assert archive["s3"]["bucket"] == "acme-ml"
    assert archive["s3"]["endpoint"] == "seaweedfs.team-a.svc:9000"
    assert archive["s3"]["keyFormat"].startswith("kfp/private-artifacts/alice/{{workflow.name}}/")
    host = made["ConfigMap/metadata-grpc-configmap"]["data"]["METADATA_GRPC_SERVICE_HOST"]
    assert host == "metadata-grpc-service.team-a"
    keys = ask(tools, aws, "iam", "list_access_keys", UserName="alice")["AccessKeyMetadata"]
    secret = made["Secret/mlpipeline-minio-artifact"]["data"]
    assert [key["AccessKeyId"] for key in keys] == [base64.b64decode(secret["accesskey"]).decode()]
    policy = json.loads(ask(tools, aws, "s3", "get_bucket_policy", Bucket="acme-ml")["Policy"])
    deny = next(statement for statement in policy["Statement"] if statement["Effect"] == "Deny")
    assert deny["Condition"]["StringLike"]["s3:prefix"] == ["kfp/private-artifacts/*", "kfp/private/*"]


class Pipelines(http.server.BaseHTTPRequestHandler):
    """As much of the API server as uploads need; lists come in pages of one."""

    pipelines: dict[str, str]
    versions: dict[str, dict[str, bytes]]

    def log_message(self, *_: object) -> None:
        """Be quiet."""

    def page(self, items: list[Object], field: str, query: dict[str, list[str]]) -> Object:
        at = int(query.get("page_token", ["0"])[0] or 0)
        last = at + 1 >= len(items)
        return {field: items[at : at + 1], "next_page_token": "" if last else str(at + 1)}

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        path = url.path.removeprefix("/apis/v2beta1")
        if path == "/healthz":
            self.answer({})
        elif path == "/pipelines":
            known = [{"pipeline_id": key, "name": name} for key, name in self.pipelines.items()]
            self.answer(self.page(known, "pipelines", query))
        else:
            key = path.split("/")[2]
            self.answer(self.page([{"name": name} for name in self.versions[key]], "pipeline_versions", query))

    def do_POST(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if url.path.endswith("/upload_version"):
            query = urllib.parse.parse_qs(url.query)
            boundary = self.headers["Content-Type"].partition("boundary=")[2].encode()
            part = body.split(b"--" + boundary)[1]
            assert b'name="uploadfile"' in part
            self.versions[query["pipelineid"][0]][query["name"][0]] = part.split(b"\r\n\r\n", 1)[1][:-2]
            self.answer({})
        else:
            key = f"id-{len(self.pipelines)}"
            self.pipelines[key] = json.loads(body)["name"]
            self.versions[key] = {}
            self.answer({"pipeline_id": key})

    def answer(self, value: Object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def api() -> Iterator[tuple[str, type[Pipelines]]]:
    """The URL of an API server, and what it knows."""
    handler = type("OfOneTest", (Pipelines,), {"pipelines": {"id-x": "theirs"}, "versions": {"id-x": {}}})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()
        thread.join()


def test_pipelines_are_uploaded_once_and_again_when_they_change(
    api: tuple[str, type[Pipelines]], tmp_path: Path
) -> None:
    url, server = api

    def upload(label: str, pipelines: str) -> str:
        rendered = objects(f"pipelines = {{ {pipelines} }};")
        folder = files(rendered["ConfigMap/ml-pipeline-pipelines"], tmp_path / label)
        job = rendered["Job/ml-pipeline-pipelines"]
        return run(*process(job, {"/pipelines": folder}, {"API": url}, Path(sys.executable)))

    hello = 'hello = { pipelineInfo.name = "hello"; schemaVersion = "2.1.0"; };'
    assert upload("one", hello + 'other = { pipelineInfo.name = "other"; };').count("uploaded") == 2
    assert upload("two", hello).strip().endswith("is there")
    assert upload("three", hello.replace("2.1.0", "2.1.1")).count("uploaded") == 1
    assert sorted(server.pipelines.values()) == ["hello", "other", "theirs"]
    [key] = [key for key, name in server.pipelines.items() if name == "hello"]
    texts = list(server.versions[key].values())
    assert [b"2.1.0" in text or b"2.1.1" in text for text in texts] == [True, True]
