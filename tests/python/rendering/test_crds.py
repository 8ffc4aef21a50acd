"""CRD files: nothing but the right bytes is ever used, whatever a server, a proxy or a disk does."""

from __future__ import annotations

import hashlib
import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from mlops_nix import crds as crds_module
from mlops_nix.crds import ATTEMPTS, CrdStore, CrdUnavailable, cache_folder
from mlops_nix.errors import InputError
from mlops_nix.setdocument import CrdFile

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler

CONTENT = (
    b"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: widgets.example.com\n"
)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def crd(url: str | None, **changes: Any) -> CrdFile:
    values: dict[str, Any] = {"name": "widgets", "file": "10-crds/w.yaml", "sha256": SHA256, "url": url, **changes}
    return CrdFile(**values)


@pytest.fixture
def store(tmp_path: Path) -> CrdStore:
    waits: list[float] = []
    said: list[str] = []
    made = CrdStore(cache=tmp_path / "cache", timeout=0.5, pause=waits.append, warn=said.append)
    made.waits, made.said = waits, said  # type: ignore[attr-defined]
    return made


def test_a_file_is_fetched_once_and_then_comes_from_the_cache(web: Any, store: CrdStore) -> None:
    web.answers = [web.answer(CONTENT)]
    first = store.get(crd(f"{web.url}/w.yaml"))
    assert (first.content, first.origin) == (CONTENT, "network")
    second = store.get(crd(f"{web.url}/w.yaml"))
    assert (second.content, second.origin) == (CONTENT, "cache")
    assert web.requests == ["/w.yaml"]


def test_a_file_with_another_hash_is_thrown_away_and_both_hashes_are_named(web: Any, store: CrdStore) -> None:
    body = b"<html>Your proxy says hello</html>"
    web.answers = [web.answer(body)]
    with pytest.raises(CrdUnavailable) as caught:
        store.get(crd(f"{web.url}/w.yaml"))
    message = caught.value.message
    assert f"expected sha256 {SHA256}" in message
    assert f"found    sha256 {hashlib.sha256(body).hexdigest()}" in message
    assert f"URL {web.url}/w.yaml" in message
    assert not (store.cache / "crds").exists()


