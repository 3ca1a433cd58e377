"""A suite: a YAML file of ``configs/suites`` becomes models with their trainings. Its cells are ``benchmark.cells``'s."""

from benchmark.plan.files import SUITES, check_methods, load, suites
from benchmark.plan.model import ModelPlan, folder_name, identity, models
from benchmark.plan.suite import Suite

__all__ = ["SUITES", "ModelPlan", "Suite", "check_methods", "folder_name", "identity", "load", "models", "suites"]
