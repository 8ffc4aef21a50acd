"""Upload compiled pipelines: each file NAME.VERSION.yaml becomes version VERSION of pipeline NAME, once.

Environment: API (URL of the API server), PIPELINES (folder of the files).
"""

from __future__ import annotations

import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

API = os.environ["API"] + "/apis/v2beta1"


def call(method: str, path: str, body: bytes | None = None, content_type: str = "application/json") -> dict[str, Any]:
    """Ask the API server; its own words stand in the error."""
    request = urllib.request.Request(API + path, data=body, method=method, headers={"Content-Type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            parsed: dict[str, Any] = json.load(answer)
            return parsed
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}")


def wait() -> None:
    """Wait until the API server answers."""
    for _ in range(60):
        try:
            with urllib.request.urlopen(API + "/healthz", timeout=5):
                return
        except OSError:
            time.sleep(5)
    sys.exit(f"{API} does not answer")


def items(path: str, field: str) -> Iterator[dict[str, Any]]:
    """Give all items of a list, page by page."""
    token = ""
    while True:
        page = call("GET", f"{path}?page_size=100&page_token={urllib.parse.quote(token)}")
        yield from page.get(field, [])
        token = page.get("next_page_token", "")
        if not token:
            return


def named(item: dict[str, Any]) -> str:
    """Give the name of a pipeline or version; older answers have the display name alone."""
    return str(item.get("name") or item["display_name"])


def upload(pipeline: str, version: str, file: pathlib.Path) -> None:
    """Send a file as a version."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="uploadfile"; filename="{file.name}"\r\n\r\n'
    body = head.encode() + file.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    query = urllib.parse.urlencode({"name": version, "pipelineid": pipeline})
    call("POST", f"/pipelines/upload_version?{query}", body, f"multipart/form-data; boundary={boundary}")


def main() -> None:
    """Upload what is not there yet."""
    wait()
    known = {named(item): item["pipeline_id"] for item in items("/pipelines", "pipelines")}
    for file in sorted(pathlib.Path(os.environ["PIPELINES"]).glob("*.yaml")):
        name, version = file.stem.rsplit(".", 1)
        if name not in known:
            body = json.dumps({"name": name, "display_name": name}).encode()
            known[name] = call("POST", "/pipelines", body)["pipeline_id"]
        versions = {named(item) for item in items(f"/pipelines/{known[name]}/versions", "pipeline_versions")}
        if version in versions:
            print(f"{name}: version {version} is there")
        else:
            upload(known[name], version, file)
            print(f"{name}: version {version} uploaded")


if __name__ == "__main__":
    main()
