"""What a base image holds: asked once, inside the image, and cached by the daemon."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

PROBE_PATH = "/probe"
"""Where the answers stand in the probe's output."""

_SCRIPT = r"""
if [ -r /etc/os-release ]; then . /etc/os-release; fi
for name in $1; do
  python=$(command -v "$name" 2>/dev/null) && break
done
if [ -n "$python" ]; then
  version=$("$python" -BSc 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)
  purelib=$("$python" -IBc 'import sysconfig; print(sysconfig.get_path("purelib"))' 2>/dev/null)
  installed=$("$python" -IBc 'import importlib.metadata as metadata
print(*sorted({"%s==%s" % (one.metadata["Name"], one.version) for one in metadata.distributions()}))
' 2>/dev/null)
fi
for name in apt-get dpkg; do command -v "$name" >/dev/null 2>&1 && tools="$tools $name"; done
printf '%s\n' "distro=${ID:-}-${VERSION_ID:-}" "python=$python" "version=$version" "tools=$tools" \
  "purelib=$purelib" "installed=$installed" > "$2"
"""


_CERTIFICATES = """
if [ -s /etc/ssl/certs/ca-certificates.crt ]; then echo certificates=yes >> "$2"; fi
"""


@dataclass(frozen=True, slots=True)
class Probe:
    """The answers.

    Attributes:
        distro: ``ID-VERSION_ID`` of os-release, such as ``debian-12``; ``-`` when there is none.
        python: Absolute path of the interpreter, or empty.
        python_version: Such as ``3.11.2``; empty without one.
        tools: Package managers found.
        purelib: Folder its packages stand in; empty without one.
        installed: Versions of the Python packages that are there, by normalized name (PEP 503).
        has_certificates: Whether Debian's bundle of authorities is there; only when it was asked.
    """

    distro: str = "-"
    python: str = ""
    python_version: str = ""
    tools: frozenset[str] = frozenset()
    purelib: str = ""
    installed: Mapping[str, str] = field(default_factory=dict)
    has_certificates: bool = False

    @classmethod
    def parse(cls, text: str) -> Probe:
        """Read what the probe's script printed."""
        answers = dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)
        return cls(
            distro=answers.get("distro", "-"),
            python=answers.get("python", ""),
            python_version=answers.get("version", ""),
            tools=frozenset(answers.get("tools", "").split()),
            purelib=answers.get("purelib", ""),
            installed=_versions(answers.get("installed", "")),
            has_certificates="certificates" in answers,
        )


def _versions(text: str) -> dict[str, str]:
    pairs = (entry.partition("==")[::2] for entry in text.split())
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pairs}


def probe_args(
    python_version: str, python_exec: str, output: str, *, certificates: bool = False
) -> tuple[str, ...]:
    """Return the command that asks the base image.

    Args:
        python_version: The version wanted (its interpreter is preferred), or empty.
        python_exec: The interpreter the user names, or empty.
        output: Absolute path of the file it writes.
        certificates: Whether to look for certificates too.
    """
    wanted = [python_exec] if python_exec else ["python3", "python"]
    if python_version and not python_exec:
        wanted.insert(0, "python" + ".".join(python_version.split(".")[:2]))
    script = _SCRIPT + (_CERTIFICATES if certificates else "")
    return ("/bin/sh", "-c", script, "probe", " ".join(wanted), output)
