"""A plan for people and for other programs: text, JSON or Graphviz."""

from __future__ import annotations

import json

from buildkit_spec.plan.image_config import ImageConfig
from buildkit_spec.plan.stage import Plan, PlatformPlan


def show(name: str, plan: Plan, form: str) -> str:
    """Return the plan as readable text.

    Args:
        name: What the image is called.
        plan: The plan.
        form: ``text``, ``json`` (one document, keys sorted) or ``dot`` (Graphviz, one graph a
            platform).
    """
    if form == "json":
        return json.dumps(plan_document(name, plan), indent=2, sort_keys=True)
    if form == "dot":
        return "\n".join(
            one.state.marshal(platform=one.platform).to_dot() for one in plan.platforms
        )
    return "\n\n".join(_text(name, one) for one in plan.platforms)


def plan_document(name: str, plan: Plan) -> dict[str, object]:
    """Return the plan as JSON values: stages, graph and config of every platform."""
    return {
        "image": name,
        "platforms": {
            str(one.platform): {
                "stages": [
                    {"name": stage.name, "field": stage.field, "after": list(stage.after)}
                    for stage in one.stages
                ],
                "graph": json.loads(one.state.marshal(platform=one.platform).to_json()),
                "config": _config_document(one.config),
            }
            for one in plan.platforms
        },
    }


def _config_document(config: ImageConfig) -> dict[str, object]:
    return {
        "env": dict(config.env),
        "user": config.user,
        "workdir": config.workdir,
        "entrypoint": config.entrypoint and list(config.entrypoint),
        "cmd": config.cmd and list(config.cmd),
        "labels": dict(config.labels),
    }


def _text(name: str, one: PlatformPlan) -> str:
    lines = [f"{name} for {one.platform}", "", "stages"]
    for stage in one.stages:
        after = f" after {', '.join(stage.after)}" if stage.after else ""
        lines.append(f"  {stage.name} ({stage.field}){after}")
    lines += ["", "graph", *_indented(one.state.marshal(platform=one.platform).to_text())]
    lines += ["", "config"]
    for key, value in _config_document(one.config).items():
        if isinstance(value, dict):
            lines += [f"  {key} {inner}={text}" for inner, text in value.items()]
        elif value:
            lines.append(f"  {key} {value}")
    return "\n".join(lines)


def _indented(text: str) -> list[str]:
    return [f"  {line}" if line else "" for line in text.rstrip("\n").splitlines()]
