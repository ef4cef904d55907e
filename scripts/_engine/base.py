"""A Python base image made from the machine's own Debian mirror."""

from __future__ import annotations

import email.utils
import gzip
import hashlib
import json
import os
import re
import shlex
import subprocess
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path

from _engine import EngineFailure, say
from _engine.debian import machine_sources, os_release
from _engine.run import admin_path, run

ARM64 = "arm64"
"""Debian's name of the architecture that is emulated."""

PACKAGES = ("ca-certificates", "python-is-python3", "python3", "python3-venv")
_COMPRESSION = 4

# Debian's images for containers have these too: no service is started by an install, no
# downloaded package stays in a layer.
_CONTAINER_FILES = {
    "/usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",
    "/etc/apt/apt.conf.d/docker-clean": (
        'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb '
        '/var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };\n'
        'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n'
    ),
}

# A foreign architecture's scripts run emulated, which would take minutes: only those run that make
# what other files depend on, and apt believes of the others that they did.
_CONFIGURED = ("base-passwd", "dash", "libc-bin", "mawk", "passwd")
_UNPACK = f"""
dpkg --root="$1" --force-all @EXCLUDED@ --unpack "$1"/var/cache/apt/archives/*.deb &&
DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \\
  chroot "$1" dpkg --force-all --configure {" ".join(_CONFIGURED)} &&
sed -i -e 's/^Status: install ok .*/Status: install ok installed/' \\
  -e '/^Config-Version:/d' -e '/^Triggers-/d' "$1"/var/lib/dpkg/status &&
cat "$1"/usr/share/ca-certificates/mozilla/*.crt >"$1"/etc/ssl/certs/ca-certificates.crt"""


@dataclass(frozen=True)
class Base:
    """The base image's one layer, compressed, and what its config says about it.

    Attributes:
        key: Hash of everything that went into making it.
        python: Version of its Python, as `3.11`.
        diff_id: Digest of the layer before compression.
        digest: Digest of the compressed layer.
        size_bytes: Size of the compressed layer.
        created: Unix time of the newest package list it was made from.
        made_by: The command that made it.
        architecture: Debian's name of what it runs on; empty for that of this machine.
    """

    key: str
    python: str
    diff_id: str
    digest: str
    size_bytes: int
    created: int
    made_by: str
    architecture: str = ""


