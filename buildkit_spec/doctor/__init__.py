"""What stands in the way of a build here: daemon, machine and registries, one finding for each."""

from buildkit_spec.doctor.examine import examine
from buildkit_spec.doctor.finding import Finding, Level, worst
from buildkit_spec.doctor.images import ImageQuestion, questions_of

__all__ = ["Finding", "ImageQuestion", "Level", "examine", "questions_of", "worst"]
