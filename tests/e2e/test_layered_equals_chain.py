"""The file system of merged branches is that of the same steps one after another.

Every case is built twice on the same daemon; the second time it is said to be unable to merge.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from making import MakeSpec
from trees import differences, tree_of

from buildkit_spec import BuildkitBuilder, ImageSpec, job
from buildkit_spec.values import StatusUpdate

Fields = Mapping[str, Any]

EACH = {"layers": {"heavy_mib": 0.0}}
"""Every package in a layer of its own: nothing is hidden by what shares a step."""

OLD = {"packages": ["tabulate==0.8.10", "six==1.16.0", "humanize==4.12.3"]}
"""A base image that holds Python packages."""

FILES = {
    "src/main.py": "import shared\n",
    "src/deep/tool.py": "print()\n",
    "src/data/table.csv": "source\n",
    "data/table.csv": "copied\n",
    "reqs/main.txt": "-r more.txt\n-c ../pins.txt\ntabulate\n",
    "reqs/more.txt": "idna\n",
    "pins.txt": "tabulate==0.9.0\n",
    "lib/pyproject.toml": """[project]
name = "lib"
version = "1"
dependencies = ["toml"]
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
""",
    "lib/lib/__init__.py": "WORD = 'lib'\n",
}
REPOSITORY = {
    "apt_packages": ["git"],
    "copy": ["lib"],
    "commands": [
        "cd /root/lib && git init --quiet --initial-branch=main && git add ."
        " && export GIT_AUTHOR_DATE=2020-01-01T00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00Z"
        " && git -c user.name=t -c user.email=t@t.test commit --quiet --message=first"
        " && git clone --quiet --bare . /srv/lib && rm -r /root/lib/.git",
    ],
}
"""A base image with a repository of a Python project."""

SOURCE = {"source_root": "src", "source_copy_mode": "all"}
COPY = {"copy": ["data", "pins.txt"]}

CASES: dict[str, Fields] = {
    # packages
    "modules": {"packages": ["six", "humanize"]},
    "each-alone": {"packages": ["six", "humanize", "toml", "idna"], "builder_options": EACH},
    "one-layer": {"packages": ["six", "toml", "idna"], "builder_options": {"layers": "single"}},
    "scripts": {"packages": ["tabulate", "humanize", "chardet"]},
    "data-files": {"packages": ["asciinema==2.4.0", "six"]},
    "compiled": {"packages": ["markupsafe", "pyyaml"], "builder_options": EACH},
    "namespace-legacy": {"packages": ["zope.event", "zope.interface"], "builder_options": EACH},
    "namespace-pep420": {
        "packages": ["sphinxcontrib-jsmath", "sphinxcontrib-htmlhelp", "sphinxcontrib-qthelp"],
        "builder_options": EACH,
    },
    "one-file-of-two": {
        "packages": ["kafka-python==2.0.2", "kafka-python-ng==2.2.3"],
        "builder_options": EACH,
    },
    "extras": {"packages": ["requests[socks]"]},
    "requirements": {"requirements": "reqs/main.txt"},
    "interpreter-named": {"packages": ["six"], "python_version": "3.11"},
    "source-distribution": {"packages": ["docopt==0.6.2", "six"]},
    "editable": {"packages": ["-e ./lib", "six"]},
    "project": {"packages": ["./lib", "humanize"], "builder_options": EACH},
    "local-wheel": {"packages": ["./parcel-1.0-py3-none-any.whl", "six"]},
    "repository": {"packages": ["lib @ git+file:///srv/lib@main"], "base_image": REPOSITORY},
    # upgrades of what the base holds
    "upgrade": {"packages": ["tabulate==0.9.0"], "base_image": OLD},
    "downgrade": {"packages": ["humanize==4.11.0", "toml"], "base_image": OLD},
    "upgrade-each-alone": {
        "packages": ["tabulate==0.9.0", "six==1.17.0", "toml"],
        "base_image": OLD,
        "builder_options": EACH,
    },
    "upgrade-within-one-layer": {
        "packages": ["tabulate==0.9.0", "toml"],
        "base_image": OLD,
        "builder_options": {"layers": {"max_layers": 1}},
    },
    "upgrade-within-a-namespace": {
        "packages": ["sphinxcontrib-jsmath==1.0.1", "sphinxcontrib-qthelp==2.0.0"],
        "base_image": {"packages": ["sphinxcontrib-jsmath==1.0"]},
        "builder_options": EACH,
    },
    "same-again": {"packages": ["six==1.16.0"], "base_image": OLD},
    "changed-by-the-base": {
        "packages": ["tabulate==0.9.0"],
        "base_image": {
            **OLD,
            "commands": ["rm -r /usr/local/lib/python3.11/dist-packages/tabulate*", "mkdir /x"],
        },
    },
    "folder-is-a-link": {
        "packages": ["asciinema==2.4.0"],
        "base_image": {
            "commands": ["mv /usr/local/share /opt/share && ln -s /opt/share /usr/local/share"]
        },
    },
    # the system
    "apt": {"apt_packages": ["tree", "hello"]},
    "apt-and-packages": {"apt_packages": ["tree"], "packages": ["tabulate", "six"]},
    "apt-capabilities": {"apt_packages": ["iputils-ping"], "packages": ["six"]},
    "apt-hard-links": {"apt_packages": ["pigz"], "packages": ["six"]},
    "apt-brings-python-packages": {
        "apt_packages": ["python3-toml"],
        "packages": ["toml==0.10.2", "six==1.17.0"],
    },
    "user": {"builder_options": {"user": "somebody"}, "packages": ["six"], **COPY, **SOURCE},
    "user-and-workdir": {
        "builder_options": {"user": "nobody", "workdir": "/srv/app"},
        "apt_packages": ["tree"],
        **COPY,
    },
    # files and commands
    "copy": {**COPY, "packages": ["six"]},
    "copy-elsewhere": {**COPY, "builder_options": {"copy_to": "/srv/deep/er"}},
    "source-over-copy": {**COPY, **SOURCE},
    "commands": {
        "packages": ["six", "tabulate"],
        "apt_packages": ["tree"],
        "commands": ["rm /usr/bin/tree && ln -s /bin/true /usr/bin/tree", "tabulate --help > /h"],
    },
    "commands-and-source": {
        **SOURCE,
        "commands": ["mkdir -p /root/data && echo hidden > /root/data/table.csv", "chmod 700 /opt"],
    },
    "config": {"env": {"A": "1"}, "entrypoint": ["true"], "packages": ["six"]},
    # all together, in three images on each other
    "everything": {
        "packages": ["tabulate==0.9.0", "docopt==0.6.2", "markupsafe"],
        "apt_packages": ["tree"],
        "commands": ["tree --version > /t", "rm -r /usr/share/doc/tree"],
        "builder_options": {"user": "somebody", **EACH},
        **COPY,
        **SOURCE,
        "base_image": {
            "apt_packages": ["hello"],
            "commands": ["echo > /made"],
            "base_image": {**OLD, "copy": ["data"]},
        },
    },
}


@contextmanager
def no_merging() -> Iterator[None]:
    """Say that the daemon can neither merge nor take differences."""
    supports = job.GatewayQuestions.supports

    def answer(self: job.GatewayQuestions, capability: str) -> bool:
        return capability not in {"mergeop", "diffop"} and supports(self, capability)

    with mock.patch.object(job.GatewayQuestions, "supports", answer):
        yield


@pytest.fixture(name="files", autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current directory, with the files that the cases name."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "src/deep/tool.py").chmod(0o755)
    (tmp_path / "src/link.py").symlink_to("main.py")
    info = "parcel-1.0.dist-info"
    with zipfile.ZipFile(tmp_path / "parcel-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("parcel.py", "WORD = 'parcel'\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: parcel\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        names = ["parcel.py", f"{info}/METADATA", f"{info}/WHEEL", f"{info}/RECORD"]
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in names))


@pytest.mark.parametrize("case", CASES)
def test_layered_file_system_equals_the_chain(
    builder: BuildkitBuilder, spec: MakeSpec, case: str
) -> None:
    """Paths, contents, modes, owners, links, extended attributes; and times, as all are settled."""

    def make(fields: Fields, name: str) -> Any:
        own = dict(fields)
        if isinstance(own.get("base_image"), dict):
            own["base_image"] = make(own["base_image"], name).replace(registry=None)
        return spec(name=name, **own)

    compare(builder, make(CASES[case], "layered"), make(CASES[case], "chain"))


def test_conda_in_layers_equals_the_chain(builder: BuildkitBuilder, conda: MakeSpec) -> None:
    """With an interpreter of conda's, that the Python packages go into, and apt's beside it."""
    fields = {
        "conda_packages": ["arrays", "greeter"],
        "python_version": "3.11",
        "packages": ["tabulate", "six"],
        "apt_packages": ["tree"],
        "builder_options": EACH,
    }

    compare(builder, conda(name="layered", **fields), conda(name="chain", **fields))


def test_interpreter_of_its_own_in_layers_equals_the_chain(
    builder: BuildkitBuilder, spec: MakeSpec, interpreters: str
) -> None:
    """Where the base has none."""
    bare = {"name": "bare", "commands": ["rm -r /usr/bin/python* /usr/lib/python3*"]}
    fields = {
        "python_version": "3.11",
        "packages": ["tabulate", "markupsafe"],
        "apt_packages": ["tree"],
        "builder_options": {"network": "host"},
        "builder_config": {"python_downloads": f"{interpreters}/list.json"},
    }
    layered, chain = (
        spec(name=name, base_image=spec(**bare), **fields) for name in ("layered", "chain")
    )

    compare(builder, layered, chain)


def compare(builder: BuildkitBuilder, one: ImageSpec, other: ImageSpec) -> None:
    """Build one with layers and the other as a chain; both must come out the same."""
    names: set[str] = set()

    def listen(update: StatusUpdate) -> None:
        names.update(vertex.name for vertex in update.vertices)

    layered = builder.build(one)
    with no_merging():
        chain = builder.build(other, on_status=listen)

    assert not [name for name in names if "join the layers" in name or "take a layer" in name]
    assert names
    assert differences(tree_of(layered.reference), tree_of(chain.reference)) == []
