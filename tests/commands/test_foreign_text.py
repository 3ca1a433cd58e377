"""Text from files of others is shown on one line, and nothing in it is a command to the terminal."""

import io
import logging
import sys

import numpy as np
import pytest

from locus.benchmark import score
from locus.benchmark.records import Cell
from locus.core.errors import BadValueError, DataError, one_line, printable
from locus.flags import cli
from locus.flags.cli import PrintableFormatter

FORGED = "x\natt.zip: all records match\x1b[2J\u202egnp.exe"
SHOWN = r"x att.zip: all records match\x1b[2J\u202egnp.exe"
pytestmark = pytest.mark.commands


def test_foreign_text_is_one_line_without_control_and_bidirectional_characters():
    assert one_line(FORGED) == SHOWN
    assert printable("a\nb\r\x00\u200b\udcff") == "a\nb" + r"\r\x00\u200b\udcff"


def test_log_messages_with_foreign_names_stay_on_one_line():
    record = logging.LogRecord("benchmark", logging.WARNING, "", 0, "%s: %d of %.1f", (DataError(FORGED), 3, np.float32(0.5)), None)
    assert PrintableFormatter("%(message)s").format(record) == f"{SHOWN}: 3 of 0.5"


def test_an_answer_may_have_several_lines_but_no_escape_sequences(capsys):
    cli.say("a\nb \x1b[31mred")
    assert capsys.readouterr().out == "a\nb \\x1b[31mred\n"


def test_a_name_in_a_record_that_is_not_printable_is_refused():
    with pytest.raises(BadValueError, match="control or invisible"):
        Cell(dataset="phantom", method="cam\nits records hold")


@pytest.mark.parametrize("flag", ["--results", "--maps"])
def test_a_path_that_is_not_utf8_is_refused_before_work_begins(flag):
    with pytest.raises(BadValueError, match=r"\\udcff.*UTF-8"):
        cli.parse(score.ScoreConfig, [flag, "r\udcff"], "python -m benchmark.score")


def test_a_terminal_that_lacks_a_character_ends_no_command(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", stream)
    assert cli.entry_point(lambda argv: cli.say("0.6 – 0.7 ≥ 0.5"))() == 0
    assert stream.buffer.getvalue() == rb"0.6 \u2013 0.7 \u2265 0.5" + b"\n"


def test_a_reader_that_goes_away_ends_the_command_quietly(monkeypatch):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Gone())
    monkeypatch.setattr("os.dup2", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        cli.entry_point(lambda argv: cli.say("text"))()
    assert ended.value.code == 141


def test_memory_that_cannot_be_had_is_a_sentence_at_every_entry_point(capsys):
    def main(argv):
        np.zeros(2**50)

    assert cli.entry_point(main)() == 2
    assert capsys.readouterr().err.count("error: out of memory") == 1
