"""Logins, secrets and the ssh agent as a real daemon asks for them."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from failing import docker_config, unique
from making import MakeSpec, Pulled
from registries import TokenServer, basic, odd_server, push_image, running_registry

from buildkit_spec import BuildkitBuilder

ASK_AGENT = (
    "import os,socket\n"
    "s = socket.socket(socket.AF_UNIX); s.connect(os.environ['SSH_AUTH_SOCK'])\n"
    "s.sendall(bytes([0, 0, 0, 1, 11])); open('/answer', 'wb').write(s.recv(64))\n"
)


@pytest.mark.parametrize("has_oauth", [True, False], ids=["oauth", "get-only"])
def test_daemon_pulls_and_pushes_with_tokens_and_never_sees_the_password(
    buildkit_host: str, spec: MakeSpec, tmp_path: Path, *, has_oauth: bool
) -> None:
    """We fetch the tokens of a private base and of the push: the token server saw nobody else."""
    tokens = TokenServer(tmp_path / "tokens", has_oauth=has_oauth)
    with odd_server(tokens.answer) as server:
        token = tokens.token(["repository:team/base:pull,push"])
        home = tmp_path / "registry"
        pushing = {"Authorization": f"Bearer {token}"}
        with running_registry(home, auth=tokens.auth(server.host), pushing=pushing) as private:
            push_image(private, "team/base", "1")
            env = docker_config(tmp_path / "docker", {private.host: basic()})
            builder = BuildkitBuilder(buildkit_host, env=env)
            base = f"{private.host}/team/base:1"
            result = builder.build(spec(base_image=base, registry=f"{private.host}/{unique()}"))

            assert result.was_pushed
            assert builder.registry.digest(result.reference) == result.digest
            agents = {one.headers.get("user-agent", "") for one in server.asked}
            assert agents
            assert all(agent.startswith("buildkit-spec/") for agent in agents)


def test_command_reaches_the_ssh_agent_of_this_machine(
    buildkit_host: str, spec: MakeSpec, pulled: Pulled
) -> None:
    """A step that may use it gets the real agent's answer; nothing of it stays."""
    with tempfile.TemporaryDirectory() as directory:
        command = ["ssh-agent", "-D", "-a", f"{directory}/agent"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as agent:
            env = {**os.environ, "SSH_AUTH_SOCK": f"{directory}/agent"}
            while not Path(f"{directory}/agent").exists():
                assert agent.poll() is None
            wanted = spec(
                commands=[f'python3 -c "{ASK_AGENT}"'],
                builder_options={"ssh": True, "no_cache": True},
            )
            image = pulled(BuildkitBuilder(buildkit_host, env=env).build(wanted))
            agent.terminate()

    assert image.path("/answer").read_bytes() == b"\x00\x00\x00\x05\x0c\x00\x00\x00\x00"
    assert "SSH_AUTH_SOCK" not in image.env
