"""A client and a daemon on two machines with only mutual TLS between them: the shape of CI jobs.

The scripts are those of `examples/ci/gitlab-ci.yml`, as they are there. In place of the daemon's
image there is the Engine's BuildKit, with the certificates that its script was given.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from failing import unique, wait_until
from forwarder import Forwarder
from namespaces import DAEMON, Namespace, Sniffer, client_and_daemon, hidden, processes_in
from registries import PASSWORD, USER, RunningRegistry, basic, htpasswd_auth, running_registry
from tls_endpoint import TlsEndpoint, tls_endpoint

from buildkit_spec.client import Address

ROOT = Path(__file__).parents[2]
JOB = yaml.safe_load((ROOT / "examples" / "ci" / "gitlab-ci.yml").read_text())["build-image"]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
DAEMON_PORT = 1234


@dataclass(frozen=True)
class Site:
    """The client's machine: where it is, what it knows, what its shell has set."""

    client: Namespace
    project: Path
    hosts: Path
    engine: Path
    variables: Mapping[str, str]

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command there; an empty variable is as none."""
        command = self.client.command(*hidden(*words, hosts=self.hosts, folder=self.engine))
        env = {**self.variables, **variables}
        return subprocess.run(
            command,
            cwd=self.project,
            env={name: value for name, value in env.items() if value},
            capture_output=True,
            text=True,
        )


@dataclass(frozen=True)
class Ran:
    """What a job did, and what was seen of it."""

    done: subprocess.CompletedProcess[str]
    endpoint: TlsEndpoint
    sniffer: Sniffer
    marker: str
    word: str


@pytest.fixture(name="registry_with_login", scope="module")
def _registry_with_login(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """A registry that is set up as Compose sets it up, by its environment."""
    home = tmp_path_factory.mktemp("registry")
    htpasswd_auth(home)
    environment = {name: str(value) for name, value in COMPOSE["registry"]["environment"].items()}
    mounted = environment["REGISTRY_AUTH_HTPASSWD_PATH"]
    assert mounted in [one["target"] for one in COMPOSE["registry"]["volumes"][1:]]
    environment["REGISTRY_AUTH_HTPASSWD_PATH"] = str(home / "htpasswd")
    with running_registry(home, environment=environment) as running:
        yield running


@pytest.fixture(name="machines", scope="module")
def _machines() -> Iterator[tuple[Namespace, Namespace]]:
    with client_and_daemon() as both:
        yield both


@pytest.fixture(name="site", scope="module")
def _site(
    machines: tuple[Namespace, Namespace],
    registry_with_login: RunningRegistry,
    buildkit_host: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """The client's machine: the cable, and the registry's port, as Docker publishes one."""
    client, _ = machines
    home = tmp_path_factory.mktemp("job")
    for name in ("bin", "project", "private", "home"):
        (home / name).mkdir()
    (home / "bin" / "buildkit-spec").write_text(
        f'#!/bin/sh\nexec {sys.executable} -m buildkit_spec "$@"\n'
    )
    (home / "bin" / "buildkit-spec").chmod(0o755)
    (home / "hosts").write_text(f"127.0.0.1 localhost\n{DAEMON} buildkitd\n")
    kept = ("PYTHONPATH", "BUILDKIT_SPEC_NETWORK", "LANG", "PYTHONDONTWRITEBYTECODE")
    variables = {
        **{name: os.environ.get(name, "") for name in kept},
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "HOME": str(home / "home"),
        **JOB["variables"],
        "CERTS": str(home / "private" / "certs"),
        "BUILDKIT_TLS_DIR": str(home / "private" / "certs" / "client"),
        "DOCKER_CONFIG": str(home / "private" / "docker"),
        "CI_PROJECT_DIR": str(home / "project"),
        "CI_JOB_ID": "7",
        "CI_REGISTRY": registry_with_login.host,
        "CI_REGISTRY_IMAGE": f"{registry_with_login.host}/team",
        "CI_REGISTRY_USER": USER,
        "CI_REGISTRY_PASSWORD": PASSWORD,
    }
    engine = Path(Address.parse(buildkit_host).path).parent
    host, port = registry_with_login.host.split(":")
    with Forwarder((host, int(port)), client.listen("127.0.0.1", int(port))):
        yield Site(client, home / "project", home / "hosts", engine, variables)


def _write_spec(project: Path, base_image: str, word: str, marker: str) -> None:
    (project / "code").mkdir(exist_ok=True)
    (project / "code" / "data").write_text(f"{marker}\n" * 5000)
    spec = {
        "name": "sidecar",
        "base_image": base_image,
        "source_root": "code",
        "commands": [f"echo {word}"],
    }
    (project / "image.yaml").write_text(json.dumps(spec))


@contextlib.contextmanager
def _service(daemon: Namespace, site: Site, home: Path) -> Iterator[Path]:
    """Run the script of the service on the daemon's machine; yield where its words will be."""
    (home / "bin").mkdir()
    words, stand_in = home / "words", home / "bin" / "rootlesskit"
    stand_in.write_text(
        f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {words}.part\nmv {words}.part {words}\nexec cat\n"
    )
    stand_in.chmod(0o755)
    (service,) = JOB["services"]
    env = {
        "PATH": f"{stand_in.parent}:{os.environ['PATH']}",
        **{name: value for name, value in site.variables.items() if name.startswith("CI_")},
    }
    process = subprocess.Popen(
        daemon.command(*service["entrypoint"], *service["command"]),
        stdin=subprocess.PIPE,
        env=env,
        start_new_session=True,
    )
    try:
        yield words
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdin
        process.stdin.close()


