"""Debian's packages: the machine's own sources, private downloads, and the few system installs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from _engine import EngineFailure, say
from _engine.layout import Layout
from _engine.run import find, run

# program: package that has it; these must be the system's own, as they fit its kernel and libc.
SYSTEM_PROGRAMS = {
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
}
ENGINE_PACKAGES = ("docker.io", "containerd", "docker-registry")
NOT_HERE = (
    "with Docker: `docker compose up -d` and BUILDKIT_HOST=tcp://127.0.0.1:1234; "
    "or set BUILDKIT_HOST to a daemon you have"
)


@dataclass(frozen=True)
class Source:
    """One entry of the machine's apt sources that serves Debian itself."""

    uri: str
    suite: str
    components: str
    signed_by: str = ""
    is_trusted: bool = False

    def as_deb822(self, suite: str = "") -> str:
        """The entry as a paragraph of a `.sources` file, for another suite if one is named."""
        lines = [f"Types: deb\nURIs: {self.uri}\nSuites: {suite or self.suite}"]
        lines.append(f"Components: {self.components}")
        if self.signed_by:
            lines.append(f"Signed-By: {self.signed_by}")
        if self.is_trusted:
            lines.append("Trusted: yes")
        return "\n".join(lines) + "\n"


def os_release() -> dict[str, str]:
    """Fields of /etc/os-release; empty where there is none."""
    try:
        text = Path("/etc/os-release").read_text("utf-8")
    except OSError:
        return {}
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key: value.strip("\"'") for key, value in pairs}


def machine_sources(apt: Path = Path("/etc/apt")) -> list[Source]:
    """Debian's entries for this machine's release, main mirror first.

    Raises:
        EngineFailure: No entry serves this release.
    """
    codename = os_release().get("VERSION_CODENAME", "")
    found: list[Source] = []
    parts = apt / "sources.list.d"
    for path in (apt / "sources.list", *sorted(parts.glob("*.list"))):
        if path.is_file():
            found += _one_line(path.read_text("utf-8"))
    for path in sorted(parts.glob("*.sources")):
        found += _deb822(path.read_text("utf-8"))
    ours = [
        source
        for source in dict.fromkeys(found)
        if source.suite.split("-")[0].split("/")[0] == codename
        and "main" in source.components.split()
        and not source.uri.startswith("cdrom:")
    ]
    ours.sort(key=lambda source: source.suite != codename)
    if not ours or ours[0].suite != codename:
        raise EngineFailure(
            f"no apt source of this machine serves {codename} main", remedy=NOT_HERE
        )
    return ours


def _one_line(text: str) -> list[Source]:
    sources = []
    pattern = re.compile(r"^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s+([^#\n]+)", re.MULTILINE)
    for options, uri, suite, components in pattern.findall(text):
        pairs = dict(word.split("=", 1) for word in options.split() if "=" in word)
        signed_by, trusted = pairs.get("signed-by", ""), pairs.get("trusted") == "yes"
        sources.append(Source(uri, suite, " ".join(components.split()), signed_by, trusted))
    return sources


def _deb822(text: str) -> list[Source]:
    sources = []
    text = re.sub(r"^#.*\n?", "", text, flags=re.MULTILINE)
    for paragraph in re.split(r"\n\s*\n", text):
        fields = {
            key.lower(): value.strip()
            for key, value in re.findall(r"^(\S+):((?:.*)(?:\n[ \t].*)*)", paragraph, re.MULTILINE)
        }
        if "deb" not in fields.get("types", "").split() or fields.get("enabled") == "no":
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                components = " ".join(fields.get("components", "").split())
                signed_by, trusted = fields.get("signed-by", ""), fields.get("trusted") == "yes"
                sources.append(Source(uri, suite, components, signed_by, trusted))
    return sources


def install_missing(programs: Iterable[str]) -> None:
    """Install the named system programs that are not there yet, from the machine's own release.

    Raises:
        EngineFailure: apt cannot install them.
    """
    packages = [SYSTEM_PROGRAMS[program] for program in programs if not find(program)]
    if not packages:
        return
    say(f"installing {', '.join(packages)} with apt")
    run(["apt-get", "-qq", "update"])
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages], env=quiet)


def fetch(layout: Layout, packages: tuple[str, ...]) -> dict[str, str]:
    """Download packages of the suite and unpack them below `layout.programs`.

    Nothing of the system changes: apt works on private lists, and no maintainer script runs.

    Returns:
        Version of each package.

    Raises:
        EngineFailure: The mirror has no such suite or package, or a download failed.
    """
    apt = _private_apt(layout)
    say(f"downloading {', '.join(packages)} ({layout.suite})")
    run(["apt-get", *apt, "-qq", "update"])
    return _unpack(layout, apt, packages)


