"""TensorBoard files, and a full disk."""

import resource

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmark.training.loggers import Events
from core.errors import WriteError


@pytest.mark.byhand
def test_tensorboard_reads_the_numbers_of_a_run_and_of_its_continuation(tmp_path):
    for start in (0, 2):
        events = Events(tmp_path / "run")
        events.path = events.path.with_name(f"{events.path.name}.{start}")  # two starts within a second
        for step in (start, start + 1):
            events.log_metrics({"val_loss": 0.5 - step / 10, "epoch": step}, step)
    result = EventAccumulator(str(tmp_path / "run"))
    result.Reload()
    rows = [(row.step, round(row.value, 6)) for row in result.Scalars("val_loss")]
    assert rows[-2:] == [(2, 0.3), (3, 0.2)]
    assert (events.name, events.version) == ("run", "")


@pytest.mark.byhand
@pytest.mark.parametrize("room", [10, 150])
def test_full_disk_is_an_error_and_leaves_complete_rows(tmp_path, room):
    events = Events(tmp_path / "run")
    if room > 100:
        events.log_metrics({"a": 1.0}, 0)
    before = events.path.read_bytes() if room > 100 else None
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(WriteError, match=r"/run/events"):
            events.log_metrics({f"number {i}": 1.0 for i in range(20)}, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (events.path.read_bytes() if events.path.exists() else None) == before
