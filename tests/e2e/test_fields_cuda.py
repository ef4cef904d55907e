"""`cuda` and `cudnn`, as wheels and from apt."""

from __future__ import annotations

from making import MakeSpec, Pulled

from buildkit_spec import BuildkitBuilder

# An apt repository with packages of these names, as NVIDIA's has them.
REPOSITORY = """set -e
mkdir -p /srv/apt && cd /srv/apt
make() {
  mkdir -p $1/DEBIAN $1/usr/share/$1
  printf 'Package: %s\\nVersion: %s\\nArchitecture: all\\n' $1 $2 > $1/DEBIAN/control
  printf 'Maintainer: t <t@t>\\nDescription: t\\n' >> $1/DEBIAN/control
  echo $2 > $1/usr/share/$1/here
  dpkg-deb --build $1 . && rm -r $1
}
for version in 12.4.0-1 12.4.1-1; do make cuda-libraries-12-4 $version; done
for version in 9.1.0.70-1 9.10.2.21-1; do make libcudnn9-cuda-12 $version; done
for version in 8.8.1.3-1+cuda12.0 8.9.7.29-1+cuda11.8 8.9.7.29-1+cuda12.2; do
  make libcudnn8 $version
done
make cuda-libraries-11-8 11.8.0-1
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
    """Their names follow from the versions; of what is said exactly, that is taken."""
    base = spec(name="with-repository", commands=[REPOSITORY])
    wanted = spec(base_image=base, cuda="12.4", cudnn="9", builder_options={"cuda_from": "apt"})

    def installed(cuda: str, cudnn: str) -> list[str]:
        image = pulled(builder.build(wanted.replace(cuda=cuda, cudnn=cudnn)))
        found = sorted(image.path("/usr/share").glob("*cud*/here"))
        return [f"{path.parent.name} {path.read_text().strip()}" for path in found]

    assert installed("12.4", "9") == [
        "cuda-libraries-12-4 12.4.1-1",
        "libcudnn9-cuda-12 9.10.2.21-1",
    ]
    assert installed("12.4.0", "9.1") == [
        "cuda-libraries-12-4 12.4.0-1",
        "libcudnn9-cuda-12 9.1.0.70-1",
    ]
    assert installed("12.4.1", "8") == [
        "cuda-libraries-12-4 12.4.1-1",
        "libcudnn8 8.9.7.29-1+cuda12.2",
    ]
    assert installed("11.8", "8.9.7") == [
        "cuda-libraries-11-8 11.8.0-1",
        "libcudnn8 8.9.7.29-1+cuda11.8",
    ]
