"""The row ``readers``: boxes of one radiologist against those of the others."""

import pytest

from locus.benchmark.evaluation import readers
from locus.benchmark.maps.runs import ModelRun
from locus.benchmark.suite import cells, plan
from locus.benchmark.suite.plan import ModelPlan
from locus.config import TrainConfig
from locus.core.errors import NotAvailableError
from locus.core.names import READERS
from tests.datasets.trees import vindr_cxr_tree, write  # noqa: F401 - a fixture

HEADER = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max"


@pytest.fixture
def read(vindr_cxr_tree):  # noqa: F811
    """read(lines…): the two images of VinDr-CXR that a table with these lines is about, as held-out images."""

    def written(*lines, **options):
        root = vindr_cxr_tree()
        images = [f"{i:032x}" for i in range(2)]
        write(root, {"train.csv": [HEADER, *(images[int(line[0])] + line[1:] for line in lines)]})
        word = "vindr_cxr:whole=True" + "".join(f",{name}={value}" for name, value in options.items())
        return [ModelRun(TrainConfig(dataset=word, data_root_dir=str(root)), root)]

    return written


def means(result):
    return {score.metric: (score.value, score.n) for score in result.scores if score.finding == "mean"}


@pytest.mark.byhand
def test_each_reader_is_scored_against_the_boxes_of_the_others(read):
    """A and B overlap by 100/120, C is elsewhere: two of three readers hit."""
    trained = read("0,Nodule/Mass,8,A,0,0,10,10", "0,Nodule/Mass,8,B,0,0,10,12", "0,Nodule/Mass,8,C,20,0,30,10")
    result = means(readers.score_readers(trained, trained[0].data.findings))
    assert {word: value for word, (value, _) in result.items()} == {
        **dict.fromkeys(["hit@iou.1", "hit@iou.3", "hit@iou.5", "hit@iobb.1", "hit@iobb.5", "pointing"], pytest.approx(2 / 3)),
        "mean_iou": pytest.approx(2 * 100 / 120 / 3),
    }
    assert {n for _, n in result.values()} == {1}


@pytest.mark.byhand
def test_boxes_of_a_reader_have_equal_weight(read):
    """A has two boxes, one of which B has too; B's one box hits. C found nothing. The second image is B's alone: no case."""
    lines = ["0,ILD,5,A,0,0,10,10", "0,ILD,5,A,20,10,30,20", "0,ILD,5,B,0,0,10,10", "0,No finding,14,C,,,,", "1,ILD,5,B,0,0,10,10"]
    trained = read(*lines, votes=1)
    assert means(readers.score_readers(trained, trained[0].data.findings))["hit@iou.5"] == (pytest.approx((0.5 + 1) / 2), 1)


def test_single_readers_give_a_reason_instead_of_a_row(read):
    trained = read("0,ILD,5,A,0,0,10,10", "0,Nodule/Mass,8,B,0,0,10,10", votes=1)
    with pytest.raises(NotAvailableError, match=r"two readers.*agreement"):
        readers.score_readers(trained, trained[0].data.findings)


@pytest.mark.parametrize(
    ("word", "there"), [("vindr_cxr:votes=1", True), ("phantom", False), ("rsna_pneumonia", False), ("nowhere", False)]
)
def test_only_data_with_readings_have_the_cell(word, there):
    suite = plan.Suite(name="s", title="", about="", train={}, models=[{}], methods=["cam", "scorecam"])
    for images in (None, 9):
        model = ModelPlan(id="m", trainings=(TrainConfig(dataset=word),), init=None, images=images)
        found = [(cell.protocol, cell.images) for cell in cells.cells(suite, model) if cell.method == READERS]
        assert found == [("single_box", images)] * there
