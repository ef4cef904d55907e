"""Debian packages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from buildkit_spec import llb
from buildkit_spec.plan.settings import CA_PATH, RUN_DIR
from buildkit_spec.plan.steps import Context, run

_APT_DIR = f"{RUN_DIR}/apt"

# Indexes and archives stand in a cache mount of our own: the image's /var/lib/apt/lists stays
# empty, and Debian's docker-clean hook, which empties /var/cache/apt, does not reach them.
# They are asked for again after half an hour, or at once when a package or a version is missing.
# Logs and caches that hold the time of the build would make every layer another one.
_SCRIPT = f"""set -e
mkdir -p {_APT_DIR}/lists/partial {_APT_DIR}/archives/partial
options="-o Dir::State::lists={_APT_DIR}/lists -o Dir::Cache::archives={_APT_DIR}/archives
  -o APT::Keep-Downloaded-Packages=true -o APT::Sandbox::User=root -o Acquire::Retries=3
  -o Dir::Cache::pkgcache={_APT_DIR}/pkgcache.bin
  -o Dir::Cache::srcpkgcache={_APT_DIR}/srcpkgcache.bin
  -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--log=/dev/null -o Dpkg::Options::=--force-unsafe-io"
if [ -s {CA_PATH} ]; then options="$options -o Acquire::https::CaInfo={CA_PATH}"; fi
sources=$(cat @sources@ 2>/dev/null | sha256sum)
fresh={_APT_DIR}/fresh-${{sources%% *}}
update() {{ rm -f "$fresh"; apt-get -qq $options update; touch "$fresh"; }}
install() {{ apt-get -qq $options install --yes --no-install-recommends "$@"; }}
if [ -z "$(find "$fresh" -mmin -30 2>/dev/null)" ] || ! install "$@" 2>/dev/null; then
  update
  install "$@"
fi
rm -f /var/log/alternatives.log /var/cache/ldconfig/aux-cache \\
  /var/cache/apt/pkgcache.bin /var/cache/apt/srcpkgcache.bin \\
  /var/cache/debconf/*-old /var/lib/dpkg/*-old
"""


_SOURCES = "/etc/apt/sources.list /etc/apt/sources.list.d/*"
_SNAPSHOT_DIR = "/dev/shm/apt"  # noqa: S108 - in the step

# In place of the distribution's archives; those of others stay. What a snapshot says of itself is
# out of date as soon as it is a week old.
_SNAPSHOT = f"""mkdir -p {_SNAPSHOT_DIR}
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list \\
    /etc/apt/sources.list.d/*.sources; do
  if [ -e "$file" ]; then sed -E "$snapshot" "$file" > {_SNAPSHOT_DIR}/"${{file##*/}}"; fi
done
options="$options -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts={_SNAPSHOT_DIR}
  -o Acquire::Check-Valid-Until=false"
"""


def _script(snapshot: str) -> str:
    if not snapshot:
        return _SCRIPT.replace("@sources@", _SOURCES)
    script = _SCRIPT.replace("@sources@", f"{_SNAPSHOT_DIR}/*")
    return script.replace("sources=$", f"{_SNAPSHOT}sources=$", 1)


def _replacement(snapshot: str) -> str:
    """Return what ``sed`` does to the sources."""
    archives = (
        r"https?://[^[:space:]]*/(debian|debian-security|ubuntu|ubuntu-ports)/?([[:space:]]|$)"
    )
    return f"s#{archives}#{snapshot.replace('{archive}', chr(92) + '1')}{chr(92)}2#g"


def may_bring(context: Context, what: str) -> bool:
    """Whether one of the spec's packages is *what*, or a version or a part of it."""
    return any(_brings(name, what) for name in context.spec.apt_packages or ())


def brings_python(name: str) -> bool:
    """Whether a package's name is that of an interpreter, or of a part of one."""
    return _brings(name, "python")


def _brings(name: str, what: str) -> bool:
    return re.match(rf"(lib)?{what}[0-9.]*([-:=/*?]|$)", name) is not None


def install(context: Context, state: llb.State, packages: Sequence[str]) -> llb.State:
    """Install *packages* from the image's own apt sources.

    The names are sorted: their order changes nothing, so it must not change the cache key.
    """
    names = sorted(set(packages))
    snapshot = context.spec.builder_options.apt_snapshot
    return run(
        context,
        state,
        ["/bin/sh", "-c", _script(snapshot), "apt", *names],
        name=context.name("apt", f"install {' '.join(names)}"),
        env={
            "DEBIAN_FRONTEND": "noninteractive",
            **({"snapshot": _replacement(snapshot)} if snapshot else {}),
        },
        mounts=[
            llb.CacheMount(
                _APT_DIR,
                id=f"buildkit-spec-apt-{context.probe.distro}-{context.platform.architecture}",
                sharing=llb.CacheSharing.LOCKED,
            ),
            llb.Tmpfs("/var/log/apt"),
        ],
    )
