"""Draw the radiographs of docs/pictures/nih: ``python -m tools.site.radiographs FOLDER``, with nih-sample's FOLDER.

They are the first hit and the first miss of the best row of ``nih-sample`` in the order of its boxes, then the first
image of three other findings. Boxes come from the rows per case; no network runs.
"""

import sys
from pathlib import Path

import pandas as pd
from PIL import Image, ImageDraw

from locus import datasets
from tools.site.pictures import PREDICTED, ROOT, TRUTH

SIZE = 320
"""Side of a picture in pixels."""
ROW = "model_id == 'custom-PCAM-128px-seed0' and method == 'fullgrad' and alignment == 'aligned'"
BOX = ["x0", "y0", "x1", "y1"]


def chosen(cases: pd.DataFrame) -> pd.DataFrame:
    """Return the five cases to draw, with a column ``file``: name of the picture."""
    hits = cases["hit@iou.3"].astype(bool)
    pair = pd.concat(
        [cases[hits].head(1).assign(file="hit"), cases[~hits].head(1).assign(file="miss")]
    )
    other_cases = cases[
        ~cases["finding"].isin(pair["finding"]) & ~cases["patient"].isin(pair["patient"])
    ]
    three = other_cases.drop_duplicates("finding").head(3)
    return pd.concat([pair, three.assign(file=three["finding"].str.lower())])


def main(folder: str) -> None:
    """Write five PNG files."""
    data = datasets.load("NIH", root=folder, split="test", partition="all", findings=8)
    samples = {sample.image_id: sample for sample in data}
    listed = (
        pd.read_csv(Path(folder) / "BBox_List_2017.csv")
        .iloc[:, :2]
        .set_axis(["image", "finding"], axis=1)
    )
    listed["finding"] = listed["finding"].replace("Infiltrate", "Infiltration")
    cases = pd.read_parquet(ROOT / "results/nih-sample/cases.parquet").query(ROW)
    for row in chosen(listed.merge(cases, on=["image", "finding"])).to_dict("records"):
        sample = samples[row["image"]]
        picture = (
            Image.fromarray(sample.image).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BOX)
        )
        draw = ImageDraw.Draw(picture)
        height = sample.frame[0]
        for colour, boxes in (
            (TRUTH, sample.boxes[row["finding"]]),
            (PREDICTED, [[row[edge] for edge in BOX]]),
        ):
            for box in boxes:
                draw.rectangle(
                    [float(edge) * SIZE / height for edge in box], outline=colour, width=3
                )
        file = ROOT / "docs/pictures/nih" / f"{row['file']}.png"
        file.parent.mkdir(exist_ok=True)
        picture.save(file, optimize=True)
        print(file.name, row["image"], row["finding"], f"IoU {row['iou']:.2f}")


if __name__ == "__main__":
    main(sys.argv[1])
