"""Connections that another program carries: what is run, what goes through, what is told."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_daemon import FakeDaemon
from fake_engine import FakeEngine, Request

from buildkit_spec.client import Address, Client
from buildkit_spec.client.tool import command
from buildkit_spec.client.tool_stream import MAX_OUTPUT_BYTES, ToolStream
from buildkit_spec.errors import ConnectionFailedError, DeadlineExceededError
from buildkit_spec.values import Digest, Reference

DIGEST = Digest.of(b"manifest")

_STAND_IN = """\
#!{python} -IS
import json, os, signal, socket, sys, threading
with open({record!r}, "a") as record:
    print(json.dumps([os.getpid(), os.getsid(0), sys.argv[1:]]), file=record)
sys.stderr.write({said!r})
sys.stderr.flush()
if {is_stubborn}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()
if {path!r}:
    far = socket.socket(socket.AF_UNIX)
    far.connect({path!r})
    def back():
        while data := far.recv(65536):
            os.write(1, data)
        os._exit({code})
    threading.Thread(target=back, daemon=True).start()
    while data := os.read(0, 65536):
        far.sendall(data)
    far.shutdown(socket.SHUT_WR)
    signal.pause()
sys.exit({code})
"""

StandIn = Callable[..., None]
Calls = Callable[[], list[tuple[int, int, list[str]]]]


@pytest.fixture(name="record")
def _record(tmp_path: Path) -> Path:
    return tmp_path / "record"


@pytest.fixture(name="stand_in")
def _stand_in(tmp_path: Path, record: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Put a program of a name first on PATH, that relays to a socket or says something."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def make(
        name: str, *, path: str = "", said: str = "", code: int = 0, is_stubborn: bool = False
    ) -> None:
        (folder / name).write_text(
            _STAND_IN.format(
                python=sys.executable,
                record=str(record),
                path=path,
                said=said,
                code=code,
                is_stubborn=is_stubborn,
            )
        )
        (folder / name).chmod(0o755)

    return make


@pytest.fixture(name="calls")
def _calls(record: Path) -> Calls:
    """Every run of a stand-in: process, session, arguments."""

    def read() -> list[tuple[int, int, list[str]]]:
        return [tuple(json.loads(line)) for line in record.read_text().splitlines()]  # type: ignore[misc]

    return read


@pytest.fixture(name="engine")
def _engine(daemon: FakeDaemon) -> Iterator[FakeEngine]:
    """An Engine whose BuildKit is the fake daemon, and that pushes."""

    def answer(request: Request) -> None:
        if request.path != "/grpc":
            request.begin()
            request.say(json.dumps({"progressDetail": {}, "aux": {"Digest": str(DIGEST)}}).encode())
            request.end()
            return
        request.wfile.write(b"HTTP/1.1 101 UPGRADED\r\n\r\n")
        with socket.socket(socket.AF_UNIX) as far:
            far.connect(daemon.address.path)
            back = threading.Thread(target=pump, args=(far, request.connection))
            back.start()
            pump(request.connection, far)
            back.join()

    with (
        tempfile.TemporaryDirectory(dir="/tmp") as home,  # short enough for a socket
        FakeEngine(f"{home}/e.sock") as engine,
    ):
        engine.answer = answer
        yield engine


def pump(source: socket.socket, sink: socket.socket) -> None:
    while data := source.recv(65536):
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)


_SSH = "ssh -T -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=30 -o ControlMaster=no"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("docker-container://b", "docker exec -i b buildctl dial-stdio"),
        (
            "docker-container://b?context=lab",
            "docker --context=lab exec -i b buildctl dial-stdio",
        ),
        ("podman-container://b", "podman exec -i b buildctl dial-stdio"),
        ("kube-pod://b", "kubectl exec -i b -- buildctl dial-stdio"),
        (
            "kube-pod://b?namespace=ci&container=c&context=me@x",
            "kubectl --context=me@x --namespace=ci exec -i --container=c b -- buildctl dial-stdio",
        ),
        ("ssh://builder", f"{_SSH} -- builder buildctl dial-stdio"),
        (
            "ssh://ada@[::1]:99/run/b.sock",
            f"{_SSH} -l ada -p 99 -- ::1 buildctl --addr unix:///run/b.sock dial-stdio",
        ),
        ("docker://ssh://builder", f"{_SSH} -- builder docker system dial-stdio"),
        (
            "docker://ssh://builder/d.sock",
            f"{_SSH} -- builder docker --host unix:///d.sock system dial-stdio",
        ),
    ],
)
def test_tool_is_run_as_buildctl_and_docker_run_it(text: str, expected: str) -> None:
    """Every kind of address has its command, without a shell here."""
    assert command(Address.parse(text)) == tuple(expected.split())


@pytest.mark.parametrize("name", ["$(id)", "a b", "'; id;'", "`id`", "\\", '"', "*"])
def test_path_is_quoted_for_the_shell_of_the_other_machine(name: str) -> None:
    """Ssh gives what it runs to a login shell: to that, too, a path is one word."""
    words = command(Address("ssh", f"/run/{name}", "builder"))
    far = " ".join(words[words.index("builder") + 1 :])

    assert shlex.split(far) == ["buildctl", "--addr", f"unix:///run/{name}", "dial-stdio"]


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        ("docker-container://b", "docker"),
        ("podman-container://b", "podman"),
        ("kube-pod://b?namespace=ci", "kubectl"),
        ("ssh://ada@builder/run/b.sock", "ssh"),
    ],
)
def test_daemon_is_reached_through_a_tool(
    text: str, tool: str, daemon: FakeDaemon, stand_in: StandIn, calls: Calls
) -> None:
    """Calls go through the tool, which has no terminal, and ends with the connection."""
    stand_in(tool, path=daemon.address.path, said="a harmless warning\n")

    with Client(Address.parse(text)) as client:
        assert client.info().package == "fake"
        assert client.workers() == ()

    ((process, session, arguments),) = calls()
    assert arguments == list(command(Address.parse(text))[1:])
    assert session == process
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_docker_engine_is_reached_over_ssh(
    engine: FakeEngine, stand_in: StandIn, calls: Calls
) -> None:
    """An Engine behind ssh is upgraded to gRPC and asked over HTTP, a program for each."""
    stand_in("ssh", path=engine.address.path)

    with Client(Address.parse("docker://ssh://builder")) as client:
        assert client.info().package == "fake"
        assert client.push_image(Reference.parse("registry.example/app:1")) == DIGEST

    assert [path for path, _ in engine.requests] == [
        "/grpc",
        "/images/registry.example/app/push?tag=1",
    ]
    for process, _, arguments in calls():
        assert arguments[-3:] == ["docker", "system", "dial-stdio"]
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_tool_that_is_missing_is_named(stand_in: StandIn) -> None:
    """A tool that is not installed is told with what would help."""
    with pytest.raises(ConnectionFailedError, match="there is no podman on PATH") as caught:
        Client(Address.parse("podman-container://b"))

    assert caught.value.remedy.startswith("install podman")


def test_tool_that_cannot_run_is_named(stand_in: StandIn, tmp_path: Path) -> None:
    """A program that the system does not start is told with the system's reason."""
    (tmp_path / "bin" / "podman").write_text("#!/no/such/interpreter\n")
    (tmp_path / "bin" / "podman").chmod(0o755)

    with pytest.raises(ConnectionFailedError, match="cannot be started: no such file"):
        Client(Address.parse("podman-container://b"))


