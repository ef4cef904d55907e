"""A locked spec is the same image, digest for digest, whoever builds it and whenever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from engines import empty_engine
from making import MakeSpec
from trees import layers_of, stream_of

from buildkit_spec import BuildkitBuilder, ImageSpec


@pytest.fixture(name="wanted")
def _wanted(spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageSpec:
    """A spec with a step of every kind."""
    monkeypatch.chdir(tmp_path)
    for name in ("src/main.py", "src/deep/other.py", "data/table.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n")
    (tmp_path / "src/link.py").symlink_to("main.py")
    return spec(
        packages=["tabulate", "humanize", "markupsafe", "docopt==0.6.2"],
        apt_packages=["tree", "libmagic1"],
        commands=[
            "mkdir /made && echo one > /made/one && ln -s one /made/two && date +%Y > /dev/null",
            "python3 -c 'import tabulate' && rm -r /usr/share/doc/tree",
        ],
        copy=["data"],
        source_root="src",
        source_copy_mode="all",
        builder_options={"user": "somebody", "layers": {"heavy_mib": 0.03}},
    )


@pytest.fixture(name="with_interpreters")
def _with_interpreters(conda: MakeSpec, spec: MakeSpec, interpreters: str) -> list[ImageSpec]:
    """One with conda's Python, and one with a Python of its own."""
    bare = spec(name="bare", commands=["rm -r /usr/bin/python* /usr/lib/python3*"])
    return [
        conda(name="conda", conda_packages=["arrays", "greeter"], python_version="3.11"),
        spec(
            name="managed",
            base_image=bare.replace(registry=None),
            python_version="3.11",
            packages=["six==1.17.0"],
            builder_options={"network": "host"},
            builder_config={"python_downloads": f"{interpreters}/list.json"},
        ),
    ]


def test_two_empty_daemons_build_the_same_images(
    builder: BuildkitBuilder,
    wanted: ImageSpec,
    with_interpreters: list[ImageSpec],
    tmp_path: Path,
) -> None:
    """Layer by layer, and so the digest of the whole."""
    lock = tmp_path / "image.pylock.toml"
    lock.write_text(builder.lock(wanted))
    specs = [wanted.with_lock(lock), *with_interpreters]
    digests, layers, streams = [], [], []
    for _ in range(2):
        with empty_engine() as empty:
            results = [empty.build(one, force=True) for one in specs]
        digests.append([result.digest for result in results])
        layers.append([layers_of(result.reference) for result in results])
        streams.append(
            [
                stream_of(result.reference, digest)
                for result in results
                for digest in layers_of(result.reference)
            ]
        )
        for path in tmp_path.rglob("*.py"):
            os.utime(path, (1, 1), follow_symlinks=False)

    for one, other in zip(*streams, strict=True):
        assert one == other
    assert layers[0] == layers[1]
    assert digests[0] == digests[1]
