"""``python -m benchmark.power`` as a user types it."""

import re

import pytest

pytestmark = pytest.mark.commands


@pytest.mark.parametrize(
    ("flags", "facts"),
    [
        ([], "suite ''.*known: .*demo"),
        (["--suite", "demi"], "'demi'.*'demo'"),
        (["--suite", "demo", "--results", "nowhere"], "'demo'"),
        (["--suite", "alignment"], "'alignment'.*one training.*`seeds: "),
    ],
)
def test_a_wrong_suite_is_one_sentence_and_status_2(run_command, sentence, flags, facts):
    assert re.search(facts, sentence(run_command("benchmark.power", *flags)))
