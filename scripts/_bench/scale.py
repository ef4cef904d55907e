"""Many packages in one image, and many images at once: what grows with what."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from _bench import depot, images, index, ours
from _bench.tidy import tidy

PACKAGES = (2, 20, 200)
SPECS = (1, 10, 50)
SHARED = 20
"""So many small packages do the images of a batch share; one heavy package comes with them."""

ABOUT = f"""\
Packages come from an index on this machine, made for this run, so that none was ever installed.
Each has about 60 KB; a heavy one 8 MiB. Every line is a process `buildkit-spec build FILE…`, which
builds its files at once, and its new bytes in the registry; `all images` is what their layers come
to, each image for itself, without the base. The images of a batch share {SHARED} small packages and
a heavy one, and each has one of its own."""

_MB = 1e6
Packages = Sequence[str]


def measure(*, is_verbose: bool) -> None:
    """Build first, then again with one package that is new."""
    print(ABOUT)
    salt = uuid.uuid4().hex[:12]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        place = stack.enter_context(depot.running(folder))
        stack.callback(tidy, place.host, salt)
        url = stack.enter_context(index.serving(salt))
        base = images.push_base(place, salt)
        batch = _Batch(place, f"{place.host}/{base}", url, folder, is_verbose)
        print(f"\n{'':58}{'seconds':>9}{'new, MB':>10}{'all images, MB':>16}")
        for count in PACKAGES:
            _packages(batch, count)
        for count in SPECS:
            _specs(batch, count)


def _packages(batch: _Batch, count: int) -> None:
    wanted = _names(f"p{count}", count)
    batch.build(f"{count} packages", {f"p{count}": wanted})
    batch.build(f"{count} packages, and a new one", {f"p{count}": [*wanted, f"bench-p{count}-new"]})


def _specs(batch: _Batch, count: int) -> None:
    shared = [*_names(f"s{count}", SHARED), f"bench-s{count}-{index.HEAVY}"]
    specs = {f"s{count}-{n}": [*shared, f"bench-s{count}-own-{n}"] for n in range(count)}
    noun = "image" if count == 1 else "images"
    batch.build(f"{count} {noun} at once", specs)
    name = f"s{count}-0"
    batch.build(
        f"{count} {noun}, a new package in one",
        {**specs, name: [*specs[name], f"bench-s{count}-new-in-one"]},
    )
    if count > 1:
        more = f"bench-s{count}-new-in-all"
        batch.build(
            f"{count} {noun}, the same new package in each",
            {name: [*wanted, more] for name, wanted in specs.items()},
        )


def _names(prefix: str, count: int) -> list[str]:
    return [f"bench-{prefix}-{number:03}" for number in range(count)]


class _Batch:
    """Builds specs at once, and prints a line of figures."""

    def __init__(
        self, place: depot.Depot, base: str, url: str, folder: Path, is_verbose: bool
    ) -> None:
        self._place, self._base, self._url, self._folder = place, base, url, folder
        self._is_verbose = is_verbose
        self._base_bytes = place.image_bytes(base)

    def build(self, title: str, specs: Mapping[str, Packages]) -> None:
        files = [self._write(name, packages) for name, packages in specs.items()]
        os.sync()
        before = self._place.stored()
        built = ours.build(files, self._folder / "ours.log")
        new = depot.new_bytes(before, self._place.stored())
        every = sum(
            self._place.image_bytes(reference) - self._base_bytes for reference in built.references
        )
        print(f"{title:58}{built.seconds:9.2f}{new / _MB:10.2f}{every / _MB:16.1f}", flush=True)
        if self._is_verbose:
            for line in ours.profile(built.log):
                print(f"      {line}", file=sys.stderr, flush=True)

    def _write(self, name: str, packages: Packages) -> Path:
        file = self._folder / f"{name}.yaml"  # JSON is YAML
        fields = {
            "name": name,
            "registry": f"{self._place.host}/scale",
            "base_image": self._base,
            "packages": [f"{package}=={index.VERSION}" for package in packages],
            "pip_index": self._url,
            "builder_options": {"network": "host"},  # the index is on this machine's loopback
        }
        file.write_text(json.dumps(fields), "utf-8")
        return file
