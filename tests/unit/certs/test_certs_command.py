"""``buildkit-spec certs``: what is printed can be used as it is."""

from __future__ import annotations

import base64
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from buildkit_spec.cli.group import commands
from buildkit_spec.client import toml_text

HOME = "my certs"


def run(*words: str) -> Result:
    return CliRunner().invoke(commands, ["certs", *words])


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An authority in a folder whose name needs quotes."""
    monkeypatch.chdir(tmp_path)
    assert run("init", "--dir", HOME).exit_code == 0


def test_server_prints_flags_and_toml(tmp_path: Path) -> None:
    """The flags are of a shell, the TOML is TOML; both name the files that are there."""
    done = run("server", "--dir", HOME, "--san", "builder", "--san", "::1")

    flags, _, toml = done.stdout.partition("or in buildkitd.toml:")
    words = shlex.split(flags)
    folder = tmp_path / HOME / "server"
    files = {name: str(folder / f"{name}.pem") for name in ("ca", "cert", "key")}
    assert words[:3] == ["buildkitd", "--addr", "tcp://0.0.0.0:1234"]
    assert dict(zip(words[3::2], words[4::2], strict=True)) == {
        "--tlscacert": files["ca"],
        "--tlscert": files["cert"],
        "--tlskey": files["key"],
    }
    assert all(Path(file).is_file() for file in files.values())
    wanted = {"grpc": {"address": ["tcp://0.0.0.0:1234"], "tls": files}}
    assert toml_text.parse(toml) == wanted
    shown = run("show", "--dir", f"{HOME}/server", "--at", "/etc/buildkit/certs").stdout
    assert "--tlskey /etc/buildkit/certs/key.pem" in shown
    assert 'key = "/etc/buildkit/certs/key.pem"' in shown
    assert str(folder) not in shown


def test_client_prints_a_command() -> None:
    """The command names the folder, quoted."""
    done = run("client", "--dir", HOME, "--name", "ada")

    *words, folder = shlex.split(done.stdout.splitlines()[-1])
    assert words == ["buildkit-spec", "info", "--addr", "tcp://BUILDER:1234", "--tlsdir"]
    assert folder == f"{HOME}/ada"


def test_show_ends_with_1_when_something_is_wrong() -> None:
    """Names, dates and fingerprint; the exit code tells a cron job that something is wrong."""
    run("server", "--dir", HOME, "--san", "builder", "--days", "10")

    done = run("show", "--dir", HOME)

    assert done.exit_code == 1
    assert "names:       builder\n" in done.stdout
    assert "9 days left" in done.stdout
    assert "wrong:       it expires in 9 days\n    → buildkit-spec certs renew" in done.stdout
    assert run("renew", "--dir", HOME).exit_code == 0
    assert run("show", "--dir", HOME).exit_code == 0


def test_secret_of_kubernetes_has_the_files(tmp_path: Path) -> None:
    """The YAML is a secret whose data are the three files, and nothing else is printed."""
    run("client", "--dir", HOME)

    done = run("show", "--dir", f"{HOME}/client", "--kubernetes", "certs", "--namespace", "ci")

    document = yaml.safe_load(done.stdout)
    assert document["metadata"] == {"name": "certs", "namespace": "ci"}
    assert (document["apiVersion"], document["kind"]) == ("v1", "Secret")
    files = {name: base64.b64decode(data) for name, data in document["data"].items()}
    folder = tmp_path / HOME / "client"
    assert files == {path.name: path.read_bytes() for path in folder.iterdir()}
    named = run("show", "--dir", HOME, "--name", "client", "--kubernetes", "certs").stdout
    assert yaml.safe_load(named)["data"] == document["data"]


def test_wrong_input_is_told() -> None:
    """Exit code 2 for names that are none, 1 for folders that are there, with the reason."""
    assert run("server", "--dir", HOME, "--san", "tcp://x:1").exit_code == 2
    assert run("show", "--dir", HOME, "--kubernetes", "x").exit_code == 2
    run("client", "--dir", HOME)
    assert run("show", "--dir", f"{HOME}/client", "--kubernetes", "X y").exit_code == 2
    again = run("client", "--dir", HOME)
    assert again.exit_code == 1
    assert "is there already, and is not written over" in again.stderr