def _truncated(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    handler.wfile.write(CONTENT[:20])
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


def _reset(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()


def _silent(_: BaseHTTPRequestHandler) -> None:
    import time

    time.sleep(0.8)


@pytest.mark.parametrize("fault", [_truncated, _reset, _silent], ids=["truncated", "reset", "silent"])
def test_a_failure_that_may_pass_is_tried_again(web: Any, store: CrdStore, fault: Any) -> None:
    web.answers = [fault, web.answer(b"busy", 503, Retry_After="7"), web.answer(CONTENT)]
    assert store.get(crd(f"{web.url}/w.yaml")).content == CONTENT
    assert len(web.requests) == 3
    assert store.waits == [1.0, 7.0]  # type: ignore[attr-defined]


def test_a_server_that_stays_silent_is_given_up_with_the_way_out(web: Any, store: CrdStore) -> None:
    web.answers = [_truncated]
    with pytest.raises(CrdUnavailable, match=f"broke off after 20 .*{ATTEMPTS} attempts") as caught:
        store.get(crd(f"{web.url}/w.yaml"))
    assert len(web.requests) == ATTEMPTS
    assert "--source" in (caught.value.hint or "")


def test_a_file_that_is_gone_is_asked_for_once(web: Any, store: CrdStore) -> None:
    web.answers = [web.answer(b"", 404)]
    with pytest.raises(CrdUnavailable, match="HTTP 404"):
        store.get(crd(f"{web.url}/w.yaml"))
    assert len(web.requests) == 1


def test_a_refused_connection_is_no_traceback(store: CrdStore) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(CrdUnavailable, match="connection refused"):
        store.get(crd(f"http://127.0.0.1:{port}/w.yaml"))


def test_a_redirect_is_followed_to_https_or_this_machine_alone(web: Any, store: CrdStore) -> None:
    web.answers = [web.answer(b"", 302, Location=f"{web.url}/there.yaml"), web.answer(CONTENT)]
    assert store.get(crd(f"{web.url}/w.yaml")).content == CONTENT
    assert web.requests == ["/w.yaml", "/there.yaml"]
    for goal in ("http://example.invalid/w.yaml", "ftp://example.invalid/w.yaml", "file:///etc/passwd"):
        web.answers = [web.answer(b"", 302, Location=goal)]
        with pytest.raises(CrdUnavailable, match=r"only https is followed|not allowed|HTTP 302"):
            store.get(crd(f"{web.url}/x.yaml", sha256="1" * 64))


def test_a_redirect_in_a_circle_ends(web: Any, store: CrdStore) -> None:
    web.answers = [web.answer(b"", 302, Location=f"{web.url}/w.yaml")]
    with pytest.raises(CrdUnavailable, match="HTTP 302"):
        store.get(crd(f"{web.url}/w.yaml"))
    assert len(web.requests) < 20


@pytest.mark.parametrize("url", ["http://example.invalid/w.yaml", "file:///etc/passwd", "w.yaml"])
def test_an_address_that_is_not_https_is_never_asked(store: CrdStore, url: str) -> None:
    with pytest.raises(CrdUnavailable, match="only https is followed"):
        store.get(crd(url))


def test_a_file_without_end_is_cut_off(web: Any, store: CrdStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crds_module, "MAX_BYTES", 1 << 20)

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            pass

    web.answers = [endless]
    for known in ({}, {"bytes": len(CONTENT)}):
        with pytest.raises(CrdUnavailable, match="larger than"):
            store.get(crd(f"{web.url}/w.yaml", **known))


@pytest.mark.parametrize("damage", [b"", CONTENT[:-1], b"x" * len(CONTENT)])
def test_a_damaged_cache_entry_is_noticed_and_replaced(web: Any, store: CrdStore, damage: bytes) -> None:
    wanted = crd(f"{web.url}/w.yaml")
    web.answers = [web.answer(CONTENT)]
    store.get(wanted)
    store.place(wanted).write_bytes(damage)
    again = store.get(wanted)
    assert (again.content, again.origin) == (CONTENT, "network")
    assert "damaged" in store.said[0]  # type: ignore[attr-defined]
    assert store.get(wanted).origin == "cache"


def test_a_cache_that_can_be_neither_read_nor_written_is_only_a_warning(web: Any, store: CrdStore) -> None:
    wanted = crd(f"{web.url}/w.yaml")
    web.answers = [web.answer(CONTENT)]
    store.place(wanted).mkdir(parents=True)  # a folder where the file should be: neither reading nor renaming works
    assert store.get(wanted).content == CONTENT
    assert len(store.said) == 2  # type: ignore[attr-defined]


def test_a_folder_of_the_users_is_searched_by_hash_and_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / "media" / "deep").mkdir(parents=True)
    (tmp_path / "media" / "deep" / "some name.bin").write_bytes(CONTENT)
    store = CrdStore(cache=tmp_path / "cache", sources=[tmp_path / "media"], offline=True)
    assert store.get(crd(None)).origin == "folder"
    assert CrdStore(cache=tmp_path / "cache", offline=True).get(crd(None)).origin == "cache"


def test_offline_and_without_the_file_the_way_out_is_named(store: CrdStore) -> None:
    store.offline = True
    with pytest.raises(CrdUnavailable, match="network is not to be used") as caught:
        store.get(crd("https://example.com/w.yaml"))
    assert "https://example.com/w.yaml" in (caught.value.hint or "")


def test_a_file_that_has_no_address_is_asked_from_the_user(store: CrdStore) -> None:
    with pytest.raises(CrdUnavailable, match="only inside an archive"):
        store.get(crd(None))


def test_several_files_keep_their_order_and_one_failure_keeps_the_others(web: Any, store: CrdStore) -> None:
    bodies = [f"n: {number}\n".encode() for number in range(6)]
    wanted = [
        crd(f"{web.url}/{number}", name=str(number), sha256=hashlib.sha256(body).hexdigest())
        for number, body in enumerate(bodies)
    ]

    def by_path(handler: BaseHTTPRequestHandler) -> None:
        number = int(handler.path.strip("/"))
        (web.answer(b"", 404) if number == 4 else web.answer(bodies[number]))(handler)

    web.answers = [by_path]
    with pytest.raises(CrdUnavailable, match="file 4 cannot be fetched"):
        store.get_all(wanted)
    fetched = store.get_all(wanted[:4])
    assert [crd.content for crd in fetched] == bodies[:4]
    assert {crd.origin for crd in fetched} == {"cache"}


def test_the_cache_is_where_the_user_wants_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "mlops-nix"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the standard: then as if unset
    assert cache_folder() == Path.home() / ".cache" / "mlops-nix"
    monkeypatch.setenv("MLOPS_NIX_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_a_source_that_is_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a folder"):
        CrdStore.from_environment(str(tmp_path / "none"))


def test_upstreams_files_are_found_by_their_hashes(reference: Path, tmp_path: Path) -> None:
    index = json.loads((reference / "upstream" / "crds" / "index.json").read_text())
    wanted = [
        crd(None, name=item["file"], file=f"10-crds/{number}.yaml", sha256=item["sha256"], bytes=item["bytes"])
        for number, item in enumerate(index[:25])
    ]
    store = CrdStore(cache=tmp_path / "cache", sources=[reference / "upstream" / "crds"], offline=True)
    fetched = store.get_all(wanted)
    assert [len(found.content) for found in fetched] == [item["bytes"] for item in index[:25]]


# --- the commands ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def target(platform: Any, web: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLOPS_NIX_CACHE", str(tmp_path / "cache"))
    web.answers = [web.answer(CONTENT)]
    return platform(crds=True, crdUrl=f"{web.url}/w.yaml", crdSha256=SHA256)


def test_list_says_what_is_needed_and_what_is_cached(cli: Any, target: Path) -> None:
    text = cli("crds", "list", target).stdout
    assert f"sha256 {SHA256}" in text
    assert "not cached" in text
    assert "for mlflow" in text
    assert cli("crds", "fetch", target).exit_code == 0
    assert json.loads(cli("crds", "list", target, "-o", "json").stdout)[0]["cached"] is True


def test_vendored_files_serve_as_a_source_for_a_machine_without_network(
    cli: Any, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = cli("crds", "vendor", target, "--out", tmp_path / "vendor")
    assert outcome.exit_code == 0
    assert (tmp_path / "vendor" / "widgets.yaml").read_bytes() == CONTENT
    assert yaml.safe_load((tmp_path / "vendor" / "kustomization.yaml").read_text())["resources"] == ["widgets.yaml"]
    monkeypatch.setenv("MLOPS_NIX_CACHE", str(tmp_path / "other"))
    monkeypatch.setenv("MLOPS_NIX_CRD_SOURCE", str(tmp_path / "vendor"))
    outcome = cli("render", target, "--out", tmp_path / "out", "--offline", "-q")
    assert outcome.exit_code == 0, outcome.stderr
    assert (tmp_path / "out" / "10-crds" / "widgets.yaml").read_bytes() == CONTENT


def test_the_kustomization_names_pinned_addresses(cli: Any, target: Path, web: Any) -> None:
    value = yaml.safe_load(cli("crds", "kustomization", target).stdout)
    assert value["resources"] == [f"{web.url}/w.yaml"]
    assert web.requests == []
