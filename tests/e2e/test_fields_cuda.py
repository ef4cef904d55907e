"""`cuda` and `cudnn`, as wheels and from apt."""

from __future__ import annotations

from making import MakeSpec, Pulled

from buildkit_spec import BuildkitBuilder

# An apt repository with packages of these names, as NVIDIA's has them.
REPOSITORY = """set -e
mkdir -p /srv/apt && cd /srv/apt
for name in cuda-libraries-12-4 libcudnn9-cuda-12; do
  mkdir -p $name/DEBIAN $name/usr/share/$name
  printf 'Package: %s\\nVersion: 1\\nArchitecture: all\\nMaintainer: t <t@t>\\nDescription: t\\n' \\
    $name > $name/DEBIAN/control
  touch $name/usr/share/$name/here
  dpkg-deb --build $name . && rm -r $name
done
for deb in *.deb; do
  dpkg-deb --field $deb
  printf 'Filename: ./%s\\nSize: %s\\nSHA256: %s\\n\\n' $deb $(stat -c %s $deb) \\
    $(sha256sum $deb | cut -d' ' -f1)
done > Packages
echo 'deb [trusted=yes] file:/srv/apt ./' > /etc/apt/sources.list.d/own.list"""


def test_cuda_wheels_are_found_by_the_loader(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled
) -> None:
    """Whatever links against the runtime finds it, without a path of its own."""
    wanted = spec(cuda="12.4", builder_options={"cuda_libraries": ["cudart"]})
    image = pulled(builder.build(wanted))

    folder = image.env["LD_LIBRARY_PATH"]
    assert image.path(f"{folder}/libcudart.so.12").exists()
    load = f"import ctypes; ctypes.CDLL('{folder}/libcudart.so.12'); print('loaded')"
    assert image.run("python3", "-c", load).stdout == "loaded\n"
    assert image.env["NVIDIA_VISIBLE_DEVICES"] == "all"


def test_cuda_packages_of_the_base_image_s_sources_are_installed(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled
) -> None:
    """Their names follow from the versions."""
    base = spec(name="with-repository", commands=[REPOSITORY])
    wanted = spec(base_image=base, cuda="12.4", cudnn="9", builder_options={"cuda_from": "apt"})
    image = pulled(builder.build(wanted))

    assert image.path("/usr/share/cuda-libraries-12-4/here").exists()
    assert image.path("/usr/share/libcudnn9-cuda-12/here").exists()
