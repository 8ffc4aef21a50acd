"""Stand-ins for the operators of a platform, on a control plane whose pods are only simulated.

They do what clients of the API server can see of an operator: admission webhooks answer at their Service's address
(which has to be a loopback address), cert-manager puts its CA into webhook configurations, and custom resources get
the conditions that say ready. Everything else of the cluster is real.
"""

from __future__ import annotations

import base64
import http.server
import json
import socketserver
import ssl
import subprocess
import threading
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.cluster.controlplane import ControlPlane, Object

_CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/{}webhookconfigurations"


class _Webhook(http.server.BaseHTTPRequestHandler):
    """Allows everything, as a webhook that has no objection."""

    server: _Server

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(self.path)
        answer = {
            "apiVersion": review["apiVersion"],
            "kind": review["kind"],
            "response": {"uid": review["request"]["uid"], "allowed": True},
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], asked: list[str], context: ssl.SSLContext) -> None:
        self.asked = asked
        super().__init__(address, _Webhook)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The API server closes connections as it likes."""


class Operators:
    """The operators of a platform, for the length of a block.

    Args:
        plane: a control plane with a `service_range` of the loopback network.
        namespaces: where Services of webhooks are.
        ready: custom resources that become ready: path of the collection -> status.
    """

    def __init__(self, plane: ControlPlane, namespaces: Sequence[str], ready: Mapping[str, Object]) -> None:
        self.plane = plane
        self.ready = ready
        self.asked: list[str] = []
        self.errors: list[str] = []
        self._namespaces = namespaces
        self._servers: dict[tuple[str, int], _Server] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="operators", daemon=True)

    def __enter__(self) -> Self:
        self._certificate = self._make_certificates(self.plane.folder)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(30)
        for server in self._servers.values():
            server.shutdown()
            server.server_close()

    def _make_certificates(self, folder: Path) -> str:
        def openssl(*arguments: str) -> None:
            subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60, cwd=folder)

        names = ",".join(f"DNS:*.{namespace}.svc" for namespace in self._namespaces)
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test-ca", "-days", "2")
        openssl("req", *curve, "-keyout", "hook.key", "-out", "hook.csr", "-subj", "/CN=webhook")
        (folder / "hook.ext").write_text(f"subjectAltName={names}\n")
        signing = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "hook.ext")
        openssl("x509", "-req", "-in", "hook.csr", *signing, "-out", "hook.crt")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "hook.crt", folder / "hook.key")
        return base64.b64encode((folder / "ca.crt").read_bytes()).decode()

    def _run(self) -> None:
        while not self._stopped.wait(0.2):
            try:
                for kind in ("validating", "mutating"):
                    self._serve_webhooks(_CONFIGURATIONS.format(kind))
                for collection, status in self.ready.items():
                    self._make_ready(collection, status)
            except Exception as error:  # noqa: BLE001 - the server may be away for a moment; a test looks at `errors`
                self.errors.append(repr(error))

    def _serve_webhooks(self, collection: str) -> None:
        answer = self.plane.admin.get(collection)
        for item in answer.body.get("items", []) if answer.code == 200 else []:
            webhooks = item.get("webhooks") or []
            for webhook in webhooks:
                service = webhook["clientConfig"].get("service")
                if service:
                    self._listen(service)
            missing = [
                {"op": "add", "path": f"/webhooks/{number}/clientConfig/caBundle", "value": self._certificate}
                for number, webhook in enumerate(webhooks)
                if webhook["clientConfig"].get("caBundle") != self._certificate
            ]
            if missing:
                self.plane.admin.request(
                    "PATCH",
                    f"{collection}/{item['metadata']['name']}",
                    missing,
                    content="application/json-patch+json",
                    query={"fieldManager": "cert-manager-cainjector"},
                )

    def _listen(self, service: Object) -> None:
        found = self.plane.admin.get(f"/api/v1/namespaces/{service['namespace']}/services/{service['name']}")
        address = found.body["spec"].get("clusterIP", "") if found.code == 200 else ""
        where = (address, service.get("port", 443))
        if not address.startswith("127.") or where in self._servers:
            return
        server = _Server(where, self.asked, self._context)
        self._servers[where] = server
        threading.Thread(target=server.serve_forever, args=(0.1,), name=f"webhook-{address}", daemon=True).start()

    def _make_ready(self, collection: str, status: Object) -> None:
        listed = self.plane.admin.get(collection)
        if listed.code != 200:
            return
        for item in listed.body["items"]:
            metadata = item["metadata"]
            wanted = {**status, "observedGeneration": metadata.get("generation", 1)}
            if {key: (item.get("status") or {}).get(key) for key in wanted} == wanted:
                continue
            parent, _, plural = collection.rpartition("/")
            path = f"{parent}/namespaces/{metadata['namespace']}/{plural}" if metadata.get("namespace") else collection
            self.plane.admin.merge(f"{path}/{metadata['name']}/status", {"status": wanted}, fieldManager="operator")


def condition(kind: str = "Ready") -> Object:
    """Return a status whose condition says ready; the time is one that never changes."""
    return {
        "conditions": [
            {
                "type": kind,
                "status": "True",
                "reason": "Simulated",
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
        ]
    }
