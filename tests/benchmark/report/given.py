"""All tables of a suite's folder, as its page has them."""

from benchmark.records import load
from benchmark.report import select
from benchmark.report.comparisons.rows import add_leaderboard_entries
from benchmark.report.sections import tables_of
from benchmark.report.table import markdown


def all_tables(folder):
    records = add_leaderboard_entries(load(folder), [folder])
    return [table for name in select.datasets(records) for table in tables_of(records, name).all]


def texts(folder):
    """Title -> the table as Markdown."""
    return {table.title: markdown(table) for table in all_tables(folder)}
