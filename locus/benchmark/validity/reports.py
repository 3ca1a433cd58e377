"""Reports of checks and of grounding, from records alone: suites hand them to ``locus.benchmark.report``."""

from locus.benchmark.report.grounding import GroundingReport
from locus.benchmark.validity.protocols_report import ProtocolsReport
from locus.benchmark.validity.randomised_report import RandomisedReport

REPORTS = (ProtocolsReport, RandomisedReport, GroundingReport)
