"""From an image spec to an LLB graph: pure, with every question asked through one protocol."""

from __future__ import annotations

from buildkit_spec.plan.advice import advice, as_resolution, is_foreign
from buildkit_spec.plan.image_config import ImageConfig
from buildkit_spec.plan.planner import created_time, make_plan, refuse_unlocked
from buildkit_spec.plan.questions import Questions
from buildkit_spec.plan.served import Served, what_to_serve
from buildkit_spec.plan.settings import EPOCH_S, Settings
from buildkit_spec.plan.show import plan_document, show
from buildkit_spec.plan.stage import Plan, PlatformPlan, Stage, field_of_question
from buildkit_spec.plan.steps import own_command

__all__ = [
    "EPOCH_S",
    "ImageConfig",
    "Plan",
    "PlatformPlan",
    "Questions",
    "Served",
    "Settings",
    "Stage",
    "advice",
    "as_resolution",
    "created_time",
    "field_of_question",
    "is_foreign",
    "make_plan",
    "own_command",
    "plan_document",
    "refuse_unlocked",
    "show",
    "what_to_serve",
]
