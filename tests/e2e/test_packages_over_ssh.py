"""Python packages from a repository behind ssh, with this machine's agent."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from making import MakeSpec, Pulled
from ssh_server import running_server

from buildkit_spec import BuildkitBuilder

PROJECT = """[project]
name = "own-tool"
version = "1.0"
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""


@contextlib.contextmanager
def agent_with(key: Path) -> Iterator[dict[str, str]]:
    """An ssh agent that holds *key*; yields the environment that names it."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory) / "agent"
        command = ["ssh-agent", "-D", "-a", str(place)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as agent:
            while not place.exists():
                assert agent.poll() is None
            env = {**os.environ, "SSH_AUTH_SOCK": str(place)}
            subprocess.run(["ssh-add", "-q", str(key)], env=env, check=True)
            try:
                yield env
            finally:
                agent.terminate()


def test_package_behind_ssh_is_resolved_and_installed(
    buildkit_host: str, spec: MakeSpec, pulled: Pulled, tmp_path: Path
) -> None:
    """Both steps sign with the agent; wheels' steps, and the image, have nothing of it."""
    project = tmp_path / "own"
    (project / "own_tool").mkdir(parents=True)
    (project / "own_tool/__init__.py").write_text("WORD = 'behind ssh'\n")
    (project / "pyproject.toml").write_text(PROJECT)
    for arguments in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@t.test", "commit", "--quiet", "-m", "x"],
    ):
        subprocess.run(["git", *arguments], cwd=project, check=True)
    (tmp_path / "server").mkdir()
    with (
        running_server(tmp_path / "server", "") as server,
        agent_with(server.home / "user_key") as env,
    ):
        wanted = spec(
            packages=[f"own-tool @ git+ssh://{server.host}{project}@main", "six"],
            apt_packages=["git", "openssh-client"],
            builder_options={
                "network": "host",
                "ssh": True,
                "step_secrets": {"/etc/ssh/ssh_known_hosts": f"file:{server.home / 'known_hosts'}"},
            },
        )
        result = BuildkitBuilder(buildkit_host, env=env).build(wanted)
        image = pulled(result)

    assert image.run("python3", "-c", "import own_tool; print(own_tool.WORD)").stdout == (
        "behind ssh\n"
    )
    assert "SSH_AUTH_SOCK" not in image.env