@contextlib.contextmanager
def _in_background(
    site: Site, script: str
) -> Iterator[Callable[[], subprocess.CompletedProcess[str]]]:
    """Start a script on the client's machine; yield what waits for its end."""
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(site.run, "sh", "-ec", script)
        yield job.result


def _flag(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


@pytest.fixture(name="ran", scope="module")
def _ran(
    machines: tuple[Namespace, Namespace],
    site: Site,
    buildkit_host: str,
    base_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Ran]:
    """Run both scripts of the job, the daemon's first; it has to wait for its certificates."""
    _, daemon = machines
    word, marker = unique(), unique()
    _write_spec(site.project, base_image, word, marker)
    script = "\n".join(JOB["script"])
    with contextlib.ExitStack() as stack:
        home = tmp_path_factory.mktemp("service")
        words_file = stack.enter_context(_service(daemon, site, home))
        sniffer = stack.enter_context(Sniffer(daemon))
        wait = stack.enter_context(_in_background(site, script))
        wait_until(words_file.exists, "the daemon has its certificates")
        words = words_file.read_text().split("\n")
        assert words[0] == "buildkitd"
        assert _flag(words, "--addr") == f"tcp://0.0.0.0:{DAEMON_PORT}"
        files = {flag: Path(_flag(words, f"--tls{flag}")) for flag in ("cacert", "cert", "key")}
        folder = files["cacert"].parent
        assert {flag: file.name for flag, file in files.items()} == {
            "cacert": "ca.pem",
            "cert": "cert.pem",
            "key": "key.pem",
        }
        listener = daemon.listen("0.0.0.0", DAEMON_PORT)
        endpoint = stack.enter_context(tls_endpoint(folder, Address.parse(buildkit_host), listener))
        yield Ran(wait(), endpoint, sniffer, marker, word)


def test_job_builds_and_pushes(ran: Ran, registry_with_login: RunningRegistry) -> None:
    """The example's scripts, as they are, make certificates, find each other, and push."""
    assert ran.done.returncode == 0, ran.done.stderr
    said = ran.done.stdout.splitlines()[-1]
    match = re.fullmatch(rf"{registry_with_login.host}/team/sidecar:\S+@(sha256:\w+)", said)
    assert match, said

    stored = registry_with_login.call(
        "HEAD",
        f"/v2/team/sidecar/manifests/{match[1]}",
        headers={
            "Authorization": basic(),
            "Accept": "application/vnd.oci.image.manifest.v1+json",
        },
    )

    assert stored.status == 200
    assert ran.word in ran.done.stderr
    assert set(ran.endpoint.clients) == {"client"}


def test_only_tls_is_on_the_cable(ran: Ran) -> None:
    """One port of one protocol, and neither files nor logs nor logins in the clear."""
    ports = ran.sniffer.ports()
    frames = b"".join(ran.sniffer.frames)

    assert ran.marker.encode() in ran.endpoint.heard
    assert len(frames) > len(ran.marker) * 5000
    assert {min(pair) for pair in ports} == {DAEMON_PORT}
    for secret in (ran.marker, ran.word, PASSWORD, basic().split()[1]):
        assert secret.encode() not in frames


def test_keys_stay_where_they_are(ran: Ran, site: Site) -> None:
    """The daemon is given its own key; it gets neither the client's nor the authority's."""
    private = Path(site.variables["CERTS"])
    handed = site.project / ".buildkitd-7"
    sent = bytes(ran.endpoint.heard) + b"".join(ran.sniffer.frames)
    assert {file.name for file in handed.iterdir()} == {"ca.pem", "cert.pem", "key.pem"}
    assert (handed / "key.pem").stat().st_mode & 0o777 == 0o600
    assert (handed / "key.pem").stat().st_uid == 1000

    for file in (private / "client" / "key.pem", private / "ca" / "ca-key.pem"):
        text = file.read_bytes()
        key = load_pem_private_key(text, None)
        number = key.private_numbers().private_value  # type: ignore[union-attr]
        assert text.splitlines()[1] not in sent
        assert number.to_bytes(32, "big") not in sent
        assert text != (handed / "key.pem").read_bytes()


@pytest.mark.parametrize(
    ("certificates", "words"),
    [
        ("none", "wants a client certificate, and none is given"),
        ("others", "refuses our certificate"),
        ("plain", "it speaks TLS, and no certificates are given"),
    ],
)
def test_who_does_not_belong_builds_nothing(
    ran: Ran, site: Site, base_image: str, tmp_path: Path, certificates: str, words: str
) -> None:
    """On the same cable: without certificate, with one of another authority, without TLS."""
    ca = str(Path(site.variables["BUILDKIT_TLS_DIR"]) / "ca.pem")
    flags = {"none": ["--tlscacert", ca], "plain": ["--insecure"]}
    if certificates == "others":
        for command in (["init"], ["client", "--name", "eve"]):
            made = site.run("buildkit-spec", "certs", *command, "--dir", str(tmp_path / "eve"))
            assert made.returncode == 0, made.stderr
        own = tmp_path / "eve" / "eve"
        pair = ["--tlscert", str(own / "cert.pem"), "--tlskey", str(own / "key.pem")]
        flags["others"] = ["--tlscacert", ca, *pair]
    before = len(ran.endpoint.clients)
    _write_spec(site.project, base_image, unique(), unique())

    done = site.run(
        *("buildkit-spec", "build", "image.yaml", *flags[certificates]),
        *("--set", f"registry={site.variables['CI_REGISTRY_IMAGE']}"),
        BUILDKIT_TLS_DIR="",
    )

    assert done.returncode == 3, done.stderr
    assert words in done.stderr
    assert done.stdout == ""
    assert len(ran.endpoint.clients) == before


def test_client_has_no_other_way(site: Site) -> None:
    """Neither by network nor by file does it reach the Engine, or anything else of this machine."""
    script = (
        "import socket\n"
        "try: socket.create_connection(('203.0.113.1', 80), 5)\n"
        "except OSError as error: print(error.strerror)\n"
    )

    tried = site.run(sys.executable, "-c", script)
    routes = json.loads(site.client.run("ip", "-j", "route"))

    assert tried.stdout == "Network is unreachable\n"
    assert [route["dst"] for route in routes] == ["192.0.2.0/24"]
    assert site.run("ls", "-A", str(site.engine)).stdout == ""


def test_registry_as_compose_sets_it_up(registry_with_login: RunningRegistry) -> None:
    """It wants the password, and its health check, which has none, passes nevertheless."""
    asked = COMPOSE["registry"]["healthcheck"]["test"][-1]
    path = re.sub(r"http://127\.0\.0\.1:5000", "", asked)

    assert registry_with_login.call("HEAD", path).status == 200
    assert registry_with_login.call("GET", "/v2/").status == 401
    assert registry_with_login.call("GET", "/v2/", headers={"Authorization": basic()}).status == 200


def test_nothing_is_left_of_the_machines() -> None:
    """No namespace, process or interface stays, and this machine never sees the cable."""
    names = _named_namespaces()

    with client_and_daemon() as both:
        numbers = [Path(f"/proc/{one.pid}/ns/net").stat().st_ino for one in both]
        assert all(processes_in(number) for number in numbers)
        assert not Path("/sys/class/net/cable").exists()

    assert not [number for number in numbers if processes_in(number)]
    assert not Path("/sys/class/net/cable").exists()
    assert _named_namespaces() == names


def _named_namespaces() -> str:
    return subprocess.run(["ip", "netns"], check=True, capture_output=True, text=True).stdout
