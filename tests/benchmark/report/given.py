"""Helpers: the leaderboard and tables of a suite folder."""

from pathlib import Path

from locus.benchmark.records import load
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.leaderboard import leaderboards
from locus.benchmark.report.page import DatasetTables
from locus.benchmark.report.table import markdown


def leaderboard(records, dataset="phantom", folder=None):
    """The rows of a data set; with a folder of rows per case their comparisons, too."""
    boards = leaderboards(records, CaseFolders(folder or Path("absent")))
    return next(board for board in boards if board.dataset == dataset)


def tables_on_page(board):
    tables = DatasetTables(board)
    return [*tables.full, *tables.of_sections, *tables.details, *tables.protocols, *tables.papers]


def texts(folder):
    """Title -> the table as Markdown."""
    return {table.title: markdown(table) for board in leaderboards(load(folder), CaseFolders(folder)) for table in tables_on_page(board)}
