"""An executor of a file runs the steps and takes options; what is no executor is one sentence."""

import os

import pytest

from locus.benchmark import executors
from locus.benchmark.executors import Step, run
from locus.core.errors import LocusError

HERE = """
from locus.benchmark.executors import Executor

class Here(Executor):
    def __init__(self, jobs, prefix="ran"):
        super().__init__(jobs)
        self.prefix, self.ended = prefix, []

    def __exit__(self, *_):
        pass

    def start(self, step):
        self.ended.append((step, step()))
        print(self.prefix, step.id)

    def wait(self):
        return self.ended.pop(0)

class Unfinished(Executor):
    pass

class Other:
    pass
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "here.py"
    path.write_text(HERE)
    return path


def test_steps_run_on_the_executor_of_a_file_with_its_options(file, tmp_path, capsys):
    step = Step(id="a", kind="train", function=os.mkdir, arguments=(str(tmp_path / "made"),))
    with executors.build(f"{file}:Here:prefix=did", jobs=2, minutes=3.0) as executor:
        assert [event.kind for event in run([step], executor)] == ["started", "done"]
    assert (executor.jobs, executor.minutes) == (2, 3.0)
    assert (tmp_path / "made").is_dir()
    assert capsys.readouterr().out == "did a\n"


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("Her", "class in .*here.py: 'Her'.*did you mean 'Here'"),
        ("Here:gpus=1", "executor 'Here' has no option 'gpus'; it has: jobs, prefix"),
        ("Unfinished", "here.py:Unfinished is no executor.*Executor, with start, wait and __exit__"),
        ("Other", "here.py:Other is no executor"),
    ],
)
def test_what_is_no_executor_is_one_sentence(file, name, facts):
    with pytest.raises(LocusError, match=facts):
        executors.build(f"{file}:{name}", jobs=1)