_NOT_IN_PATH = 'exec: "buildctl": executable file not found in $PATH: unknown'


@pytest.mark.parametrize(
    ("text", "code", "said", "reason", "remedy"),
    [
        (
            "docker-container://b",
            1,
            "Error response from daemon: No such container: b",
            "there is no container b",
            "docker run -d --name b",
        ),
        (
            "docker-container://b",
            1,
            "Error response from daemon: container 0123abcd is not running",
            "the container b is not running",
            "docker start b",
        ),
        (
            "docker-container://b",
            126,
            f"OCI runtime exec failed: {_NOT_IN_PATH}",
            "there is no buildctl",
            "its image must have one",
        ),
        (
            "docker-container://b",
            1,
            "Cannot connect to the Docker daemon at unix:///d.sock. Is it running?",
            "the Docker Engine does not answer",
            "docker context ls",
        ),
        (
            "docker-container://b?context=lab",
            1,
            'Failed to initialize: context "lab": context not found',
            "there is no Docker context lab",
            "docker context ls",
        ),
        (
            "podman-container://b",
            125,
            'Error: no container with name or ID "b" found: no such container',
            "there is no container b",
            "podman run -d --name b",
        ),
        (
            "podman-container://b",
            255,
            "Error: can only create exec sessions on running containers: container state improper",
            "the container b is not running",
            "podman start b",
        ),
        (
            "kube-pod://b?namespace=ci",
            1,
            'Error from server (NotFound): pods "b" not found',
            "there is no pod b in the namespace ci",
            "kubectl --namespace=ci get pod",
        ),
        (
            "kube-pod://b?context=lab",
            1,
            'error: context "lab" does not exist',
            "there is no context lab",
            "kubectl config get-contexts",
        ),
        (
            "kube-pod://b?container=x",
            1,
            'error: unable to upgrade connection: container not found ("x")',
            "there is no container x in the pod b",
            "kubectl get pod b",
        ),
        (
            "kube-pod://b?namespace=ci",
            1,
            'Error from server (Forbidden): pods "b" is forbidden: cannot create pods/exec',
            "you may not exec into the pod b",
            "kubectl auth can-i create pods/exec --namespace=ci",
        ),
        (
            "ssh://ada@h:99",
            127,
            "sh: 1: buildctl: not found",
            "there is no buildctl",
            "ssh -p 99 ada@h buildctl --version",
        ),
        (
            "docker://ssh://ada@h",
            127,
            "bash: line 1: docker: command not found",
            "there is no docker on PATH there",
            "ssh ada@h docker version",
        ),
        (
            "ssh://h/run/b.sock",
            1,
            "error: dial unix /run/b.sock: connect: connection refused",
            "nobody listens at /run/b.sock there",
            "is buildkitd running there?",
        ),
        (
            "ssh://h",
            1,
            "error: dial unix /run/b.sock: connect: permission denied",
            "permission denied at the socket /run/b.sock",
            "buildkitd --group",
        ),
        (
            "ssh://h:99",
            255,
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            "is not the one that is known",
            "ssh-keygen -R [h]:99",
        ),
        ("ssh://h", 7, "what no one foresaw", "ssh said: what no one foresaw", "ssh -T -o Batch"),
        ("ssh://h", 7, "", "ssh ended with exit code 7 and said nothing", "ssh -T -o BatchMode"),
    ],
)
def test_tool_says_why(
    text: str, code: int, said: str, reason: str, remedy: str, stand_in: StandIn
) -> None:
    """What a tool says is understood, kept, and answered with what helps."""
    address = Address.parse(text)
    stand_in(command(address)[0], said=said, code=code)

    with pytest.raises(ConnectionFailedError) as caught:
        Client(address)

    error = caught.value
    assert error.message.startswith(f"cannot reach {address}: ")
    assert reason in error.message
    assert said.splitlines()[-1] in error.message if said else True
    assert error.remedy.startswith(remedy) or remedy in error.remedy
    assert error.address == str(address)


