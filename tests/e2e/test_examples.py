"""Every example is really built, read back from the registry, and run."""

from __future__ import annotations

from pathlib import Path

import pytest
from making import Pulled

from buildkit_spec import BuildkitBuilder, ImageBuildEngine, load_specs

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_hello_example_greets_from_its_image(
    builder: BuildkitBuilder, registry: str, base_image: str, pulled: Pulled
) -> None:
    """Packages import, the apt package ran, environment, source and entrypoint are right."""
    ((_, spec),) = load_specs(EXAMPLES / "hello" / "image.yaml")
    spec = spec.replace(registry=f"{registry}/e2e-examples", base_image=base_image)
    image = pulled(builder.build(spec))

    said = image.start().stdout

    assert "hello from an image without a Dockerfile" in said
    assert "jq is jq-" in said
    assert "this file has" in said


def test_pipeline_example_shares_a_base_that_is_a_spec(
    builder: BuildkitBuilder,
    registry: str,
    base_image: str,
    pulled: Pulled,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both images hold the layers of the base built once, and differ in what each adds."""
    monkeypatch.setenv("REGISTRY", registry)
    monkeypatch.setenv("BASE_IMAGE", base_image)
    monkeypatch.setattr(ImageBuildEngine, "_builders", {})
    ImageBuildEngine.register("buildkit", builder)
    specs = [spec for _, spec in load_specs(EXAMPLES / "pipeline" / "pipeline.py")]

    outcomes = ImageBuildEngine.build_many(specs)
    results = [one for one in outcomes if not isinstance(one, Exception)]
    assert results == outcomes
    common, train, serve = map(pulled, results)

    assert train.layers[: len(common.layers)] == common.layers == serve.layers[: len(common.layers)]
    assert "train    1,234,567" in train.start().stdout
    assert "serve    1,234,567" in serve.start().stdout
    assert train.env["GREETING"] == 'it\'s "quoted" & $kept'
    assert serve.run("tree", "--version").stdout.startswith("tree v")
    assert not train.path("/usr/bin/tree").exists()
