"""Folders for sockets: private, and not left behind by who is killed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildkit_spec.client._own_folder import own_folder, remove_folder

_HOLD = """
import sys
from buildkit_spec.client._own_folder import own_folder
print(own_folder()[0], flush=True)
sys.stdin.read()
"""


@pytest.fixture(name="temporary", autouse=True)
def _temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory for temporary files of the test's own, with a path short enough."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        yield Path(short)


def holder(temporary: Path) -> tuple[subprocess.Popen[str], Path]:
    """Another process that has a folder until its standard input ends, or it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_folder_of_a_killed_process_is_removed_by_the_next(temporary: Path) -> None:
    """With what is in it; the folder of a process that lives stays."""
    killed, left = holder(temporary)
    living, kept = holder(temporary)
    with killed, living:
        (left / "relay.sock").touch()
        (kept / "relay.sock").touch()
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert left.is_dir()

        folder, lock = own_folder()

        assert not left.exists()
        assert (kept / "relay.sock").exists()
        assert folder.is_dir()
        remove_folder(folder, lock)
        assert not folder.exists()


def test_two_folders_of_one_process_do_not_disturb_each_other() -> None:
    """A process with two daemons has two of them."""
    first, second = own_folder(), own_folder()

    assert first[0].is_dir()
    assert second[0].is_dir()
    for folder, lock in (first, second):
        remove_folder(folder, lock)


def test_folder_stands_in_one_that_only_its_user_may_enter(temporary: Path) -> None:
    """So that nobody else can put a socket there."""
    folder, lock = own_folder()

    assert folder.parent == temporary / f"buildkit-spec-{os.getuid()}"
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    remove_folder(folder, lock)


@pytest.mark.parametrize("is_link", [False, True])
def test_common_folder_that_others_may_have_made_is_not_used(
    temporary: Path, is_link: bool
) -> None:
    """One that all may write to, or a link in its place: each process has a folder by itself."""
    taken = temporary / f"buildkit-spec-{os.getuid()}"
    if is_link:
        elsewhere = temporary / "elsewhere"
        elsewhere.mkdir(mode=0o700)
        taken.symlink_to(elsewhere)
    else:
        taken.mkdir()
        taken.chmod(0o777)

    folder, lock = own_folder()

    assert folder.parent == temporary
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    remove_folder(folder, lock)
