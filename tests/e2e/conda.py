"""A conda channel of the tests' own, and a `micromamba` to install from it.

There is no micromamba to be had from the package indexes. This one takes the flags that a build
gives it, and leaves solving and installing to rattler: a real implementation of both. It is a
single file, as micromamba is.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

MAIN = """
import argparse, asyncio, os, sys, zipfile
libraries = os.environ["CONDA_PKGS_DIRS"] + "/rattler"
zipfile.ZipFile(sys.argv[0]).extractall(libraries)
sys.path.insert(0, libraries)
from rattler import Channel, Gateway, VirtualPackage, install, solve

parser = argparse.ArgumentParser()
parser.add_argument("command", choices=["create"])
for flag in ("--yes", "--quiet", "--no-rc", "--no-env", "--override-channels"):
    parser.add_argument(flag, action="store_true", required=True)
parser.add_argument("--prefix", required=True)
parser.add_argument("--channel", action="append", required=True)
parser.add_argument("packages", nargs="+")
asked = parser.parse_args()


async def main():
    records = await solve(
        [Channel(channel) for channel in asked.channel],
        asked.packages,
        gateway=Gateway(),
        platforms=["linux-64", "noarch"],
        virtual_packages=VirtualPackage.detect(),
    )
    os.makedirs(asked.prefix + "/conda-meta", exist_ok=True)
    await install(records, asked.prefix, cache_dir=os.environ["CONDA_PKGS_DIRS"])
    open(asked.prefix + "/conda-meta/history", "w").write("==> now <==")


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
