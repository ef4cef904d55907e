"""flytekit as its users run it: projects in folders, pyflyte in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from pulled import PulledImage

from buildkit_spec import BuildkitBuilder, ImageSpec

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "examples" / "flyte"


@dataclass
class Project:
    """A folder with workflow files, and the environment pyflyte runs in."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def pyflyte(
        self, *args: str, env: Mapping[str, str] | None = None, python: str = sys.executable
    ) -> subprocess.CompletedProcess[str]:
        """Run pyflyte in the folder; both streams are in ``stdout``."""
        return subprocess.run(
            [str(Path(python).with_name("pyflyte")), *args],
            cwd=self.folder,
            env={**os.environ, **self.env, **(env or {}), "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


def image_spec(folder: Path, registry: str) -> Project:
    """Return the example in *folder*, its images going to *registry*."""
    project = Project(folder)
    for file in EXAMPLE.iterdir():
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            project.write(file.name, text.replace("localhost:30000", registry))
    return project


def flytekit_base(buildkit_host: str, registry: str, base_image: str) -> str:
    """Return what Flyte's default image is elsewhere: Python with flytekit in it."""
    spec = ImageSpec(
        name="flytekit-base",
        registry=f"{registry}/flyte",
        base_image=base_image,
        packages=[f"flytekit=={metadata.version('flytekit')}"],
        builder_options={"user": "flytekit"},
    )
    return str(BuildkitBuilder(buildkit_host).build(spec).reference)


def old_flytekit() -> str:
    """Return the Python of an environment with the oldest flytekit that can, made once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    home = cache / "buildkit-spec" / "tests" / f"flytekit-1.14.0-py{version}"
    python, stamp = home / "bin" / "python", home / ".complete"
    uv = [sys.executable, "-m", "uv"]
    install = [*uv, "pip", "install", "--quiet", "--python", str(python)]
    if not stamp.exists():
        make = [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)]
        subprocess.run(make, check=True)
        subprocess.run([*install, "flytekit==1.14.0", "sortedcontainers"], check=True)
        stamp.touch()
    # What is tested is this tree, and its entry points.
    subprocess.run([*install, "--editable", str(REPOSITORY)], check=True)
    return str(python)


def mount(image: PulledImage) -> None:
    """Make what a container runtime would mount."""
    image.path("/dev").mkdir(exist_ok=True)
    image.path("/dev/null").touch()
    image.path("/etc/hosts").write_text("127.0.0.1 localhost\n", encoding="utf-8")
    image.path("/tmp").chmod(0o777)
