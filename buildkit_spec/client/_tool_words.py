"""What a tool's error text means: why a connection that it was to carry could not be made."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from buildkit_spec.client.address import Address

_TOLD_LINES = 3
_NO_DOCKER = "docker context ls, and is the Engine running?"
_NO_KUBE = "kubectl config get-contexts"

Rule = tuple[str, str, str]
"""What it says (a pattern), why (our words), and what to do; ``{…}`` is filled in."""

_FAR: tuple[Rule, ...] = (
    (
        r"docker(?: system)? dial-stdio|docker: (?:command )?not found",
        "there is no docker on PATH there that can be used",
        "{enter} docker version",
    ),
    (
        r"\"buildctl\": executable file not found|buildctl:.*not found|exec: buildctl|127$",
        "there is no buildctl on PATH there",
        "{buildctl}",
    ),
    (
        r"dial unix (.+?): connect: no such file",
        "there is no socket {1} there",
        "is buildkitd running there, and is that its socket? {enter} ls -l {1}",
    ),
    (
        r"dial unix (.+?): connect: connection refused",
        "nobody listens at {1} there",
        "is buildkitd running there? Its log says why it stopped",
    ),
    (
        r"dial unix (.+?): connect: permission denied",
        "permission denied at the socket {1} there",
        "buildkitd --group makes it the group's; {enter} ls -l {1}",
    ),
)
"""Said by what runs on the other side, whichever tool leads there."""

_RULES: dict[str, tuple[Rule, ...]] = {
    "docker": (
        (
            r"no such container",
            "there is no container {host}",
            "docker run -d --name {host} --privileged moby/buildkit",
        ),
        (r"is not running", "the container {host} is not running", "docker start {host}"),
        (r"is paused", "the container {host} is paused", "docker unpause {host}"),
        (
            r"permission denied while trying to connect",
            "this user may not use the Docker Engine",
            "sudo usermod -aG docker $USER, and log in again",
        ),
        (
            r"cannot connect to the docker daemon|error during connect",
            "the Docker Engine does not answer",
            _NO_DOCKER,
        ),
        (
            r"context \"?([^\s\"]+)\"?(?: does not exist|: context not found|.*not found)",
            "there is no Docker context {1}",
            "docker context ls",
        ),
    ),
    "podman": (
        (
            r"no such container|no container with name or id",
            "there is no container {host}",
            "podman run -d --name {host} --privileged docker.io/moby/buildkit",
        ),
        (
            r"container state improper|is not running",
            "the container {host} is not running",
            "podman start {host}",
        ),
    ),
    "kubectl": (
        (r"pods \"([^\"]+)\" not found", "there is no pod {1}{namespace}", "{pods}"),
        (r"namespaces? \"([^\"]+)\" not found", "there is no namespace {1}", "kubectl get ns"),
        (
            r"container (?:\"?([^\s\"]+)\"? is not valid for pod|not found \(\"([^\"]+)\"\))",
            "there is no container {1} in the pod {host}, or it does not run",
            "{pods} {host} -o jsonpath='{{.spec.containers[*].name}}'",
        ),
        (r"context \"?([^\s\"]+)\"? does not exist", "there is no context {1}", _NO_KUBE),
        (
            r"cannot exec .* (?:completed|terminated) pod|current phase is (\w+)",
            "the pod {host} is not running",
            "{pods} {host}",
        ),
        (
            r"\(forbidden\)",
            "you may not exec into the pod {host}",
            "kubectl auth can-i create pods/exec{namespace_flag}",
        ),
        (
            r"\(unauthorized\)|must be logged in",
            "the cluster does not take your login",
            "log in to the cluster again",
        ),
        (
            r"the connection to the server (\S+) was refused|no configuration has been provided",
            "kubectl has no cluster that answers",
            _NO_KUBE,
        ),
    ),
    "ssh": (
        (
            r"remote host identification has changed",
            "the host key of {host} is not the one that is known",
            "is it another machine? If you know why it changed: ssh-keygen -R {known}",
        ),
        (
            r"host key verification failed",
            "the host key of {host} is not known here",
            "{enter} true, once by hand, and compare the fingerprint",
        ),
        (
            r"permission denied \(([^)]*)\)",
            "{host} takes none of your keys",
            "ssh-add, so that no passphrase is asked for; then {enter} true must work",
        ),
        (r"too many authentication failures", "{host} takes none of your keys", "ssh-add -l"),
        (
            r"could not resolve hostname",
            "the host name cannot be resolved",
            "check the spelling of the address",
        ),
        (
            r"connect to host .*: connection refused",
            "connection refused: no ssh server listens there",
            "is it the right port? ssh://user@host:port",
        ),
        (
            r"connect to host .*: (.*timed out|no route to host|network is unreachable)",
            "{host} cannot be reached: {1}",
            "is it the right address, and does no firewall stand between?",
        ),
        (
            r"timeout, server \S+ not responding|connection (?:closed|reset)|broken pipe",
            "the connection to {host} broke",
            "is the machine still up?",
        ),
    ),
}


def explain(
    address: Address,
    command: Sequence[str],
    code: int | None,
    output: str,
    *,
    is_running: bool = False,
) -> Told:
    """Return why a tool's connection failed, and what to do.

    Args:
        address: Where it was to lead.
        command: The tool and its arguments.
        code: What it ended with; None while it runs.
        output: What it wrote to its standard error.
        is_running: Whether it was given up while it ran.

    Returns:
        Two empty texts when it has nothing to say.
    """
    program = command[0]
    lines = [line for line in map(_printable, output.splitlines()) if line]
    said = "; ".join(lines[-_TOLD_LINES:])
    words = _words(address)
    text = "\n".join([*lines, str(code)])
    for pattern, reason, remedy in (*_RULES[program], *_FAR):
        if found := re.search(pattern, text, re.I):
            group = next(filter(None, found.groups()), "")
            told = reason.format("", group, **words)
            note = f" ({program} said: {said})" if said else ""
            return told + note, remedy.format("", shlex.quote(group), **words)
    by_hand = shlex.join(command)
    # Ended well, or by us: then what it said is no reason.
    if not (is_running or (code or 0) > 0):
        return "", ""
    if said:
        return f"{program} said: {said}", by_hand
    return (
        (f"{program} ended with exit code {code} and said nothing", by_hand) if code else ("", "")
    )


Told = tuple[str, str]
"""Why, and what to do."""


def _words(address: Address) -> dict[str, str]:
    host = address.host
    login = f"{address.user}@{host}" if address.user else host
    port = f" -p {address.port}" if address.port else ""
    namespace = address.option("namespace")
    flags = f" --namespace={namespace}" if namespace else ""
    enter = {
        "docker-container": f"docker exec {host}",
        "podman-container": f"podman exec {host}",
        "kube-pod": f"kubectl{flags} exec {host} --",
    }.get(address.scheme, f"ssh{port} {login}")
    in_image = "its image must have one, as moby/buildkit has"
    return {
        "host": host,
        "enter": enter,
        "known": f"[{host}]:{address.port}" if address.port else host,
        "namespace": f" in the namespace {namespace}" if namespace else "",
        "namespace_flag": flags,
        "pods": f"kubectl{flags} get pod",
        "buildctl": f"install it there: {enter} buildctl --version must work"
        if address.scheme == "ssh"
        else in_image,
    }


def _printable(line: str) -> str:
    """Return a line without what would steer a terminal: the other side wrote it."""
    return "".join(char for char in line if char.isprintable()).strip()
