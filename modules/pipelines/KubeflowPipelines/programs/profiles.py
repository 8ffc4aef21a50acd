"""What Kubeflow Pipelines needs in a user's namespace, as an answer to metacontroller's sync hook.

A namespace with the label pipelines.kubeflow.org/enabled=true gets the settings of drivers and launchers, the archive
of Argo, and a key of its own for the bundled store, which lets it read and write its own artifacts and the shared ones.

Environment: NAMESPACE (of Kubeflow Pipelines), BUCKET, PREFIX, STORE_ENDPOINT (host:port), STORE_SECURE, SCHEME,
SECRET_NAME, ACCESS_KEY_NAME, SECRET_KEY_NAME; S3_URL and IAM_URL of the bundled store (empty for any other: there the
Secret is the administrator's affair), AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY; FRONTEND_IMAGE, ARTIFACT_PROXY.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import os
from typing import Any

Object = dict[str, Any]

ENV = os.environ
ENABLED = "pipelines.kubeflow.org/enabled"


def launcher(namespace: str) -> dict[str, str]:
    """Give the settings of drivers and launchers."""
    credentials = {
        "fromEnv": False,
        "secretRef": {
            "secretName": ENV["SECRET_NAME"],
            "accessKeyKey": ENV["ACCESS_KEY_NAME"],
            "secretKeyKey": ENV["SECRET_KEY_NAME"],
        },
    }
    provider = {
        "endpoint": ENV["STORE_ENDPOINT"],
        "region": ENV["AWS_REGION"],
        "disableSSL": ENV["STORE_SECURE"] != "true",
        "forcePathStyle": True,
        "credentials": credentials,
    }
    return {
        "defaultPipelineRoot": f"{ENV['SCHEME']}://{ENV['BUCKET']}/{own(namespace)}v2/artifacts",
        "clusterDomain": ".svc.cluster.local",
        "providers": json.dumps({ENV["SCHEME"]: {"default": provider}}),
    }


def own(namespace: str) -> str:
    """Give the prefix of what belongs to a namespace."""
    return f"{ENV['PREFIX']}private-artifacts/{namespace}/"


def archive(namespace: str) -> Object:
    """Give Argo's artifact repository."""
    date = "/".join(f"{{{{workflow.creationTimestamp.{part}}}}}" for part in "Ymd")
    return {
        "archiveLogs": ENV["ARCHIVE_LOGS"] == "true",
        "s3": {
            "endpoint": ENV["STORE_ENDPOINT"],
            "bucket": ENV["BUCKET"],
            "keyFormat": f"{own(namespace)}{{{{workflow.name}}}}/{date}/{{{{pod.name}}}}",
            "insecure": ENV["STORE_SECURE"] != "true",
            "accessKeySecret": {"name": ENV["SECRET_NAME"], "key": ENV["ACCESS_KEY_NAME"]},
            "secretKeySecret": {"name": ENV["SECRET_NAME"], "key": ENV["SECRET_KEY_NAME"]},
        },
    }


def config_map(namespace: str, name: str, data: dict[str, str], annotations: dict[str, str] | None = None) -> Object:
    """Give a ConfigMap."""
    metadata: Object = {"name": name, "namespace": namespace}
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def artifact_proxy(namespace: str) -> list[Object]:
    """Give the pod that serves the namespace's artifacts, and its Service."""
    name = "ml-pipeline-ui-artifact"
    labels = {"app": name}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    image = ENV["FRONTEND_IMAGE"]

    def key(variable: str, field: str) -> Object:
        return {"name": variable, "valueFrom": {"secretKeyRef": {"name": ENV["SECRET_NAME"], "key": ENV[field]}}}

    container = {
        "name": name,
        "image": image,
        "ports": [{"containerPort": 3000}],
        "env": [
            key("MINIO_ACCESS_KEY", "ACCESS_KEY_NAME"),
            key("MINIO_SECRET_KEY", "SECRET_KEY_NAME"),
            {"name": "ML_PIPELINE_SERVICE_HOST", "value": f"ml-pipeline.{ENV['NAMESPACE']}.svc.cluster.local"},
            {"name": "ML_PIPELINE_SERVICE_PORT", "value": "8888"},
            {"name": "FRONTEND_SERVER_NAMESPACE", "value": namespace},
            {"name": "CLUSTER_DOMAIN", "value": ".svc.cluster.local"},
        ],
        "resources": {"requests": {"cpu": "10m", "memory": "70Mi"}, "limits": {"memory": "500Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    # Metacontroller compares what it sent last; the hash lets a new image through.
    mark = {"mlops-nix.dev/image-checksum": hashlib.sha256(image.encode()).hexdigest()[:16]}
    template = {
        "metadata": {"labels": labels, "annotations": mark},
        "spec": {"serviceAccountName": "default-editor", "containers": [container]},
    }
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {
                "selector": labels,
                "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 3000}],
            },
        },
    ]


def arn(path: str = "") -> str:
    """Name the bucket, or objects in it, as policies do."""
    return f"arn:aws:s3:::{ENV['BUCKET']}{path}"


def object_policy(namespace: str) -> Object:
    """Allow a namespace its own objects and the shared ones."""
    prefixes = [f"private-artifacts/{namespace}", f"private/{namespace}", "artifacts", "shared"]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:Put*", "s3:Get*", "s3:List*", "s3:DeleteObject"],
                "Resource": [arn(f"/{ENV['PREFIX']}{prefix}/*") for prefix in prefixes],
            }
        ],
    }


