"""The plan of every example and of the cases here is what it was, digests and paths aside."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest

from buildkit_spec.llb import State
from buildkit_spec.plan import ImageConfig, Settings, make_plan, plan_document
from buildkit_spec.plan.locking import ANSWER_PATH
from buildkit_spec.spec import ImageSpec, load_specs
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

    def __init__(self, *, can_merge: bool = True) -> None:
        self.can_merge = can_merge

    def resolve_image(self, reference: Reference, platform: Platform) -> ResolvedImage:
        digest = Digest.of(str(reference).encode())
        return ResolvedImage(reference.with_digest(digest), digest, json.dumps(CONFIG).encode())

    def read_file(self, state: State, path: str, platform: Platform) -> bytes:
        return json.dumps(LOCK).encode() if path == ANSWER_PATH else PROBE

    def supports(self, capability: str) -> bool:
        return self.can_merge or capability not in {"mergeop", "diffop"}


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.parent.name)
def test_plan_equals_its_golden_file(
    case: Path, is_updating_golden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spec's stages, graph and image config change only when somebody means them to."""
    monkeypatch.delenv("REGISTRY", raising=False)
    monkeypatch.delenv("BASE_IMAGE", raising=False)
    documents = [document(spec) for _, spec in load_specs(case)]

    check(HERE / case.parent.name / "plan.json", documents, is_updating_golden)


def test_plan_without_merging_equals_its_golden_file(is_updating_golden: bool) -> None:
    """The same steps on each other, where the daemon can neither merge nor take differences."""
    case = HERE / "everything"
    answers = FixedAnswers(can_merge=False)
    documents = [document(spec, answers) for _, spec in load_specs(case / "image.yaml")]

    check(case / "chain.json", documents, is_updating_golden)


def test_plans_of_flyte_2_equal_their_golden_file(
    is_updating_golden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example's images, as the plugin reads them; their ids are of the installed flyte."""
    flyte = pytest.importorskip("flyte", reason="Flyte 2 is not installed")
    from buildkit_spec.plugins.flyte2_layers import spec_of

    monkeypatch.setenv("REGISTRY", "registry.example.test/me")
    monkeypatch.setenv("BASE_IMAGE", "debian:12")
    example = runpy.run_path(str(EXAMPLES / "flyte2" / "workflow.py"))
    images = [value for value in example.values() if isinstance(value, flyte.Image)]
    base = ImageConfig.parse(json.dumps(CONFIG).encode())

    check(
        HERE / "flyte2" / "plan.json",
        [document(spec_of(image, base)) for image in images],
        is_updating_golden,
    )


def document(spec: ImageSpec, answers: FixedAnswers | None = None) -> dict[str, object]:
    platforms = spec.platforms() if spec.platform else [AMD64]
    plan = make_plan(spec, answers or FixedAnswers(), Settings(), platforms)
    return plan_document(spec.name, plan)


def check(golden: Path, documents: list[dict[str, object]], is_updating: bool) -> None:
    text = json.dumps(documents, indent=2, sort_keys=True) + "\n"
    text = re.sub(r"(?<=:)[0-9a-f]{32}(?=\")", "<id of flyte's>", text)
    if is_updating:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)

    assert text == golden.read_text()
