"""Read a suite, a YAML file of ``configs/suites``, into models with their training runs."""

from benchmark.suite.plan.files import SUITES, load, networks, suites
from benchmark.suite.plan.model import ModelPlan, folder_name, identity
from benchmark.suite.plan.models import models, with_flags
from benchmark.suite.plan.suite import Suite, check_methods

__all__ = [
    "SUITES", "ModelPlan", "Suite", "check_methods", "folder_name", "identity", "load", "models", "networks", "suites",
    "with_flags",
]  # fmt: skip
