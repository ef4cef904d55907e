"""The committed modules are what scripts/gen-protos makes of protos/."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("grpc_tools", reason="grpcio-tools belongs to the dev group")

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def tree(tmp_path):
    """A copy of what the generator reads and writes."""
    for part in ("protos", "scripts/_protos", "buildkit_spec/_pb"):
        shutil.copytree(ROOT / part, tmp_path / part)
    shutil.copy(ROOT / "scripts/gen-protos", tmp_path / "scripts")
    return tmp_path


def _generate(root, *arguments):
    return subprocess.run(
        [sys.executable, root / "scripts/gen-protos", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_check_passes_on_what_is_committed():
    """Nobody edited a generated file or forgot to generate."""
    done = _generate(ROOT, "--check")

    assert done.returncode == 0, done.stdout + done.stderr


def test_check_shows_a_difference(tree):
    """A field added to protos/ fails the check, with the lines, and without writing."""
    source = tree / "protos/secrets.proto"
    source.write_text(source.read_text().replace("bytes data = 1;", "bytes data = 1; bool ok = 2;"))
    before = (tree / "buildkit_spec/_pb/secrets.pyi").read_text()

    done = _generate(tree, "--check")

    assert done.returncode == 1
    assert "+    ok: bool" in done.stdout.splitlines()
    assert "run scripts/gen-protos" in done.stderr
    assert (tree / "buildkit_spec/_pb/secrets.pyi").read_text() == before


def test_generate_removes_what_no_proto_makes(tree):
    """A module whose .proto is gone goes too; what is written by hand stays."""
    (tree / "protos/upload.proto").unlink()

    assert _generate(tree, "--check").returncode == 1
    assert _generate(tree).returncode == 0
    assert not (tree / "buildkit_spec/_pb/upload.py").exists()
    assert (tree / "buildkit_spec/_pb/_pool.py").exists()
    assert _generate(tree, "--check").returncode == 0


def test_generate_refuses_a_name_python_cannot_say(tree):
    """A field named by a keyword is refused, with where and what to do."""
    source = tree / "protos/secrets.proto"
    source.write_text(source.read_text().replace("bytes data = 1;", "bytes from = 1;"))

    done = _generate(tree)

    assert done.returncode == 1
    assert "secrets.proto: GetSecretResponse.from: add an underscore" in done.stderr