def test_tool_that_hangs_is_given_up_and_ended(stand_in: StandIn, calls: Calls) -> None:
    """After the deadline the error has what the tool said, and the tool is gone, whatever it does.

    A tool that waits for a login in a browser says so.
    """
    stand_in("kubectl", said="open https://login.example and enter ABCD\n", is_stubborn=True)

    with pytest.raises(DeadlineExceededError, match="enter ABCD"):
        Client(Address.parse("kube-pod://b"), connect_timeout_s=1)

    for process, _, _ in calls():
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_connection_that_breaks_says_what_the_tool_says(
    daemon: FakeDaemon, stand_in: StandIn, calls: Calls
) -> None:
    """When the tool ends in the middle of things, its reason is told, not gRPC's."""
    stand_in("ssh", path=daemon.address.path, said="client_loop: send disconnect: Broken pipe\n")

    with Client(Address.parse("ssh://h")) as client:
        stand_in("ssh", said="ssh: connect to host h port 22: Connection refused\n", code=255)
        os.kill(calls()[0][0], signal.SIGKILL)
        with pytest.raises(ConnectionFailedError) as caught:
            _ask_until_it_fails(client)

    assert "Broken pipe" in caught.value.message or "refused" in caught.value.message


def _ask_until_it_fails(client: Client) -> None:
    while True:  # the end of the tool is seen a little later
        client.workers()


def test_what_a_tool_says_is_safe_to_show(stand_in: StandIn) -> None:
    """Neither a login nor what steers a terminal gets from the tool's text into the error."""
    stand_in("ssh", said="\x1b]0;x\x07bad proxy http://ada:s3cret@proxy\x1b[2J\n", code=1)

    with pytest.raises(ConnectionFailedError) as caught:
        Client(Address.parse("ssh://h"))

    assert "s3cret" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_tool_output_is_bounded() -> None:
    """A tool that talks without end is heard, and only the last of it kept."""
    program = "import sys; sys.stderr.write('x' * 1_000_000 + 'the end'); sys.exit(3)"
    stream = ToolStream([sys.executable, "-c", program])

    assert stream.exit_code(30) == 3
    assert len(stream.output()) == MAX_OUTPUT_BYTES
    assert stream.output().endswith("the end")
    stream.close()


def test_tool_ends_with_its_children(tmp_path: Path) -> None:
    """What a tool started, such as a wrapper script its program, is ended too."""
    child = tmp_path / "child"
    stream = ToolStream(["/bin/sh", "-c", f"sleep 1000 & echo $! >{child}; echo x; wait"])
    assert stream.recv(2) == b"x\n"

    stream.close()
    stream.close()

    # Nobody is its parent now but the system, which may take a moment to see its end.
    threading.Event().wait(0.1)
    done = subprocess.run(["ps", "-o", "stat=", "-p", child.read_text()], capture_output=True)
    assert done.stdout.strip() in {b"", b"Z"}


def test_tool_does_not_outlive_a_process_that_never_closes(tmp_path: Path) -> None:
    """A program that just ends takes its tools with it, and does not wait for them."""
    program = (
        "import sys; from buildkit_spec.client.tool_stream import ToolStream as T;"
        "s = T(['/bin/sh', '-c', 'trap \"\" TERM; echo $$; while :; do sleep 1; done']);"
        "print(s.recv(100).decode())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)
