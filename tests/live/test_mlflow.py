"""MLflow as it was rendered, on a real database and a real object store, used by clients that have no keys of the store."""

from __future__ import annotations

import base64
import functools
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if str(Path(__file__).resolve().parents[2]) not in sys.path:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.live.cluster import Cluster, Failed, Pod
from tests.live.images import MARIADB, MOTO, image
from tests.live.venvs import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = "ghcr.io/mlflow/mlflow:v3.17.2-full"
NASTY = "p@ss:/%'\"\\ %(here)s ${x} $(HOME) é#?&{password}"
# PyMySQL sends other characters as Latin-1, whatever the server expects.
# Else the double takes the first part of a Service's name for a bucket.
MOTO_COMMAND = ["env", "S3_IGNORE_SUBDOMAIN_BUCKETNAME=true", "moto_server", "-H", "0.0.0.0", "-p", "8333"]
NASTY_ASCII = NASTY.encode("ascii", "ignore").decode()
CLIENT = Path(__file__).with_name("mlflow_client.py")
SERVICE = "http://mlflow.ml-platform.svc:5000"
API = "/api/2.0/mlflow/experiments/search?max_results=10"


@functools.cache
def store_engine() -> str:
    """MinIO, which knows users and buckets, where it is; else a double that takes any keys."""
    try:
        image("quay.io/minio/minio:any")
        image("quay.io/minio/mc:any")
    except Unavailable as reason:
        sys.stderr.write(f"S3 is a double without users: {reason}\n")
        return "seaweedfs"
    return "minio"


def platform(mlflow: str, postgres: str = "", engine: str = "seaweedfs", external: str = "") -> str:
    return f"""
let
  postgres = mlops.mkPostgreSQL {{ namespace = "ml-data"; databases = [ "mlflow" {postgres} ]; }};
  store = mlops.mkObjectStore {{ namespace = "ml-data"; engine = "{engine}"; buckets = [ "artifacts" ]; }};
  mlflow = mlops.mkMLflowTracking ({{ namespace = "ml-platform"; trackingUri = "{SERVICE}"; }} // {mlflow});
in
mlops.mkPlatform {{
  name = "tracking";
  external = [ "prometheus-operator" {external} ];
  components = {{ inherit postgres store mlflow; }};
}}
"""


def with_double(cluster: Cluster) -> None:
    """Start the double of S3 as the object store's server, and make the bucket."""
    cluster.stand_in("Deployment", "store", "s3", MOTO, MOTO_COMMAND)
    script = "import boto3; boto3.client('s3', endpoint_url='http://store:9000').create_bucket(Bucket='artifacts')"
    keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1"}
    cluster.program("ml-data", MOTO, "python", "-c", script, env=keys)