def fetch_file(layout: Layout, package: str, inside: str, target: Path) -> None:
    """Download a package of the suite and unpack one file of it, where the rest would be large.

    Args:
        layout: The suite.
        package: Name of the package.
        inside: The file's path in it, beginning with ``./``.
        target: What it becomes.

    Raises:
        EngineFailure: The mirror has no such package, or the package no such file.
    """
    apt = _private_apt(layout)
    say(f"downloading {package} ({layout.suite})")
    run(["apt-get", *apt, "-qq", "update"])
    (deb,) = _download(layout, apt, (package,))
    fresh = target.with_suffix(".new")
    pipe = 'dpkg-deb --fsys-tarfile "$0" | tar --extract --to-stdout "$1" >"$2" && chmod 755 "$2"'
    run(["sh", "-c", pipe, deb, inside, fresh])
    deb.unlink()
    fresh.replace(target)


def fetch_engine(layout: Layout) -> dict[str, str]:
    """Fetch the engine's packages and whatever libraries they need that this machine lacks.

    Returns:
        Version of each package.

    Raises:
        EngineFailure: As for `fetch`, or a needed library cannot be had.
    """
    versions = fetch(layout, ENGINE_PACKAGES)
    _bring_libraries(layout)
    return versions


def copy_packages(lender: Layout, layout: Layout) -> None:
    """Have the lender's unpacked packages by hard links: other paths, so other programs of ours."""
    shutil.rmtree(layout.programs, ignore_errors=True)
    run(["cp", "--archive", "--link", lender.programs, layout.programs])
    for link in (layout.programs / "lib-missing").iterdir():
        found = layout.programs / link.readlink().relative_to(lender.programs)
        link.unlink()
        link.symlink_to(found)


def _private_apt(layout: Layout) -> list[str]:
    apt = layout.home / "apt"
    for folder in ("parts", "state/lists/partial", "cache/archives/partial", "debs"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    (apt / "state/status").touch()
    mirror = machine_sources()[0]
    main_only = Source(mirror.uri, layout.suite, "main", mirror.signed_by, mirror.is_trusted)
    (apt / "parts/engine.sources").write_text(main_only.as_deb822(), "utf-8")
    options = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": str(apt / "parts"),
        "Dir::State": str(apt / "state"),
        "Dir::State::status": str(apt / "state/status"),
        "Dir::Cache": str(apt / "cache"),
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    return [word for key, value in options.items() for word in ("-o", f"{key}={value}")]


def _unpack(layout: Layout, apt: list[str], packages: tuple[str, ...]) -> dict[str, str]:
    versions = {}
    for deb in _download(layout, apt, packages):
        run(["dpkg-deb", "-x", deb, layout.programs])
        name, version = run(["dpkg-deb", "-W", "--showformat=${Package} ${Version}", deb]).split()
        versions[name] = version
    return versions


def _download(layout: Layout, apt: list[str], packages: tuple[str, ...]) -> list[Path]:
    debs = layout.home / "apt/debs"
    shutil.rmtree(debs, ignore_errors=True)
    debs.mkdir()
    run(["apt-get", *apt, "-qq", "download", *packages], cwd=debs)
    return sorted(debs.glob("*.deb"))


def _missing_libraries(layout: Layout) -> set[str]:
    missing: set[str] = set()
    libraries = {"LD_LIBRARY_PATH": str(layout.programs / "lib-missing")}
    for program in ("usr/sbin/dockerd", "usr/bin/containerd", "usr/bin/docker-registry"):
        needs = run(["ldd", layout.programs / program], env=libraries)
        missing.update(re.findall(r"^\s*(\S+) => not found", needs, re.MULTILINE))
    return missing


def _bring_libraries(layout: Layout) -> None:
    """Link the missing libraries, and only them, into a folder the daemons are pointed at."""
    apt = _private_apt(layout)
    wanted: tuple[str, ...] = ENGINE_PACKAGES
    folder = layout.programs / "lib-missing"
    folder.mkdir(exist_ok=True)
    missing = _missing_libraries(layout)
    for _ in range(4):  # a library may need further ones
        if not missing:
            return
        depends = run(["apt-cache", *apt, "depends", "--important", *wanted])
        names = re.findall(r"Depends: (lib(?!c6)\S+)", depends)
        wanted = tuple(dict.fromkeys(names))
        if not wanted:
            break
        _unpack(layout, apt, wanted)
        for soname in missing:
            for found in layout.programs.glob(f"**/{soname}"):
                link = folder / soname
                link.unlink(missing_ok=True)
                link.symlink_to(found)
        missing = _missing_libraries(layout)
    if missing:
        raise EngineFailure(
            f"the engine of {layout.suite} needs {', '.join(sorted(missing))}", remedy=NOT_HERE
        )
