"""A conda channel of the tests' own, and a `micromamba` to install from it.

There is no micromamba to be had from the package indexes. This one takes the flags that a build
gives it, and leaves solving and installing to rattler: a real implementation of both. It is a
single file, as micromamba is. Where it writes, and what it reads from its environment, is as with
the real one. Source: libmamba ``configuration.cpp``, ``environments_manager.cpp``, ``context.cpp``.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib.metadata
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MAIN = """
import argparse, asyncio, base64, json, os, sys, zipfile

parser = argparse.ArgumentParser()
parser.add_argument("command", choices=["create"])
for flag in ("--yes", "--quiet", "--no-rc", "--override-channels"):
    parser.add_argument(flag, action="store_true", required=True)
parser.add_argument("--no-env", action="store_true")
parser.add_argument("--root-prefix")
parser.add_argument("--prefix", required=True)
parser.add_argument("--channel", action="append", required=True)
parser.add_argument("packages", nargs="+")
asked = parser.parse_args()

home = os.environ.get("HOME", "/root")
env = {} if asked.no_env else os.environ
root = asked.root_prefix or env.get("MAMBA_ROOT_PREFIX") or home + "/.local/share/mamba"
cache = env.get("CONDA_PKGS_DIRS") or root + "/pkgs"
pins = [env["MAMBA_PINNED_PACKAGES"]] if env.get("MAMBA_PINNED_PACKAGES") else []
if os.path.exists(home + "/.mamba/auth/authentication.json"):
    with open(home + "/.mamba/auth/authentication.json") as file:
        logins = json.load(file)
    rattlers = {
        host: {
            "BasicHTTP": {
                "username": login["user"],
                "password": base64.b64decode(login["password"]).decode(),
            }
        }
        for host, login in logins.items()
        if login["type"] == "BasicHTTPAuthentication"
    }
    os.environ["RATTLER_AUTH_FILE"] = "/dev/shm/rattler.json"
    with open("/dev/shm/rattler.json", "w") as file:
        json.dump(rattlers, file)

libraries = cache + "/rattler"
zipfile.ZipFile(sys.argv[0]).extractall(libraries)
sys.path.insert(0, libraries)
from rattler import Channel, Client, Gateway, VirtualPackage, install, solve


async def main():
    client = Client.default_client()
    records = await solve(
        [Channel(channel) for channel in asked.channel],
        asked.packages,
        gateway=Gateway(cache + "/cache", client=client),
        platforms=["linux-64", "noarch"],
        virtual_packages=VirtualPackage.detect(),
        constraints=pins,
    )
    os.makedirs(asked.prefix + "/conda-meta", exist_ok=True)
    await install(records, asked.prefix, cache_dir=cache, client=client)
    with open(asked.prefix + "/conda-meta/history", "w") as file:
        file.write("==> now <==")
    os.makedirs(home + "/.conda", exist_ok=True)
    with open(home + "/.conda/environments.txt", "a") as file:
        file.write(asked.prefix)


asyncio.run(main())
os._exit(0)  # rattler's threads still run, and crash now and then when Python takes itself down
"""


def write_micromamba(path: Path) -> None:
    """Write the program, with rattler in it."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        file.writestr("__main__.py", MAIN)
        for one in importlib.metadata.files("py-rattler") or ():
            if one.parts[0] == "rattler" and one.suffix != ".pyc":
                file.write(one.locate(), str(one))
    path.write_bytes(b"#!/usr/bin/env python3\n" + archive.getvalue())
    path.chmod(0o755)


def make_tools(folder: Path) -> None:
    """Make a folder with a channel and a micromamba.

    Of its packages ``greeter`` needs an older ``greeting``, ``arrays`` needs Python, and ``snakes``
    brings one that is no package.
    """
    channel = folder / "channel"
    write_micromamba(folder / "micromamba")
    add_package(channel, "greeting", "1.0", {"share/greeting": "hello 1\n"}, subdir="noarch")
    add_package(channel, "greeting", "2.0", {"share/greeting": "hello 2\n"}, subdir="noarch")
    script = "#!/bin/sh\ncat /opt/conda/share/greeting\n"
    add_package(channel, "greeter", "0.1", {"bin/greeter": script}, depends=["greeting <2"])
    for version in ("3.11.9", "3.14.1"):
        add_package(channel, "python", version, {"bin/python3": _interpreter(version)})
    module = {"lib/arrays/__init__.py": "WORD = 'arrays'\n"}
    add_package(channel, "arrays", "1.0", module, depends=["python"])
    add_package(channel, "snakes", "1.0", {"bin/python3": _interpreter("3.14.1")})


def _interpreter(version: str) -> str:
    """An interpreter that says it is of *version*, and is the base's."""
    return f"""#!/bin/sh
case "$*" in
  --version) echo Python {version};;
  *version_info*) echo {version};;
  *) exec /usr/bin/python3 "$@";;
esac
"""


def add_package(
    channel: Path,
    name: str,
    version: str,
    files: Mapping[str, str],
    *,
    depends: Sequence[str] = (),
    subdir: str = "linux-64",
) -> None:
    """Add a package to a channel, which is made when it is not there.

    Source: conda documentation, *Package specification*; CEP 36 (repodata).
    """
    index = {
        "name": name,
        "version": version,
        "build": "0",
        "build_number": 0,
        "depends": list(depends),
        "subdir": subdir,
    }
    paths = [
        {
            "_path": path,
            "path_type": "hardlink",
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "size_in_bytes": len(text.encode()),
        }
        for path, text in files.items()
    ]
    members = {
        "info/index.json": json.dumps(index),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}),
        "info/files": "\n".join(files),
        **files,
    }
    package = channel / subdir / f"{name}-{version}-0.tar.bz2"
    package.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(package, "w:bz2") as archive:
        for path, text in members.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text.encode())
            entry.mode = 0o755 if path.startswith("bin/") else 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))
    for folder in ("linux-64", "noarch"):
        _index(channel / folder)


def _index(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    packages = {}
    for package in sorted(folder.glob("*.tar.bz2")):
        with tarfile.open(package) as archive:
            member = archive.extractfile("info/index.json")
            assert member is not None
            data = package.read_bytes()
            packages[package.name] = {
                **json.load(member),
                "sha256": hashlib.sha256(data).hexdigest(),
                "size": len(data),
            }
    repodata = {"info": {"subdir": folder.name}, "packages": packages, "packages.conda": {}}
    (folder / "repodata.json").write_text(json.dumps(repodata))


@contextlib.contextmanager
def protected(channel: Path, user: str, password: str) -> Iterator[str]:
    """Serve a channel on this machine's loopback, with a login; yields its URL without one."""
    expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(channel))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            if self.headers.get("Authorization") == expected:
                super().do_GET()
            else:
                self.send_error(401)

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
