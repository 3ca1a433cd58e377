"""Helpers: the leaderboard and tables of a suite folder."""

from pathlib import Path

from locus.benchmark.records import load
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.leaderboard import leaderboards
from locus.benchmark.report.page import DatasetTables, Place
from locus.benchmark.report.table import markdown


def leaderboard(records, dataset="phantom", folder=None):
    """The rows of a data set; with a folder of rows per case their comparisons, too."""
    boards = leaderboards(records, CaseFolders(folder or Path("absent")))
    return next(board for board in boards if board.dataset == dataset)


def tables_on_page(board):
    on_page = {Place.FIRST_ON_PAGE, Place.ON_PAGE, Place.DETAILS_OF_PAGE}
    return [placed.table for placed in DatasetTables(board).placed if on_page & placed.places]


def texts(folder):
    """Title -> the table as Markdown."""
    return {table.title: markdown(table) for board in leaderboards(load(folder), CaseFolders(folder)) for table in tables_on_page(board)}
