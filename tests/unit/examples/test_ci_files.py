"""The examples for CI systems and builder machines are what their readers take."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
from buildkitd_facts import FLAGS, problems
from ci_files import (
    CI,
    COMPOSE,
    FILES,
    GITHUB,
    GITLAB,
    JENKINS,
    MANIFESTS,
    ROOT,
    UNIT,
    YAMLS,
    configs,
    containers,
    documents,
    manifests,
    texts,
    tomllib,
)

from buildkit_spec import load_specs
from buildkit_spec.certs.words import daemon_toml
from buildkit_spec.client import Address

_SCHEMAS = {COMPOSE: "compose-spec", GITHUB: "github-workflows", GITLAB: "gitlab-ci"}
_OF_COMPOSE = {"BUILDKIT_CERTS", "BUILDKIT_VERSION"}


def _check_schema(file: Path, schema: str) -> subprocess.CompletedProcess[str]:
    transform = ["--data-transform", "gitlab-ci"] if schema == "gitlab-ci" else []
    options = ["--builtin-schema", f"vendor.{schema}", *transform, str(file)]
    command = [sys.executable, "-m", "check_jsonschema", *options]
    return subprocess.run(command, capture_output=True, text=True)


def test_every_file_is_checked_here() -> None:
    """No example is added without being looked at by these tests."""
    assert {file for file in CI.rglob("*") if file.is_file()} == {
        file for file in FILES if CI in file.parents
    }


@pytest.mark.parametrize("file", _SCHEMAS, ids=lambda file: file.name)
def test_file_is_of_its_published_schema(file: Path) -> None:
    """Compose, GitHub and GitLab publish what their files may say; no network is needed."""
    done = _check_schema(file, _SCHEMAS[file])

    assert done.returncode == 0, done.stdout


def test_schema_finds_what_is_wrong(tmp_path: Path) -> None:
    """The check can fail: a job of GitLab's cannot have a word of its own as its name."""
    wrong = tmp_path / "gitlab-ci.yml"
    wrong.write_text(GITLAB.read_text().replace("\nbuild-image:", "\nimage:"))

    assert _check_schema(wrong, "gitlab-ci").returncode == 1


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.name)
def test_manifests_are_of_kubernetes(file: Path) -> None:
    """Every object is of the schema that Kubernetes publishes, without a field more."""
    for one in documents(file):
        kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)


def test_manifest_with_an_unknown_field_is_found() -> None:
    """The check can fail."""
    (job, *_) = manifests("Job")
    job["spec"]["template"]["spec"]["containers"][0]["volumeMount"] = []

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)