def load(folder: Path, architecture: str = "") -> Base | None:
    """The base made earlier from the same recipe, if it is still there."""
    try:
        base = Base(**json.loads((folder / "base.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    is_current = base.key == _key(_recipe(architecture)) and (folder / "layer.tar.gz").is_file()
    return base if is_current else None


def begin(folder: Path, architecture: str = "") -> subprocess.Popen[bytes]:
    """Start making the root file system; it takes half a minute, so other work goes on meanwhile.

    Args:
        folder: Where it is to lie.
        architecture: Debian's name of a foreign one, which this machine emulates.

    Raises:
        EngineFailure: mmdebstrap is not installed, or the machine has no Debian source.
    """
    sources = _sources()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sources").write_text(sources, "utf-8")
    say(f"making a Python base image with mmdebstrap {architecture}".rstrip())
    env = {**os.environ, "PATH": admin_path(), "SOURCE_DATE_EPOCH": str(_epoch())}
    command = [*_recipe(architecture), str(folder / "root.tar"), str(folder / "sources")]
    with (folder / "mmdebstrap.log").open("wb") as log:
        try:
            return subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        except FileNotFoundError as exc:
            raise EngineFailure("mmdebstrap is not installed") from exc


def finish(folder: Path, making: subprocess.Popen[bytes], architecture: str = "") -> Base:
    """Wait for `begin` and compress the layer.

    Raises:
        EngineFailure: mmdebstrap failed; with its log.
    """
    if code := making.wait():
        log = folder / "mmdebstrap.log"
        raise EngineFailure(f"mmdebstrap ended with code {code}", log=log)
    tar = folder / "root.tar"
    python = _python_of(tar)
    layer = folder / "layer.tar.gz"
    diff_id, digest = _compress(tar, layer)
    tar.unlink()
    recipe, size_bytes = _recipe(architecture), layer.stat().st_size
    made_by = shlex.join(recipe)
    base = Base(_key(recipe), python, diff_id, digest, size_bytes, _epoch(), made_by, architecture)
    (folder / "base.json").write_text(json.dumps(asdict(base), indent=2) + "\n", "utf-8")
    return base


def _sources() -> str:
    return "\n".join(source.as_deb822() for source in machine_sources())


def _recipe(architecture: str = "") -> list[str]:
    """The mmdebstrap command without target and sources."""
    codename = os_release().get("VERSION_CODENAME", "")
    excluded = [
        "path-exclude=/usr/share/man/*", "path-exclude=/usr/share/doc/*",
        "path-include=/usr/share/doc/*/copyright", "path-exclude=/usr/share/locale/*",
    ]  # fmt: skip
    command = [
        "mmdebstrap", "--mode=root", f"--variant={'extract' if architecture else 'apt'}",
        "--format=tar", "--skip=output/dev", f"--include={','.join(PACKAGES)}",
        *(f"--dpkgopt={option}" for option in excluded), "--dpkgopt=force-unsafe-io",
        '--aptopt=Acquire::Languages "none";',
    ]  # fmt: skip
    if codename == "bookworm":  # it would merge /usr with a program that needs all of Perl
        command += ["--include=usr-is-merged"]
        command += ["--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"]
    command += [f"--aptopt={option}" for option in _freshness_options()]
    hook = "--customize-hook"
    if architecture:
        hook = "--extract-hook"
        command += [f"--architectures={architecture}", "--skip=check/qemu"]
        command += ["--include=?essential", "--include=apt"]
        flags = shlex.join(f"--{option}" for option in excluded)
        command += [f"{hook}={_UNPACK.replace('@EXCLUDED@', flags)}"]
    for path, text in _CONTAINER_FILES.items():
        target = f'"$1"{path}'
        command.append(f"{hook}=printf %s {shlex.quote(text)} >{target}")
    command.append(f'{hook}=chmod 755 "$1"/usr/sbin/policy-rc.d')
    command.append(f'{hook}=rm -f "$1"/var/cache/apt/*.bin')
    for source in machine_sources():
        if source.signed_by.startswith("/") and "debian-archive" not in source.signed_by:
            folder = Path(source.signed_by).parent
            command.append(f'{hook}=mkdir -p "$1"{folder}')
            command.append(f"{hook}=upload {source.signed_by} {source.signed_by}")
    return [*dict.fromkeys(command), codename]


def _freshness_options() -> list[str]:
    """The machine's choice not to check the lists' age; a frozen mirror needs it inside too."""
    settings = run(["apt-config", "dump"])
    pattern = r'^(Acquire::Check-(?:Valid-Until|Date)) "(\w+)";'
    return [f'{key} "{value}";' for key, value in re.findall(pattern, settings, re.MULTILINE)]


def _key(recipe: list[str]) -> str:
    return hashlib.sha256("\0".join([*recipe, _sources()]).encode()).hexdigest()


def _epoch() -> int:
    """Time stamp for the image: SOURCE_DATE_EPOCH, or the newest list apt has of the mirror."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    newest = 0
    for release in Path("/var/lib/apt/lists").glob("*Release"):
        head = release.read_text("utf-8", errors="replace")[:4000]
        if date := re.search(r"^Date: (.+)$", head, re.MULTILINE):
            newest = max(newest, int(email.utils.parsedate_to_datetime(date[1]).timestamp()))
    return newest


def _python_of(tar: Path) -> str:
    with tarfile.open(tar) as archive:
        for name in ("./usr/bin/python3", "usr/bin/python3"):
            if name in archive.getnames():
                return archive.getmember(name).linkname.removeprefix("python")
    raise EngineFailure("the base image has no Python")


def _compress(source: Path, target: Path) -> tuple[str, str]:
    plain, packed = hashlib.sha256(), hashlib.sha256()
    with (
        source.open("rb") as reader,
        target.open("wb") as writer,
        gzip.GzipFile("", "wb", _COMPRESSION, writer, mtime=0) as compressor,
    ):
        while block := reader.read(1 << 20):
            plain.update(block)
            compressor.write(block)
    with target.open("rb") as reader:
        while block := reader.read(1 << 20):
            packed.update(block)
    return f"sha256:{plain.hexdigest()}", f"sha256:{packed.hexdigest()}"
