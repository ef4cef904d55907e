"""The uv binary comes from its wheel, fetched with this machine's pip and kept."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from buildkit_spec.errors import ToolUnavailableError
from buildkit_spec.host import uv_directory
from buildkit_spec.spec.defaults import UV_VERSION
from buildkit_spec.values import Platform

AMD64 = Platform("linux", "amd64")


@pytest.fixture(scope="module", name="cache")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {**os.environ, "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))}


def test_uv_is_fetched_alone_and_runs(cache: dict[str, str]) -> None:
    """The directory shared with the daemon holds the program of that version and nothing else."""
    directory = uv_directory(UV_VERSION, AMD64, cache)
    said = subprocess.run([directory / "uv", "--version"], capture_output=True, text=True)

    assert [one.name for one in directory.iterdir()] == ["uv"]
    assert UV_VERSION in said.stdout


def test_uv_is_fetched_once(cache: dict[str, str]) -> None:
    """The second time it is taken from the cache directory: no program can be called here."""
    first = uv_directory(UV_VERSION, AMD64, cache)

    assert uv_directory(UV_VERSION, AMD64, {**cache, "PATH": "/nowhere"}) == first


def test_uv_version_that_does_not_exist_is_told_with_a_command(cache: dict[str, str]) -> None:
    """The error holds what pip said and the command to try by hand; nothing is left behind."""
    with pytest.raises(ToolUnavailableError) as caught:
        uv_directory("0.0.99999", AMD64, cache)

    assert "0.0.99999" in caught.value.message
    assert "download" in caught.value.remedy
    assert not list(Path(cache["XDG_CACHE_HOME"]).glob("buildkit-spec/uv/0.0.99999*"))


def test_uv_for_a_platform_without_a_wheel_is_refused(cache: dict[str, str]) -> None:
    """The remedy is to take uv from the base image."""
    with pytest.raises(ToolUnavailableError) as caught:
        uv_directory(UV_VERSION, Platform("linux", "s390x"), cache)

    assert "uv: base" in caught.value.remedy


def test_uv_is_kept_elsewhere_when_the_cache_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home that cannot be written to costs a folder for temporary files, not the build."""
    (tmp_path / "file").touch()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))

    directory = uv_directory(
        UV_VERSION, AMD64, {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "file")}
    )

    assert directory.is_relative_to(tmp_path / "temporary")
    assert (directory / "uv").is_file()
