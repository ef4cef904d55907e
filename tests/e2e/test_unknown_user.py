"""A user that the system does not know, and no ``HOME``: as container platforms run their jobs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from failing import write_yaml
from making import MakeSpec

# In a mount namespace of its own, where the system has no users.
_WITHOUT_USERS = """
set -e
mount --bind passwd /etc/passwd
if [ -e /etc/nsswitch.conf ]; then mount --bind nsswitch.conf /etc/nsswitch.conf; fi
if "$1" -c 'import os, pwd; pwd.getpwuid(os.getuid())' 2>/dev/null; then exit 99; fi
exec "$@"
"""


@pytest.mark.parametrize(
    ("command", "told"), [("build", "@sha256:"), ("exists", "is not there"), ("info", "BuildKit")]
)
def test_unknown_user_without_a_home_is_served(
    command: str, told: str, spec: MakeSpec, tmp_path: Path
) -> None:
    """Logins, Docker's context, pip's files and the cache are looked for, and not missed."""
    (tmp_path / "passwd").touch()
    (tmp_path / "nsswitch.conf").write_text("passwd: files\nhosts: files dns\n")
    file = write_yaml(tmp_path / "image.yaml", spec(packages=["six"]))
    env = {name: value for name, value in os.environ.items() if name != "HOME"}

    done = subprocess.run(
        [
            *("unshare", "--mount", "sh", "-c", _WITHOUT_USERS, "sh"),
            *(sys.executable, "-m", "buildkit_spec", command),
            *([file] if command != "info" else []),
        ],
        cwd=tmp_path,
        env={**env, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "Traceback" not in done.stderr
    assert told in done.stdout + done.stderr
