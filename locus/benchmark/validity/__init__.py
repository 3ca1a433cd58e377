"""Validity checks of the maps and the tables, with one suite per check.

``checks`` and ``controls`` have the checks, which need the networks. ``NAME_report`` makes the tables and the answer of
a check from its records alone. A suite with the field ``check: NAME`` is scored only by that check. It has one record
per model and method, with the name of the check as its protocol.
"""

from locus.benchmark.report.grounding import GroundingReport
from locus.benchmark.validity.controls_report import ControlsReport
from locus.benchmark.validity.protocols_report import ProtocolsReport

REPORTS = (ProtocolsReport, ControlsReport, GroundingReport)
"""Reports of all checks and of grounding, which suites hand to ``locus.benchmark.report``."""
