"""The plan of every example and of the cases here is what it was, digests and paths aside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from buildkit_spec.llb import State
from buildkit_spec.plan import Settings, make_plan, plan_document
from buildkit_spec.plan.locking import ANSWER_PATH
from buildkit_spec.spec import load_specs
from buildkit_spec.values import Digest, Platform, Reference, ResolvedImage

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples"
CASES = sorted(
    file
    for folder in (EXAMPLES, HERE)
    for name in ("*/image.yaml", "*/pipeline.py")
    for file in folder.glob(name)
)
AMD64 = Platform("linux", "amd64")

PROBE = b"distro=debian-12\npython=/usr/bin/python3\nversion=3.11.2\ntools= apt-get dpkg\n"
CONFIG = {
    "architecture": "amd64",
    "os": "linux",
    "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "Cmd": ["python3"]},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]},
    "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "base"}],
}


LOCK = {"lock": (HERE / "pylock.answer.toml").read_text(), "sizes": {}}


class FixedAnswers:
    """A base image that is always the same, and a resolver that finds one heavy package, one small
    and one that must be built.
    """

    def resolve_image(self, reference: Reference, platform: Platform) -> ResolvedImage:
        digest = Digest.of(str(reference).encode())
        return ResolvedImage(reference.with_digest(digest), digest, json.dumps(CONFIG).encode())

    def read_file(self, state: State, path: str, platform: Platform) -> bytes:
        return json.dumps(LOCK).encode() if path == ANSWER_PATH else PROBE

    def supports(self, capability: str) -> bool:
        return True


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.parent.name)
def test_plan_equals_its_golden_file(
    case: Path, is_updating_golden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spec's stages, graph and image config change only when somebody means them to."""
    monkeypatch.delenv("REGISTRY", raising=False)
    monkeypatch.delenv("BASE_IMAGE", raising=False)
    golden = HERE / case.parent.name / "plan.json"
    documents = [
        plan_document(spec.name, make_plan(spec, FixedAnswers(), Settings(), [AMD64]))
        for _, spec in load_specs(case)
    ]
    text = json.dumps(documents, indent=2, sort_keys=True) + "\n"
    if is_updating_golden:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)

    assert text == golden.read_text()
