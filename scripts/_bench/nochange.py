"""A build in which nothing changed, as a whole process, against buildx of an equal Dockerfile."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from _bench.peer import buildx
from _bench.timing import in_turn, process, report

EXAMPLE = Path("examples/hello")
DOCKERFILE = """\
FROM {base}
RUN apt-get update && apt-get install -y --no-install-recommends jq
COPY --from=uv uv /usr/local/bin/uv
RUN --mount=type=secret,id=ca,target=/ca.crt SSL_CERT_FILE=/ca.crt \\
    uv pip install --python /usr/bin/python3 --break-system-packages rich==13.9.4 humanize
RUN python3 -c "import rich, humanize" && jq --version > /etc/jq-version
ENV GREETING="hello"
COPY app /root
WORKDIR /root
ENTRYPOINT ["python3", "/root/greet.py"]
"""


def measure() -> None:
    """Build both once, then time both in turn, medians of nine."""
    registry, base = os.environ["REGISTRY"], os.environ["BASE_IMAGE"]
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        shutil.copytree(EXAMPLE / "app", context / "app")
        (context / "Dockerfile").write_text(DOCKERFILE.format(base=base))
        bundle = os.environ.get("SSL_CERT_FILE") or "/etc/ssl/certs/ca-certificates.crt"
        theirs = buildx(
            "build", "--push", "--progress", "quiet", "--provenance=false",
            "--build-context", f"uv={_uv()}", "--secret", f"id=ca,src={bundle}",
            "--tag", f"{registry}/bench/nochange:peer", folder,
        )  # fmt: skip
        ours = [
            "buildkit-spec", "build", str(EXAMPLE / "image.yaml"), "--progress", "quiet",
            "--set", f"registry={registry}/bench", "--set", f"base_image={base}",
        ]  # fmt: skip
        process(ours)
        process(theirs)
        peer = "docker buildx build --push"
        medians = in_turn(
            {
                "buildkit-spec build (image is there)": lambda _: process(ours),
                "buildkit-spec build --force (all cached)": lambda _: process([*ours, "--force"]),
                peer: lambda _: process(theirs),
            },
            rounds=9,
        )
    report(medians, peer, {"buildkit-spec build (image is there)": 0.8})


def _uv() -> str:
    from buildkit_spec.host import uv_directory
    from buildkit_spec.spec.defaults import UV_VERSION
    from buildkit_spec.values import Platform

    return str(uv_directory(UV_VERSION, Platform.parse("linux/amd64"), os.environ))
