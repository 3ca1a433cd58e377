import pytest

from tests.faults.trial import Trial


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    trial = Trial(tmp_path_factory.mktemp("undisturbed"))
    trial.run()
    return trial
