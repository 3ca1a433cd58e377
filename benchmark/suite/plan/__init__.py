"""A suite: read a YAML file of ``configs/suites`` into models with their training runs."""

from benchmark.suite.plan.files import SUITES, check_methods, load, suites
from benchmark.suite.plan.model import ModelPlan, folder_name, identity
from benchmark.suite.plan.models import models
from benchmark.suite.plan.suite import Suite

__all__ = ["SUITES", "ModelPlan", "Suite", "check_methods", "folder_name", "identity", "load", "models", "suites"]
