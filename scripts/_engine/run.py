"""Commands run and waited for, with their output in the error when they fail."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from _engine import EngineFailure

_ADMIN_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


def admin_path() -> str:
    """PATH with the administrator's folders, which a plain user's login may lack."""
    return f"{os.environ.get('PATH', '/usr/bin:/bin')}:{_ADMIN_PATH}"


def find(program: str) -> str | None:
    """Where a system program is installed, or None."""
    return shutil.which(program, path=admin_path())


def run(
    command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> str:
    """Run a command and return what it wrote to standard output.

    Raises:
        EngineFailure: The command is missing or its exit code is not 0.
    """
    words = [str(word) for word in command]
    merged = {**os.environ, "PATH": admin_path(), "LC_ALL": "C.UTF-8", **(env or {})}
    try:
        done = subprocess.run(
            words, env=merged, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
    except FileNotFoundError as exc:
        raise EngineFailure(f"{words[0]} is not installed") from exc
    if done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-12:])
        shown = " ".join(words) if len(words) < 12 else f"{words[0]} … {words[-1]}"
        raise EngineFailure(f"`{shown}` ended with code {done.returncode}\n{tail}")
    return done.stdout


def succeeds(command: Sequence[str | Path]) -> bool:
    """Whether a command ends with code 0."""
    try:
        run(command)
    except EngineFailure:
        return False
    return True
