"""Let artifacts expire: keep one lifecycle rule per prefix in the bucket, and leave rules of others alone.

Environment: BUCKET, PREFIXES (separated by blanks), RETENTION_DAYS, AWS_REGION; S3_ENDPOINT for stores that are not
AWS's; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the identity of the pod.
"""

from __future__ import annotations

import os
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

OURS = "kubeflow-pipelines-"


def client() -> Any:
    """Make a client that speaks to any S3 server: addresses by path, checksums only where they are asked for."""
    config = Config(
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return botocore.session.get_session().create_client(
        "s3",
        region_name=os.environ["AWS_REGION"],
        endpoint_url=os.environ.get("S3_ENDPOINT") or None,
        config=config,
    )


def current(s3: Any, bucket: str) -> list[dict[str, Any]]:
    """Read the bucket's rules; a bucket that has none answers with an error."""
    try:
        rules: list[dict[str, Any]] = s3.get_bucket_lifecycle_configuration(Bucket=bucket).get("Rules", [])
    except ClientError as error:
        if error.response["Error"]["Code"] in {"NoSuchLifecycleConfiguration", "NoSuchLifecycle"}:
            return []
        raise
    return rules


def wanted(rules: list[dict[str, Any]], prefixes: list[str], days: int) -> list[dict[str, Any]]:
    """Give others' rules and ours, each once."""
    return [rule for rule in rules if not rule.get("ID", "").startswith(OURS)] + [
        {
            "ID": OURS + prefix.strip("/").replace("/", "-"),
            "Status": "Enabled",
            "Filter": {"Prefix": prefix},
            "Expiration": {"Days": days},
        }
        for prefix in prefixes
    ]


def main() -> None:
    """Bring the bucket's rules up to date."""
    bucket = os.environ["BUCKET"]
    days = int(os.environ["RETENTION_DAYS"])
    s3 = client()
    rules = current(s3, bucket)
    target = wanted(rules, os.environ["PREFIXES"].split(), days)
    if rules == target:
        print(f"{bucket}: nothing to change")
        return
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": target})
    print(f"{bucket}: artifacts expire after {days} days")


if __name__ == "__main__":
    main()