def client(
    cluster: Cluster, action: str, *arguments: str, env: dict[str, str] | None = None, url: str = SERVICE
) -> Any:
    """Run the client in a namespace of its own, with the tracking URI and nothing else."""
    settings = {"MLFLOW_TRACKING_URI": url, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    code = CLIENT.read_text(encoding="utf-8")
    output = cluster.program(
        "default", IMAGE, "python", "-c", code, action, *arguments, env=settings | (env or {}), seconds=120
    )
    return json.loads(output.splitlines()[-1])


def fits(pod: Pod) -> None:
    limit = pod.main.spec["resources"]["limits"]["memory"]
    assert limit.endswith("Gi")
    assert pod.main.memory() < int(limit.removesuffix("Gi")) * 1024**3


# --- PostgreSQL and S3 ----------------------------------------------------------------------------------------------------------

WHOLE = """{
  backend = postgres.endpoints.mlflow;
  artifactStore = store.buckets.artifacts;
  ui.replicas = 2;
  monitoring = { enabled = true; rules = true; };
  gc = { enabled = true; olderThan = "1s"; };
}"""


class Whole:
    """Two servers on PostgreSQL and S3, with what a first client wrote."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.written: dict[str, Any] = {}

    def servers(self, count: int) -> list[Pod]:
        pods = [self.cluster.start("Deployment", "mlflow", wait=False) for _ in range(count)]
        return [pod.wait_ready(180) for pod in pods]

    @property
    def running(self) -> list[Pod]:
        return [pod for pod in self.cluster.pods if pod.name.startswith("mlflow-")]


@pytest.fixture(scope="module")
def whole(cluster_of: Callable[..., Cluster]) -> Whole:
    engine = store_engine()
    cluster = cluster_of(platform(WHOLE, engine=engine), {("ml-data", "postgres-mlflow", "password"): NASTY})
    cluster.start("StatefulSet", "postgres")
    cluster.complete("Job", "postgres-databases")
    if engine == "minio":
        cluster.start("Deployment", "store")
        cluster.complete("Job", "store-buckets")
    else:
        with_double(cluster)
    # On an empty database, and once more as after a restart of the Job's pod.
    assert "Creating initial MLflow database tables" in cluster.complete("Job", "mlflow-migrate")
    assert "Creating initial" not in cluster.complete("Job", "mlflow-migrate")
    ours = Whole(cluster)
    ours.servers(2)
    ours.written = client(cluster, "write")
    return ours


def test_a_client_without_keys_writes_and_reads_everything(whole: Whole) -> None:
    written = whole.written
    assert written["artifact_uri"].startswith("mlflow-artifacts:/")
    assert written["keys"] == []
    read = client(whole.cluster, "read", written["run"])
    assert read == {
        "parameters": {"depth": "7", "note": "ä/%@:'\""},
        "accuracies": [0.5, 0.75, 0.9],
        "artifacts": ["data/big.bin", "data/ümlaut ß.txt"],
        "big": written["big"],
        "text": "Grüße",
        "champion": written["second"],
        "challenger": written["first"],
        "prediction": [2, 4, 6],
        "runs": 2,
    }


def test_artifacts_lie_in_the_bucket_and_not_in_the_pod(whole: Whole) -> None:
    keys = whole.cluster.secrets["ml-data", "store-artifacts"]
    script = (
        "import boto3; pages = boto3.client('s3', endpoint_url='http://store:9000').get_paginator('list_objects_v2')"
        ".paginate(Bucket='artifacts'); print('\\n'.join(o['Key'] for page in pages for o in page.get('Contents', [])))"
    )
    names = whole.cluster.program(
        "ml-data", MOTO, "python", "-c", script, env={**keys, "AWS_DEFAULT_REGION": "us-east-1"}
    ).splitlines()
    assert any(name.endswith(f"{whole.written['run']}/artifacts/data/big.bin") for name in names), names


@pytest.mark.parametrize("with_port", [True, False])
@pytest.mark.parametrize(
    "host",
    ["mlflow", "mlflow.ml-platform", "mlflow.ml-platform.svc", "mlflow.ml-platform.svc.cluster.local", "localhost"],
)
def test_every_name_of_the_service_is_accepted(whole: Whole, host: str, with_port: bool) -> None:
    header = f"{host}:5000" if with_port else host
    assert whole.cluster.http(SERVICE + API, headers={"Host": header}).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example:5000", "mlflow.other.svc:5000", "mlflow.ml-platform.svc.evil.example:5000", "xmlflow:5000", ""],
)
def test_other_host_names_are_refused(whole: Whole, host: str) -> None:
    answer = whole.cluster.http(SERVICE + API, headers={"Host": host})
    assert answer.status in {400, 403}, answer.text


def test_prometheus_gets_what_the_rules_ask_for(whole: Whole) -> None:
    cluster = whole.cluster
    monitor = cluster.find("ServiceMonitor", "mlflow")["spec"]
    (endpoint,) = monitor["endpoints"]
    service = cluster.find("Service", "mlflow")
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (port,) = [port for port in service["spec"]["ports"] if port["name"] == endpoint["port"]]
    # Prometheus asks each pod by its address.
    texts = []
    for pod in whole.running:
        answer = cluster.http(f"http://{pod.address}:{pod.port(port['targetPort'])}{endpoint['path']}")
        assert answer.status == 200, answer.text
        texts.append(answer.text)
    rules = cluster.find("PrometheusRule", "mlflow")["spec"]["groups"]
    expressions = " ".join(rule["expr"] for group in rules for rule in group["rules"])
    names = set(re.findall(r"\bmlflow_\w+", expressions))
    assert names
    for name in names:
        assert any(re.search(rf"^{name}{{[^}}]*status=\"200\"", text, re.MULTILINE) for text in texts), name


def test_servers_fit_into_their_limits_and_write_to_their_volumes_only(whole: Whole) -> None:
    for pod in whole.running:
        fits(pod)
        attempts = "touch /probe; touch /usr/probe; touch /etc/probe; touch /tmp/probe && touch /prometheus/probe && echo fine; id -u"
        done = pod.main.execute("sh", "-c", attempts)
        assert done.stdout.split() == ["fine", "1000"]
        assert done.stderr.count("Read-only file system") == 3


def test_passwords_are_in_no_argument_and_no_log(whole: Whole) -> None:
    for pod in whole.running:
        main = pod.main.main()
        assert main is not None
        assert NASTY.encode() not in Path(f"/proc/{main}/cmdline").read_bytes()
        assert NASTY not in pod.main.log.read_text(encoding="utf-8")


def test_the_cleaner_removes_deleted_runs_and_their_artifacts_only(whole: Whole) -> None:
    doomed = client(whole.cluster, "doom")
    log = whole.cluster.complete("CronJob", "mlflow-gc")
    assert doomed["run"] in log
    assert client(whole.cluster, "gone", doomed["run"]) == {"gone": True}
    assert client(whole.cluster, "read", whole.written["run"])["big"] == whole.written["big"]


def test_nothing_is_lost_when_servers_are_killed(whole: Whole) -> None:
    before = client(whole.cluster, "read", whole.written["run"])
    for pod in whole.running:
        pod.kill()
    with pytest.raises(OSError):  # noqa: PT011
        whole.cluster.http(SERVICE + API, seconds=5)
    (server,) = whole.servers(1)
    assert client(whole.cluster, "read", whole.written["run"]) == before
    assert server.main.stop(), f"still there after the grace period\n{server.main.output()}"
    server.remove()


# --- users ----------------------------------------------------------------------------------------------------------------------

LOGIN = """{
  backend = postgres.endpoints.mlflow;
  artifactStore = store.buckets.artifacts;
  auth = { enabled = true; defaultPermission = "NO_PERMISSIONS"; };
  monitoring.enabled = true;
}"""


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def has_login(cluster: Cluster) -> None:
    """A server lets in whom it should, and nobody else."""
    secret = cluster.secrets["ml-platform", "mlflow-auth"]
    admin = basic("admin", secret["admin-password"])
    assert cluster.http(SERVICE + API).status == 401
    assert cluster.http(SERVICE + API, headers=basic("admin", "wrong")).status == 401
    assert cluster.http(SERVICE + API, headers=basic("admin", "password1234")).status == 401
    assert cluster.http(SERVICE + API, headers=admin).status == 200
    assert cluster.http(SERVICE + "/health").status == 200

    made = cluster.http(
        f"{SERVICE}/api/2.0/mlflow/users/create", "POST", admin, {"username": "guest", "password": "guest-password-1"}
    )
    assert made.status == 200, made.text
    guest = {"MLFLOW_TRACKING_USERNAME": "guest", "MLFLOW_TRACKING_PASSWORD": "guest-password-1"}
    boss = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": secret["admin-password"]}
    written = client(cluster, "small", "of-admin", env=boss)
    assert client(cluster, "small", "of-guest", env=guest)["experiment"] != written["experiment"]
    with pytest.raises(Failed, match=r"Permission denied|403"):
        client(cluster, "small", "of-admin", env=guest)


def test_users_must_log_in(cluster_of: Callable[..., Cluster]) -> None:
    cluster = cluster_of(
        platform(LOGIN, '{ name = "mlflow_auth"; owner = "mlflow"; }'),
        {("ml-data", "postgres-mlflow", "password"): NASTY},
    )
    postgres = cluster.start("StatefulSet", "postgres")
    cluster.complete("Job", "postgres-databases")
    with_double(cluster)
    cluster.complete("Job", "mlflow-migrate")
    cluster.complete("Job", "mlflow-migrate")
    cluster.start("Deployment", "mlflow", seconds=180)
    has_login(cluster)

    tables = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'users'"
    counts = [
        postgres.main.execute("psql", "-U", "postgres", "-Atc", tables, base).stdout
        for base in ("mlflow", "mlflow_auth")
    ]
    assert counts == ["0\n", "1\n"]

    # Prometheus logs in with what the ServiceMonitor names.
    (endpoint,) = cluster.find("ServiceMonitor", "mlflow")["spec"]["endpoints"]
    values = [
        cluster.secrets["ml-platform", endpoint["basicAuth"][part]["name"]][endpoint["basicAuth"][part]["key"]]
        for part in ("username", "password")
    ]
    assert cluster.http(SERVICE + endpoint["path"], headers=basic(*values)).status == 200
    assert cluster.http(SERVICE + endpoint["path"]).status == 401


# --- MySQL ----------------------------------------------------------------------------------------------------------------------

MYSQL = """{
  backend = { type = "mysql"; host = "mysql.ml-data.svc"; secretRef = { name = "mysql"; key = "password"; }; };
  artifactStore = store.buckets.artifacts;
  gc = { enabled = true; olderThan = "1s"; };
}"""

_MARIADB = r"""
set -eu
mariadb-install-db --no-defaults --datadir=/var/lib/mysql --auth-root-authentication-method=normal > /dev/null
cat > /tmp/init.sql <<SQL
DELETE FROM mysql.global_priv WHERE User = '';
FLUSH PRIVILEGES;
CREATE DATABASE mlflow;
CREATE USER 'mlflow'@'%' IDENTIFIED BY '$PASSWORD_IN_SQL';
GRANT ALL ON mlflow.* TO 'mlflow'@'%';
SQL
exec mariadbd --no-defaults --datadir=/var/lib/mysql --socket=/tmp/mariadb.sock --bind-address=0.0.0.0 --port=3306 \
  --character-set-server=utf8mb4 --init-file=/tmp/init.sql
"""


def start_mariadb(cluster: Cluster, password: str) -> Pod:
    """MariaDB, which stands for a MySQL server that somebody else runs, behind a Service of its own."""
    labels = {"app": "mysql"}
    cluster.add(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "mysql", "namespace": "ml-data"},
            "spec": {"selector": labels, "ports": [{"port": 3306}]},
        }
    )
    quoted = password.replace("\\", "\\\\").replace("'", "''")
    container = {
        "name": "mariadb",
        "image": MARIADB,
        "command": ["sh", "-c", _MARIADB],
        "env": [{"name": "PASSWORD_IN_SQL", "value": quoted.replace("$", "$$")}],
        "readinessProbe": {"tcpSocket": {"port": 3306}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "data", "mountPath": "/var/lib/mysql"}],
    }
    spec = {
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "data", "emptyDir": {}}],
        "securityContext": {"runAsUser": 999, "runAsGroup": 999, "fsGroup": 999},
        "enableServiceLinks": False,
    }
    pod = cluster.pod("ml-data", "mysql", labels, spec)
    cluster.run(pod, container)
    return pod.wait_ready(60)


def test_mysql_with_a_password_that_no_uri_could_hold(cluster_of: Callable[..., Cluster]) -> None:
    image(MARIADB)
    cluster = cluster_of(
        platform(MYSQL, external='"mysql.ml-data.svc"'), {("ml-platform", "mysql", "password"): NASTY_ASCII}
    )
    start_mariadb(cluster, NASTY_ASCII)
    with_double(cluster)
    cluster.complete("Job", "mlflow-migrate")
    cluster.complete("Job", "mlflow-migrate")
    server = cluster.start("Deployment", "mlflow", seconds=180)
    assert client(cluster, "small", "Grüße")["runs"] == 1
    doomed = client(cluster, "doom")
    assert doomed["run"] in cluster.complete("CronJob", "mlflow-gc")
    assert client(cluster, "gone", doomed["run"]) == {"gone": True}
    assert NASTY_ASCII not in server.main.log.read_text(encoding="utf-8")


# --- SQLite ---------------------------------------------------------------------------------------------------------------------


def test_sqlite_and_local_artifacts_below_a_prefix(cluster_of: Callable[..., Cluster]) -> None:
    url = SERVICE + "/team/tracking"
    cluster = cluster_of(platform(f'{{ trackingUri = "{url}"; }}'))
    server = cluster.start("Deployment", "mlflow", seconds=180)
    assert cluster.http(url + API).status == 200
    page = cluster.http(url + "/")
    assert page.status == 200
    assert "<html" in page.text
    assert cluster.http(SERVICE + "/health").status == 404
    written = client(cluster, "small", "default", url=url)
    server.kill()
    cluster.start("Deployment", "mlflow", seconds=180)
    again = client(cluster, "small", "default", url=url)
    assert again["experiment"] == written["experiment"]
    assert again["runs"] == 2
    data = cluster.claim("ml-platform", "mlflow-data")
    assert (data / "mlflow.db").stat().st_uid == 1000
    assert len(list((data / "artifacts").rglob("note.txt"))) == 2
