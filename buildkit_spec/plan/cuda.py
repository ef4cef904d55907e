"""CUDA and cuDNN: as wheels beside the other Python packages, or from the image's apt sources."""

from __future__ import annotations

from buildkit_spec.plan.image_config import ImageConfig
from buildkit_spec.plan.steps import Context
from buildkit_spec.spec import ImageSpec

_FOLDERS = {"cudart": "cuda_runtime", "nvrtc": "cuda_nvrtc"}
"""Where a library stands below ``nvidia/``, when that is not its own name."""


def requirements(spec: ImageSpec) -> tuple[str, ...]:
    """Return the Python requirements that bring what the spec asks for.

    The toolkit's metapackage pins libraries that belong together; each has a layer of its own.
    """
    if spec.builder_options.cuda_from != "pip":
        return ()
    found = []
    if spec.cuda:
        libraries = ",".join(sorted(spec.builder_options.cuda_libraries))
        found.append(f"cuda-toolkit[{libraries}]=={_series(spec.cuda)}")
    if spec.cudnn:
        found.append(f"nvidia-cudnn-cu{_major(spec)}=={_series(spec.cudnn)}")
    return tuple(found)


def wants_python(spec: ImageSpec) -> bool:
    """Whether the spec wants any Python package."""
    return bool(spec.packages or spec.requirements or requirements(spec))


def apt_packages(spec: ImageSpec) -> tuple[str, ...]:
    """Return the Debian packages that bring it; the base image's sources must have them."""
    if spec.builder_options.cuda_from != "apt":
        return ()
    found = []
    if spec.cuda:
        parts = spec.cuda.split(".")
        exact = f"={spec.cuda}-*" if len(parts) > 2 else ""
        found.append(f"cuda-libraries-{'-'.join(parts[:2])}{exact}")
    if spec.cudnn:
        found.append(_cudnn_package(spec.cudnn, _major(spec)))
    return tuple(found)


def _cudnn_package(version: str, cuda: str) -> str:
    """Return the package of cuDNN; before 9 the version tells what CUDA it is for, not the name.

    apt takes a version that ends with ``*`` as a beginning, and any other as a pattern. Source:
    NVIDIA's repositories for Debian and Ubuntu; ``apt-pkg/versionmatch.cc``.
    """
    parts = version.split(".")
    if int(parts[0]) < 9:
        return f"libcudnn{parts[0]}={version}[-.]*+cuda{cuda}.?"
    exact = f"={version}{'-' if len(parts) > 3 else '.'}*" if len(parts) > 1 else ""
    return f"libcudnn{parts[0]}-cuda-{cuda}{exact}"


def config(context: Context, base: ImageConfig) -> ImageConfig:
    """Return the image config with the libraries on the loader's path, and what GPU runtimes read.

    Source: NVIDIA Container Toolkit documentation, *Specialized Configurations*.
    """
    spec = context.spec
    if not (spec.cuda or spec.cudnn):
        return base
    env = {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
    if spec.builder_options.cuda_from == "pip":
        paths = [f"{context.probe.purelib}/nvidia/{folder}/lib" for folder in _folders(spec)]
    else:
        paths = ["/usr/local/cuda/lib64"]
    given = base.env.get("LD_LIBRARY_PATH", "")
    env["LD_LIBRARY_PATH"] = ":".join([*paths, *([given] if given else [])])
    return base.with_env(env)


def _folders(spec: ImageSpec) -> list[str]:
    major = _major(spec)
    libraries = sorted(spec.builder_options.cuda_libraries) if spec.cuda else []
    if int(major) >= 13:  # from then on they share a folder
        folders = [f"cu{major}"]
    else:
        folders = [_FOLDERS.get(library, library) for library in libraries]
    return [*folders, *(["cudnn"] if spec.cudnn else [])]


def _major(spec: ImageSpec) -> str:
    return (spec.cuda or "12").partition(".")[0]


def _series(version: str) -> str:
    return f"{version}.*"
