"""The object store's server and its Job, each engine where its programs are: users can do nothing but in their own bucket."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if str(Path(__file__).resolve().parents[2]) not in sys.path:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.live.cluster import Cluster, Failed, rendered
from tests.live.images import MOTO, image

if TYPE_CHECKING:
    from collections.abc import Callable

PLATFORM = """
mlops.mkPlatform {
  name = "storage";
  external = [ "prometheus-operator" ];
  components.store = mlops.mkObjectStore {
    namespace = "ml-data";
    engine = "%s";
    buckets = [ "models" { name = "scratch"; %s versioning = true; } %s ];
    monitoring.enabled = true;
  };
}
"""
NEEDED = {"minio": ["quay.io/minio/minio:x", "quay.io/minio/mc:x"], "seaweedfs": ["ghcr.io/chrislusf/seaweedfs:x"]}

# One request each; what is refused is given as the code of the refusal.
REQUESTS = """
import boto3, botocore, json, sys
s3 = boto3.client("s3", endpoint_url="http://store.ml-data.svc:9000")
results = []
for method, arguments in json.loads(sys.argv[1]):
    try:
        answer = getattr(s3, method)(**arguments)
        body = answer.pop("Body", None)
        answer.pop("ResponseMetadata")
        results.append(body.read().decode() if body else answer)
    except botocore.exceptions.ClientError as error:
        results.append(error.response["Error"]["Code"])
print(json.dumps(results, default=str))
"""


class Store:
    """The cluster with a running store, and a way to send requests as the user of a bucket."""

    def __init__(self, cluster: Cluster, engine: str) -> None:
        self.cluster = cluster
        self.engine = engine

    def ask(self, user: str, *requests: tuple[str, dict[str, Any]], keys: dict[str, str] | None = None) -> list[Any]:
        env = {**(keys or self.cluster.secrets["ml-data", f"store-{user}"]), "AWS_DEFAULT_REGION": "us-east-1"}
        output = self.cluster.program("jobs", MOTO, "python", "-c", REQUESTS, json.dumps(requests), env=env)
        results: list[Any] = json.loads(output.splitlines()[-1])
        return results


@pytest.fixture(scope="module", params=sorted(NEEDED))
def store(request: pytest.FixtureRequest, cluster_of: Callable[..., Cluster]) -> Store:
    for reference in NEEDED[request.param]:
        image(reference)
    cluster = cluster_of(PLATFORM % (request.param, "expireDays = 7;", ""))
    cluster.start("Deployment", "store")
    cluster.complete("Job", "store-buckets")
    return Store(cluster, request.param)


def test_a_user_works_in_its_bucket_and_nowhere_else(store: Store) -> None:
    put = ("put_object", {"Bucket": "models", "Key": "a/b ü", "Body": "hello"})
    get = ("get_object", {"Bucket": "models", "Key": "a/b ü"})
    assert store.ask("models", put, get)[1] == "hello"
    assert store.ask("scratch", put, get, ("list_objects_v2", {"Bucket": "models"})) == ["AccessDenied"] * 3
    assert store.ask("scratch", ("create_bucket", {"Bucket": "third"})) == ["AccessDenied"]
    wrong = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing-at-all"}
    assert store.ask("models", get, keys=wrong) == ["InvalidAccessKeyId"]


def settings(store: Store) -> list[Any]:
    return store.ask(
        "admin",
        ("get_bucket_versioning", {"Bucket": "scratch"}),
        ("get_bucket_lifecycle_configuration", {"Bucket": "scratch"}),
        ("get_bucket_versioning", {"Bucket": "models"}),
    )


def test_the_job_again_changes_nothing(store: Store) -> None:
    store.ask("models", ("put_object", {"Bucket": "models", "Key": "kept", "Body": "here"}))
    versioning, lifecycle, other = settings(store)
    assert versioning == {"Status": "Enabled"}
    assert "Status" not in other
    if store.engine == "minio":
        assert [rule["Expiration"]["Days"] for rule in lifecycle["Rules"]] == [7]
    store.cluster.complete("Job", "store-buckets")
    assert settings(store) == [versioning, lifecycle, other]
    assert store.ask("models", ("get_object", {"Bucket": "models", "Key": "kept"})) == ["here"]


def test_changed_days_take_the_place_of_the_old_ones_and_new_buckets_come(store: Store) -> None:
    store.cluster.update(rendered(PLATFORM % (store.engine, "expireDays = 30;", '"later.bucket"')))
    store.cluster.complete("Job", "store-buckets")
    if store.engine == "minio":
        assert [rule["Expiration"]["Days"] for rule in settings(store)[1]["Rules"]] == [30]
    store.cluster.update(rendered(PLATFORM % (store.engine, "", '"later.bucket"')))
    store.cluster.complete("Job", "store-buckets")
    if store.engine == "minio":
        assert settings(store)[1] == "NoSuchLifecycleConfiguration"
    put = ("put_object", {"Bucket": "later.bucket", "Key": "a", "Body": "b"})
    assert store.ask("models", put) == ["AccessDenied"]
    assert store.ask("later-bucket", put) != ["AccessDenied"]


def test_a_new_key_takes_the_place_of_the_old_one(store: Store) -> None:
    secret = store.cluster.secrets["ml-data", "store-models"]
    old = dict(secret)
    secret["AWS_SECRET_ACCESS_KEY"] = "Rotated/Key+0123456789ABCDEFGHIJKLMNOPQR"
    store.cluster.complete("Job", "store-buckets")
    listing = ("list_objects_v2", {"Bucket": "models"})
    assert store.ask("models", listing, keys=old) == ["SignatureDoesNotMatch"]
    assert store.ask("models", listing) != ["SignatureDoesNotMatch"]


def test_prometheus_finds_metrics(store: Store) -> None:
    (endpoint,) = store.cluster.find("ServiceMonitor", "store")["spec"]["endpoints"]
    pod = next(pod for pod in store.cluster.pods if pod.name.startswith("store-"))
    answer = store.cluster.http(f"http://{pod.address}:{pod.port(endpoint['port'])}{endpoint.get('path', '/metrics')}")
    assert answer.status == 200, answer.text
    assert "# TYPE" in answer.text


def test_objects_survive_a_kill(store: Store) -> None:
    get = ("get_object", {"Bucket": "models", "Key": "survivor"})
    store.ask("models", ("put_object", {"Bucket": "models", "Key": "survivor", "Body": "alive"}))
    next(pod for pod in store.cluster.pods if pod.name.startswith("store-")).kill()
    with pytest.raises(Failed):
        store.ask("models", get)
    store.cluster.start("Deployment", "store")
    assert store.ask("models", get) == ["alive"]
