"""Labels of users are matched to findings."""

import pytest

from locus.core.errors import UnknownNameError
from locus.core.names import match

pytestmark = pytest.mark.byhand

COVID = ("COVID-19", "Lung Opacity", "Normal", "Viral Pneumonia")
NIH = ("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax")


@pytest.mark.parametrize(
    ("label", "findings", "meant"),
    [
        ("covid_19", COVID, "COVID-19"),
        ("covid", COVID, "COVID-19"),
        ("Covid 19", ("COVID", "Normal"), "COVID"),
        ("lung_opacity", COVID, "Lung Opacity"),
        ("LUNG-OPACITY", COVID, "Lung Opacity"),
        ("viral_pneumonia", COVID, "Viral Pneumonia"),
        ("pneumonia", COVID, "Viral Pneumonia"),
        ("pneumonia", NIH, "Pneumonia"),
        ("pleural effusion", NIH, "Effusion"),
        ("pleuralthick", ("Pleural_Thickening", "Mass"), "Pleural_Thickening"),
        ("no find", ("No Finding", "Mass"), "No Finding"),
    ],
)
def test_spelling_does_not_matter(label, findings, meant):
    assert match(label, findings) == meant


@pytest.mark.parametrize(
    ("label", "findings"),
    [("abnormal", COVID), ("non-covid-19", COVID), ("normal", ("Abnormal", "Mass")), ("pneumonia", ("Negative for Pneumonia", "Typical"))],
)
def test_label_never_matches_its_opposite(label, findings):
    with pytest.raises(UnknownNameError, match=f"label '{label}'.*{', '.join(findings)}"):
        match(label, findings)


@pytest.mark.parametrize("label", ["pneumo", "mas", "", "fracture", "19", "masss", "massive", "nodulectomy"])
def test_ambiguous_or_unknown_label_lists_the_findings(label):
    with pytest.raises(UnknownNameError, match="Cardiomegaly"):
        match(label, NIH)
