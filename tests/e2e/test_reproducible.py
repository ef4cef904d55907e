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


def test_two_empty_daemons_build_the_same_image(
    builder: BuildkitBuilder, wanted: ImageSpec, tmp_path: Path
) -> None:
    """Layer by layer, and so the digest of the whole."""
    lock = tmp_path / "image.pylock.toml"
    lock.write_text(builder.lock(wanted))
    locked = wanted.with_lock(lock)
    digests, layers, streams = [], [], []
    for _ in range(2):
        with empty_engine() as empty:
            result = empty.build(locked, force=True)
        digests.append(result.digest)
        layers.append(layers_of(result.reference))
        streams.append([stream_of(result.reference, digest) for digest in layers[-1]])
        for path in tmp_path.rglob("*.py"):
            os.utime(path, (1, 1), follow_symlinks=False)

    for one, other in zip(*streams, strict=True):
        assert one == other
    assert layers[0] == layers[1]
    assert digests[0] == digests[1]
