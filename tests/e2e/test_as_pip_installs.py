"""Layer groups leave what a plain ``pip install`` of the same versions leaves."""

from __future__ import annotations

import os
import tarfile

import pytest
from making import MakeSpec
from trees import Tree, tree_of

from buildkit_spec import BuildkitBuilder
from buildkit_spec.host import find_indexes

DIRECTORY = tarfile.DIRTYPE.decode()
EACH = {"layers": {"heavy_mib": 0.0}}
PIP = (
    "PIP_DISABLE_PIP_VERSION_CHECK=1 python3 $(ls /usr/share/python-wheels/pip-*.whl)/pip "
    "--no-cache-dir install --quiet --break-system-packages --root-user-action ignore "
)
"""Debian's own, from the wheel that ``python3 -m venv`` takes it from."""

NEW = [
    *("asciinema==2.4.0", "chardet==5.2.0"),  # programs, data files
    *("zope.event==5.0", "zope.interface==7.0", "sphinxcontrib-jsmath==1.0.1"),  # namespaces
    *("kafka-python==2.0.2", "kafka-python-ng==2.2.3"),  # files that both hold
    "docopt==0.6.2",  # built from source
]
OLD = ["tabulate==0.8.10", "humanize==4.9.0", "six==1.16.0"]
LATER = ["tabulate==0.9.0", "humanize==4.12.3", "toml==0.10.2"]
CASES = {"new": ([], NEW), "upgrades": (OLD, LATER)}
"""What is there already, and what is installed on it."""


def comparable(tree: Tree) -> dict[str, tuple[object, ...]]:
    """What two installers must agree on.

    Records and compiled files are each installer's own, and so is the text of a program that
    calls an entry point; that they are there, with their modes, counts. Who asked for a package is
    not noted by us, and pip makes no folders that a wheel has nothing in.
    """
    found = {}
    full = {path.rpartition("/")[0] for path in tree}
    for path, (kind, mode, owner, content, *_) in tree.items():
        folder, _, name = path.rpartition("/")
        if kind == DIRECTORY and path not in full:
            continue
        if name == "REQUESTED" and folder.endswith(".dist-info"):
            continue
        is_own = name in {"RECORD", "INSTALLER", "WHEEL"} and folder.endswith(".dist-info")
        if is_own or name.endswith(".pyc") or folder == "usr/local/bin":
            content = ""
        found[path] = (kind, mode, owner, content)
    return found


@pytest.mark.parametrize("case", CASES)
def test_image_holds_what_pip_would_install(
    builder: BuildkitBuilder, spec: MakeSpec, case: str
) -> None:
    """Scripts, data files, namespaces, upgrades: the same paths, modes, owners and contents."""
    before, packages = CASES[case]
    index = find_indexes(os.environ).default
    options = {"build_env": {"PIP_INDEX_URL": index}} if index else {}
    ours = spec(packages=packages, builder_options=EACH)
    if before:
        ours = ours.replace(base_image=spec(name="base", packages=before))
    commands = [PIP + " ".join(pinned) for pinned in (before, packages) if pinned]
    theirs = spec(name="pip", commands=commands, builder_options=options)

    one = comparable(tree_of(builder.build(ours).reference))
    other = comparable(tree_of(builder.build(theirs).reference))

    assert {
        path: (one.get(path), other.get(path))
        for path in one.keys() | other.keys()
        if one.get(path) != other.get(path)
    } == {}
