"""Reports of all validity checks, from records alone: suites hand them to ``locus.benchmark.report``."""

from locus.benchmark.validity.protocols_report import ProtocolsReport
from locus.benchmark.validity.randomised_report import RandomisedReport

REPORTS = (ProtocolsReport, RandomisedReport)
