"""Times of training steps and heat maps."""

import pytest

from tools.speed import training


@pytest.mark.slow
def test_a_row_has_a_time_for_each_precision_and_method():
    config = training.TrainingConfig(("custom",), ("gradcam", "fullgrad"), seconds=0.01)
    *_, table = training.report(config)
    header, _, row = (line.strip("| ").split(" | ") for line in table.splitlines())
    values = dict(zip(header, row, strict=True))
    assert [*values] == [
        *("network", "px", "images/s, float32", "MiB, float32", "images/s, bf16-mixed", "MiB, bf16-mixed"),
        *("ms/image, gradcam", "ms/image, fullgrad"),
    ]
    assert float(values["images/s, float32"]) > 0
    assert float(values["ms/image, fullgrad"]) > float(values["ms/image, gradcam"]) > 0