def listing_policy() -> Object:
    """Keep namespaces from listing each other's objects; policies of users can only allow."""
    prefix = ENV["PREFIX"]
    private = [f"{prefix}private-artifacts/*", f"{prefix}private/*"]
    mine = [f"{prefix}private-artifacts/${{aws:username}}/*", f"{prefix}private/${{aws:username}}/*"]
    shared = [f"{prefix}artifacts/*", f"{prefix}shared/*"]

    def statement(name: str, effect: str, condition: Object) -> Object:
        return {
            "Sid": name,
            "Effect": effect,
            "Principal": "*",
            "Action": "s3:ListBucket",
            "Resource": arn(),
            "Condition": condition,
        }

    return {
        "Version": "2012-10-17",
        "Statement": [
            statement("OwnAndShared", "Allow", {"StringLike": {"s3:prefix": mine + shared}}),
            statement("HeadBucket", "Allow", {"StringEquals": {"s3:RequestMethod": "HEAD"}}),
            statement("TopLevel", "Allow", {"Null": {"s3:prefix": "true"}, "StringEquals": {"s3:delimiter": "/"}}),
            statement("Others", "Deny", {"StringLike": {"s3:prefix": private}, "StringNotLike": {"s3:prefix": mine}}),
        ],
    }


def make_key(namespace: str) -> Object:
    """Make a user of the bundled store for a namespace, and give its Secret."""
    import botocore.session

    session = botocore.session.get_session()
    iam = session.create_client("iam", region_name=ENV["AWS_REGION"], endpoint_url=ENV["IAM_URL"])
    s3 = session.create_client("s3", region_name=ENV["AWS_REGION"], endpoint_url=ENV["S3_URL"])
    key = iam.create_access_key(UserName=namespace)["AccessKey"]
    iam.put_user_policy(
        UserName=namespace,
        PolicyName=f"kubeflow-pipelines-{namespace}",
        PolicyDocument=json.dumps(object_policy(namespace)),
    )
    s3.put_bucket_policy(Bucket=ENV["BUCKET"], Policy=json.dumps(listing_policy()))
    values = {ENV["ACCESS_KEY_NAME"]: key["AccessKeyId"], ENV["SECRET_KEY_NAME"]: key["SecretAccessKey"]}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": ENV["SECRET_NAME"], "namespace": namespace},
        "data": {name: base64.b64encode(value.encode()).decode() for name, value in values.items()},
    }


def sync(parent: Object, attachments: dict[str, Object]) -> Object:
    """Answer metacontroller: what there should be in a namespace, and whether it is there."""
    namespace = parent["metadata"]["name"]
    if parent["metadata"].get("labels", {}).get(ENABLED) != "true":
        return {"status": {}, "attachments": []}
    wanted = [
        config_map(namespace, "kfp-launcher", launcher(namespace)),
        config_map(
            namespace,
            "metadata-grpc-configmap",
            {
                "METADATA_GRPC_SERVICE_HOST": f"metadata-grpc-service.{ENV['NAMESPACE']}",
                "METADATA_GRPC_SERVICE_PORT": "8080",
            },
        ),
        config_map(
            namespace,
            "artifact-repositories",
            {"default-namespaced": json.dumps(archive(namespace))},
            {"workflows.argoproj.io/default-artifact-repository": "default-namespaced"},
        ),
    ]
    if ENV["ARTIFACT_PROXY"] == "true":
        wanted += artifact_proxy(namespace)
    if ENV["IAM_URL"]:
        # A key is made once: what is there already is asked for again as it is.
        existing = attachments.get("Secret.v1", {}).get(f"{namespace}/{ENV['SECRET_NAME']}")
        wanted.append(existing or make_key(namespace))
    there = sum(len(group) for group in attachments.values())
    return {
        "status": {"kubeflow-pipelines-ready": str(there == len(wanted))},
        "attachments": wanted,
    }


class Handler(http.server.BaseHTTPRequestHandler):
    """The sync hook over HTTP."""

    def do_GET(self) -> None:
        """Say that the program runs."""
        self.answer({})

    def do_POST(self) -> None:
        """Answer one sync request."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(sync(request["object"], request["attachments"]))

    def answer(self, value: Object) -> None:
        """Send JSON."""
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
