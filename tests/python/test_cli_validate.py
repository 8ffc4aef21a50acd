"""``mlops-nix validate``: exit code, stdout and stderr together, for each way to call it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from mlops_nix.errors import ExitCode
from mlops_nix.findings import all_checks

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {b: c}\n"
BAD = GOOD + "date: {}\n"
WARNS = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  hostPID: true\n  containers:\n  - {name: c, image: 'd:1', resources: {limits: {memory: 1Gi, cpu: 1}}}\n"
NEVER = ("--kubeconform", "never")


def test_a_valid_file_is_said_to_be_valid(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    outcome = cli("validate", tmp_path / "a.yaml", *NEVER)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (
        ExitCode.OK,
        "valid: 1 object for Kubernetes 1.36, 0 errors, 0 warnings\n",
        "",
    )


def test_findings_stand_under_their_object_with_place_path_and_fix(cli: Any, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(f"{BAD}---\n{WARNS}")
    outcome = cli("validate", file, *NEVER)
    assert outcome.exit_code == ExitCode.INVALID
    assert outcome.stderr == ""
    assert outcome.stdout == (
        f"ConfigMap a  {file}:1\n"
        "  error    date: unknown field; did you mean data?  [schema]\n"
        "           correct the field that the message names\n"
        "\n"
        f"Pod p  {file}:7\n"
        "  warning  spec.hostPID: host namespaces (hostPID=true)  [host-namespaces]\n"
        "           drop hostNetwork, hostPID and hostIPC\n"
        "\n"
        "invalid: 2 objects for Kubernetes 1.36, 1 error, 1 warning, 7 infos (--all shows them)\n"
    )


def test_warnings_fail_only_when_strict(cli: Any) -> None:
    assert cli("validate", "-", *NEVER, stdin=WARNS.encode()).exit_code == ExitCode.OK
    strict = cli("validate", "-", "--strict", *NEVER, stdin=WARNS.encode())
    assert strict.exit_code == ExitCode.INVALID
    assert strict.stdout.splitlines()[-1].startswith("invalid: 1 object")


def test_all_shows_infos_and_what_is_silenced(cli: Any) -> None:
    text = WARNS.replace("{name: p}", "{name: p, annotations: {mlops-nix.dev/ignore: host-namespaces=reads the node}}")
    outcome = cli("validate", "-", "--all", "--strict", *NEVER, stdin=text.encode())
    assert outcome.exit_code == ExitCode.OK
    assert "silenced spec.hostPID" in outcome.stdout
    assert "accepted: reads the node" in outcome.stdout
    assert "[writable-root-filesystem]" in outcome.stdout
    assert outcome.stdout.splitlines()[-1].endswith("0 warnings, 7 infos, 1 silenced")


def test_an_ignore_of_the_call_silences(cli: Any) -> None:
    outcome = cli("validate", "-", "--strict", "--ignore", "host-namespaces:Pod/p=a demo", *NEVER, stdin=WARNS.encode())
    assert outcome.exit_code == ExitCode.OK


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--ignore", "host-namespaces"], ExitCode.INVALID, "expected a reason"),
        (["--ignore", "host-namespace=x"], ExitCode.INVALID, "did you mean host-namespaces?"),
        (["--kubernetes-version", "1.9"], ExitCode.INVALID, "Kubernetes 1.9: expected one of 1.30"),
        (["--schema", "nowhere.yaml"], ExitCode.INVALID, "nowhere.yaml: no such file or folder"),
        (["--enable", "image-not-pined"], ExitCode.USAGE, "did you mean image-not-pinned?"),
        (["--only", "x"], ExitCode.USAGE, "x: unknown check"),
    ],
)
def test_a_wrong_option_is_one_clear_error(cli: Any, arguments: list[str], code: ExitCode, message: str) -> None:
    outcome = cli("validate", "-", *arguments, stdin=GOOD.encode())
    assert outcome.exit_code == code
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("error: ")
    assert message in outcome.stderr


def test_no_target_is_wrong_usage(cli: Any) -> None:
    outcome = cli("validate")
    assert outcome.exit_code == ExitCode.USAGE
    assert "expected a file, a folder, or - for stdin" in outcome.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [", ":2:1: broken YAML"),
        (b"a: 1\na: 2", ':2:1: duplicate key "a"'),
        (b"", ": no Kubernetes object in it"),
        (b"\0", ":1:1: a NUL byte: not a text file"),
        (
            b"a: &a [1]\nb: &b ["
            + b"*a," * 9
            + b"]\n"
            + b"".join(b"c%d: &c%d [%s]\n" % (i, i, (b"*b," if i == 0 else b"*c%d," % (i - 1)) * 9) for i in range(9)),
            "aliases expand to more than 100000 nodes",
        ),
    ],
)
def test_what_cannot_be_read_is_said_and_fails(cli: Any, tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    outcome = cli("validate", tmp_path / "a.yaml", *NEVER)
    assert outcome.exit_code == ExitCode.INVALID
    assert outcome.stdout.startswith(f"unreadable  {tmp_path / 'a.yaml'}")
    assert message in outcome.stdout
    assert (
        outcome.stdout.splitlines()[-1] == "invalid: 0 objects for Kubernetes 1.36, 1 unreadable, 0 errors, 0 warnings"
    )
    assert outcome.stderr == ""


def test_json_holds_everything(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BAD)
    (tmp_path / "b.yaml").write_text("a: [")
    outcome = cli("validate", tmp_path, "--output", "json", *NEVER)
    assert (outcome.exit_code, outcome.stderr) == (ExitCode.INVALID, "")
    document = json.loads(outcome.stdout)
    assert document["format"] == "mlops-nix/validation/v1"
    assert document["valid"] is False
    assert document["objects"] == 1
    assert document["summary"] == {"errors": 1, "warnings": 0, "infos": 0, "silenced": 0, "unreadable": 1}
    assert document["problems"][0]["error"] == "invalid-input"
    assert document["findings"] == [
        {
            "check": "schema",
            "severity": "error",
            "object": {"apiVersion": "v1", "kind": "ConfigMap", "name": "a"},
            "path": "date",
            "message": "unknown field; did you mean data?",
            "fix": "correct the field that the message names",
            "file": str(tmp_path / "a.yaml"),
            "line": 1,
        }
    ]


def test_junit_has_a_case_for_each_object_and_a_failure_for_each_error(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"{BAD}---\n{WARNS}")
    (tmp_path / "b.yaml").write_text("a: [")
    outcome = cli("validate", tmp_path, "--output", "junit", *NEVER)
    suite = ET.fromstring(outcome.stdout).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    assert [case.get("name") for case in suite] == [f"{tmp_path / 'b.yaml'}:2:1", "ConfigMap a", "Pod p"]
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "date: unknown field; did you mean data?"


def test_sarif_names_rule_file_and_line(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"{GOOD}---\n{WARNS}")
    document = json.loads(cli("validate", tmp_path, "--output", "sarif", *NEVER).stdout)
    (run,) = document["runs"]
    by_rule = {result["ruleId"]: result for result in run["results"]}
    location = by_rule["host-namespaces"]["locations"][0]["physicalLocation"]
    assert location["region"]["startLine"] == 6
    assert by_rule["host-namespaces"]["level"] == "warning"
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == set(by_rule)


def test_own_kinds_are_checked_with_their_crds(cli: Any, tmp_path: Path) -> None:
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "as.a.io"},
        "spec": {
            "group": "a.io",
            "scope": "Namespaced",
            "names": {"kind": "A", "plural": "as"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
                        }
                    },
                }
            ],
        },
    }
    (tmp_path / "crd.json").write_text(json.dumps(crd))
    text = b"apiVersion: a.io/v1\nkind: A\nmetadata: {name: a}\nspec: {sise: 1}\n"
    without = cli("validate", "-", *NEVER, stdin=text)
    assert without.exit_code == ExitCode.OK
    assert "no schema of a.io/v1 A is known  [unknown-kind]" in without.stdout
    assert "--schema FILE" in without.stdout
    within = cli("validate", "-", "--schema", tmp_path, *NEVER, stdin=text)
    assert within.exit_code == ExitCode.INVALID
    assert "spec.sise: unknown field; did you mean size?" in within.stdout
    (tmp_path / "crd.json").write_text(GOOD)
    (tmp_path / "crd.json").rename(tmp_path / "crd.yaml")
    assert "no CustomResourceDefinition" in cli("validate", "-", "--schema", tmp_path, stdin=text).stderr


def test_the_version_of_a_rendered_folder_is_taken_from_its_set_document(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "apiVersion: networking.k8s.io/v1beta1\nkind: ServiceCIDR\nmetadata: {name: a}\nspec: {cidrs: [10.0.0.0/8]}\n"
    )
    (tmp_path / "mlops-nix.json").write_text('{"format": "mlops-nix/set/v1", "kubernetesVersion": "1.37"}')
    outcome = cli("validate", tmp_path, *NEVER)
    assert outcome.exit_code == ExitCode.INVALID
    assert "was served until 1.36; expected networking.k8s.io/v1 for 1.37  [removed-api]" in outcome.stdout
    assert cli("validate", tmp_path, "-k", "1.36", *NEVER).exit_code == ExitCode.OK


def test_secrets_that_the_command_line_will_make_are_known(cli: Any, tmp_path: Path) -> None:
    pod = {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "pasword"}}}]}
    text = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "ml"},
        "spec": {"containers": [{"name": "c", "image": "d:1", **pod}]},
    }
    (tmp_path / "a.json").write_text(json.dumps(text))
    declared = {
        "format": "mlops-nix/set/v1",
        "secrets": [{"namespace": "ml", "name": "db", "keys": [{"key": "password"}]}],
    }
    (tmp_path / "mlops-nix.json").write_text(json.dumps(declared))
    outcome = cli("validate", tmp_path, *NEVER)
    assert "Secret ml/db has no key pasword; did you mean password?" in outcome.stdout
    assert "missing-secret" not in outcome.stdout


def test_only_and_enable_choose_checks(cli: Any) -> None:
    only = cli("validate", "-", "--only", "schema", "--strict", *NEVER, stdin=WARNS.encode())
    assert (only.exit_code, only.stdout) == (ExitCode.OK, "valid: 1 object for Kubernetes 1.36, 0 errors, 0 warnings\n")
    more = cli("validate", "-", "--enable", "image-not-pinned", "--all", *NEVER, stdin=WARNS.encode())
    assert "[image-not-pinned]" in more.stdout


def test_all_checks_are_listed(cli: Any) -> None:
    listed = cli("validate", "--list-checks")
    assert listed.exit_code == ExitCode.OK
    assert all(f"  {check} " in listed.stdout for check in all_checks())
    rows = json.loads(cli("validate", "--list-checks", "--output", "json").stdout)
    assert [row["id"] for row in rows] == list(all_checks())


def test_a_platform_in_nix_is_evaluated_and_checked(cli: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from mlops_nix import target
    from mlops_nix.setdocument import decode

    entry = {
        "object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "date": {}},
        "wave": 20,
        "component": None,
        "file": "20-config/configmap-a.yaml",
        "yaml": "x",
    }
    document = {
        "format": "mlops-nix/set/v1",
        "name": "acme",
        "kubernetesVersion": "1.34",
        "components": [],
        "waves": [{"name": "config", "number": 20}],
        "entries": [entry],
        "crds": [],
        "external": [],
        "images": [],
        "secrets": [],
        "endpoints": [],
        "warnings": [],
        "graph": {"nodes": [], "edges": []},
    }
    loaded = target.Target(decode(json.dumps(document).encode(), origin="x"), "x", "nix")
    monkeypatch.setattr(target, "load", lambda *_, **__: loaded)
    (tmp_path / "platform.nix").write_text("{ }")
    for name in (tmp_path / "platform.nix", tmp_path, ".#acme"):
        outcome = cli("validate", name, *NEVER)
        assert outcome.exit_code == ExitCode.INVALID
        assert outcome.stdout.startswith("ConfigMap a  20-config/configmap-a.yaml:1\n  error    date: unknown field")
        assert "for Kubernetes 1.34" in outcome.stdout


def test_two_thousand_objects_take_well_under_a_second(cli: Any, tmp_path: Path) -> None:
    container = {
        "name": "c",
        "image": "d:1",
        "ports": [{"containerPort": 80}],
        "resources": {"limits": {"memory": "1Gi", "cpu": 1}},
    }
    items = []
    for index in range(1000):
        labels = {"app": f"a{index}"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        spec = {"selector": {"matchLabels": labels}, "template": template}
        items.append({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": f"a{index}"}, "spec": spec})
        spec = {"selector": labels, "ports": [{"port": 80}]}
        items.append({"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"a{index}"}, "spec": spec})
    (tmp_path / "a.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    cli("validate", "-", *NEVER, stdin=GOOD.encode())  # load everything once
    start = time.process_time()
    outcome = cli("validate", tmp_path / "a.json", "--output", "json", *NEVER)
    seconds = time.process_time() - start
    assert json.loads(outcome.stdout)["objects"] == 2000
    assert seconds < 1
