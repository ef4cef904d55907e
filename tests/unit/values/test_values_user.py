"""The user of this process: known to the system, known by ``HOME`` only, or to nobody."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from buildkit_spec.values.user import home_directory, private_folder


def test_home_is_what_the_environment_says(tmp_path: Path) -> None:
    """``HOME`` goes before what the system has."""
    assert home_directory({"HOME": str(tmp_path)}) == tmp_path


def test_home_without_the_variable_is_the_system_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry of the user in the system's list."""
    monkeypatch.delenv("HOME")

    assert home_directory() == Path(pwd.getpwuid(os.getuid()).pw_dir)


def test_home_of_a_number_that_nobody_knows_is_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """As container runtimes have it; never an exception."""

    def unknown(number: int) -> None:
        raise KeyError(number)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)

    assert home_directory() == home_directory({}) == Path("/")


def test_private_folder_is_the_same_every_time(tmp_path: Path) -> None:
    """All processes of a user share it."""
    folder = private_folder(tmp_path)

    assert folder is not None
    assert folder == private_folder(tmp_path)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_private_folder_that_is_something_else_is_none(tmp_path: Path) -> None:
    """A file under its name, or no place to make it."""
    (tmp_path / f"buildkit-spec-{os.getuid()}").touch()

    assert private_folder(tmp_path) is None
    assert private_folder(tmp_path / "nowhere") is None