def test_pods_mount_what_they_have_and_have_what_they_mount() -> None:
    """Each mount's volume is there, and each volume is mounted; schemas do not see that."""
    for spec in [one["spec"] for kind in ("Job", "StatefulSet") for one in manifests(kind)]:
        pod = spec["template"]["spec"]
        claims = {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", ())}
        volumes = {volume["name"] for volume in pod["volumes"]}
        mounted = {
            mount["name"]
            for one in [*pod.get("initContainers", ()), *pod["containers"]]
            for mount in one.get("volumeMounts", ())
        }
        assert mounted == volumes | claims


def test_pool_is_found_by_its_service() -> None:
    """Name, namespace, port and selector lead from the job's address to the builders' pods."""
    (service,) = manifests("Service")
    (builders,) = manifests("StatefulSet")
    values = [
        env["value"]
        for one in containers()
        for env in one.get("env", ())
        if env["name"] == "BUILDKIT_HOST"
    ]
    (address,) = (Address.parse(value) for value in values if value.startswith("tcp+dns:"))
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]

    assert address.host == f"{name}.{namespace}.svc.cluster.local"
    assert address.port == service["spec"]["ports"][0]["port"]
    assert service["spec"]["clusterIP"] == "None"
    assert builders["spec"]["serviceName"] == name
    labels = builders["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == labels == builders["spec"]["selector"]["matchLabels"]
    assert f"tcp://0.0.0.0:{address.port}" in configs()["ConfigMap buildkitd"]["grpc"]["address"]
    assert f"--san {address.host}" in (CI / "kubernetes" / "pool.yaml").read_text()


@pytest.mark.parametrize("name", configs())
def test_buildkitd_toml_has_keys_that_buildkit_has(name: str) -> None:
    """BuildKit passes over unknown keys: a misspelt limit would be none."""
    config = configs()[name]

    assert not list(problems(config))
    assert set(config["grpc"]["tls"]) == {"ca", "cert", "key"}
    assert config["worker"]["oci"]["gc"]
    assert "maxUsedSpace" in config["worker"]["oci"]


def test_our_own_lines_for_buildkitd_toml_are_such(tmp_path: Path) -> None:
    """What `certs server` prints is held to the same."""
    assert not list(problems(tomllib.loads(daemon_toml(tmp_path))))


def test_misspelt_keys_and_values_are_found() -> None:
    """The check can fail, at every depth."""
    wrong = {
        "grpc": {"adress": [], "tls": {"ca": 1}},
        "worker": {
            "oci": {"maxUsedSpace": "20 potatoes", "gcpolicy": [{"keepDuration": "2 days"}]}
        },
    }

    assert [text.split(":")[0] for text in problems(wrong)] == [
        ".grpc.adress",
        ".grpc.tls.ca",
        ".worker.oci.maxUsedSpace",
        ".worker.oci.gcpolicy[0].keepDuration",
    ]


def test_compose_mounts_what_the_daemon_reads() -> None:
    """Configuration and certificates are where buildkitd looks; ports are of loopback only."""
    services = documents(COMPOSE)[0]["services"]
    mounts = {
        mount["target"]: mount["source"]
        for mount in services["buildkitd"]["volumes"]
        if isinstance(mount, dict)
    }
    config = configs()["compose/buildkitd.toml"]

    assert mounts["/etc/buildkit/buildkitd.toml"] == "./compose/buildkitd.toml"
    folders = {str(Path(path).parent) for path in config["grpc"]["tls"].values()}
    assert folders <= set(mounts)
    assert all(port.startswith("127.0.0.1:") for port in services["registry"]["ports"])
    check = services["buildkitd"]["healthcheck"]["test"]
    assert check[check.index("--addr") + 1] in config["grpc"]["address"]


def _unit() -> configparser.ConfigParser:
    unit = configparser.ConfigParser(interpolation=None, comment_prefixes="#", strict=True)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(UNIT.read_text())
    return unit


def test_unit_starts_buildkitd_with_its_configuration(tmp_path: Path) -> None:
    """The unit has the three sections, and systemd itself has nothing to say, where it is."""
    unit = _unit()
    start = unit["Service"]["ExecStart"]

    assert unit.sections() == ["Unit", "Service", "Install"]
    assert start.startswith("/")
    assert unit["Service"]["Type"] == "notify"
    assert "install -m 644 buildkitd.toml /etc/buildkit/" in UNIT.read_text()
    if analyze := shutil.which("systemd-analyze"):
        # The program must be there for systemd to be content.
        copy = tmp_path / UNIT.name
        copy.write_text(UNIT.read_text().replace(start.split()[0], sys.executable))
        done = subprocess.run([analyze, "verify", "--man=no", copy], capture_output=True, text=True)
        said = [line for line in done.stderr.splitlines() if UNIT.name in line]
        assert not said
        copy.write_text(copy.read_text().replace("LimitNOFILE", "LimitNofiles"))
        done = subprocess.run([analyze, "verify", "--man=no", copy], capture_output=True, text=True)
        assert "LimitNofiles" in done.stderr


def _scripts() -> list[str]:
    found = [job for one in documents(GITLAB) for job in one["build-image"]["script"]]
    for text in [one for file in YAMLS for doc in documents(file) for one in texts(doc)]:
        if "\n" in text and "buildkitd" in text and "[grpc]" not in text:
            found.append(text)
    found += [text for one in containers() for text in one.get("args", ()) if "\n" in text]
    found += [
        step["run"] for step in documents(GITHUB)[0]["jobs"]["image"]["steps"] if "run" in step
    ]
    jenkins = re.findall(r"sh (?:'''(.*?)'''|'(.*?)')", JENKINS.read_text(), re.DOTALL)
    return found + ["".join(one) for one in jenkins]


def test_shell_inside_is_shell() -> None:
    """Every script parses; bash, as GitHub's runners have it."""
    scripts = _scripts()

    assert len(scripts) > 15
    for script in scripts:
        done = subprocess.run(["bash", "-n", "-c", script], capture_output=True, text=True)
        assert done.returncode == 0, (script, done.stderr)


def test_jenkinsfile_closes_what_it_opens() -> None:
    """Brackets match, outside of texts and comments."""
    text = re.sub(r"'''.*?'''|'[^'\n]*'|\"[^\"\n]*\"|//[^\n]*", "", JENKINS.read_text(), flags=re.S)
    opened: list[str] = []
    for sign in re.findall(r"[][(){}]", text):
        if sign in "([{":
            opened.append(sign)
        else:
            assert opened.pop() + sign in ("()", "[]", "{}")

    assert not opened
    assert text.lstrip().startswith("pipeline {")


def test_variables_are_those_that_we_read() -> None:
    """A misspelt variable would be passed over."""
    code = "".join(file.read_text() for file in (ROOT / "buildkit_spec").rglob("*.py"))
    ours = set(re.findall(r'"(BUILDKIT_[A-Z_]+)"', code))
    named = {
        (file.name, name)
        for file in FILES
        for name in re.findall(r"\bBUILDKIT_[A-Z_]+", file.read_text())
    }

    assert "BUILDKIT_TLS_DIR" in ours
    assert {name for _, name in named} - ours == _OF_COMPOSE
    assert {file for file, name in named if name in _OF_COMPOSE} == {COMPOSE.name}


def test_addresses_are_addresses() -> None:
    """Each BUILDKIT_HOST parses; GitHub puts the container's id into its own."""
    found = re.findall(
        r"BUILDKIT_HOST\W+(?:value\W+)?(\w[\w+-]*://[^\s'\"]*(?: job\S+ }})?)", _text()
    )

    parsed = [Address.parse(re.sub(r"\${{.*}}", "4f2a9c", one)) for one in found]

    assert sorted(one.scheme for one in parsed) == sorted(
        ["docker-container", "tcp", "tcp", "tcp", "tcp+dns", "unix"]
    )


def test_buildkitd_gets_flags_that_it_has() -> None:
    """Everywhere that buildkitd is started with flags."""
    words = [word for one in containers() for word in one.get("args", ()) if "\n" not in word]
    for text in [*texts(documents(GITLAB)), _unit()["Service"]["ExecStart"]]:
        if "buildkitd " in text:
            words += text.partition("buildkitd ")[2].split()
    flags = {word for word in words if word.startswith("--")}

    assert flags - FLAGS == set()
    assert flags > {"--config", "--addr", "--tlscacert"}


def test_spec_inside_a_manifest_is_a_spec(tmp_path: Path) -> None:
    """The image.yaml of the sidecar's ConfigMap loads."""
    (text,) = (
        one["data"]["image.yaml"] for one in manifests("ConfigMap") if "image.yaml" in one["data"]
    )
    (tmp_path / "image.yaml").write_text(text)

    ((_, spec),) = load_specs(tmp_path / "image.yaml")

    assert spec.registry


def test_docs_link_every_example() -> None:
    """docs/ci.md leads to each file, and its links lead somewhere."""
    links = re.findall(r"\]\(([^)#]+)", (ROOT / "docs" / "ci.md").read_text())
    targets = {(ROOT / "docs" / link).resolve() for link in links}

    assert all(target.exists() for target in targets)
    assert set(FILES) <= targets


def _text() -> str:
    return "\n".join(file.read_text() for file in FILES)
