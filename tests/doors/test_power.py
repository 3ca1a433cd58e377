"""``python -m benchmark.power`` as a user types it."""

import re

import pytest

pytestmark = pytest.mark.doors


@pytest.mark.parametrize(
    ("flags", "facts"),
    [
        ([], "suite ''.*known: .*demo"),
        (["--suite", "demi"], "'demi'.*'demo'"),
        (["--suite", "demo", "--results", "nowhere"], "'demo'"),
        (["--suite", "alignment"], "'alignment'.*one training.*`seeds: "),
    ],
)
def test_a_wrong_suite_is_one_sentence_and_status_2(door, sentence, flags, facts):
    assert re.search(facts, sentence(door("benchmark.power", *flags)))
