"""DICOM: all transfer syntaxes and both grey scales give the same pixels; broken files raise clear errors."""

import numpy as np
import pydicom
import pytest

from locus.core.errors import DataError
from locus.datasets.io import dicom
from tests.datasets.trees import RAMP, write_dicom

FULL = np.rint((RAMP - RAMP.min()) / (RAMP.max() - RAMP.min()) * 255).astype(np.uint8)
EIGHT = np.tile(np.arange(64, dtype=np.uint8) * 3, (64, 1))


@pytest.mark.parametrize("syntax", ["", "RLE", "JPEG2000", "JPEGLossless"])
def test_every_lossless_transfer_syntax_and_both_grey_scales_give_the_same_pixels(tmp_path, syntax):
    assert (dicom.decode(write_dicom(tmp_path / "a.dcm", syntax=syntax)) == FULL).all()
    assert (dicom.decode(write_dicom(tmp_path / "a.dcm", 4095 - RAMP, "MONOCHROME1", syntax)) == FULL).all()


def test_eight_bit_pixels_without_a_window_are_unchanged(tmp_path):
    assert (dicom.decode(write_dicom(tmp_path / "a.dcm", EIGHT)) == EIGHT).all()
    assert (dicom.decode(write_dicom(tmp_path / "c.dcm", EIGHT // 2, RescaleSlope=1, RescaleIntercept=0)) == EIGHT // 2).all()
    lossy = dicom.decode(write_dicom(tmp_path / "b.dcm", EIGHT, syntax="JPEG"))
    assert np.abs(lossy.astype(int) - EIGHT).max() < 6


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_lossless_jpeg_is_decoded(tmp_path, bits):
    pytest.importorskip("libjpeg")
    kind = np.uint8 if bits == 8 else np.uint16
    pixels = np.random.default_rng(bits).integers(0, 1 << bits, (24, 32)).astype(kind)
    found = dicom.decode(write_dicom(tmp_path / "a.dcm", pixels, syntax="JPEGLossless", bits=bits))
    assert (found == dicom.decode(write_dicom(tmp_path / "b.dcm", pixels, bits=bits))).all()


def test_an_image_whose_size_differs_from_its_header_is_rejected_before_decoding(tmp_path):
    """A stream that claims 65535 x 65535 would take all memory."""
    pytest.importorskip("libjpeg")
    path = write_dicom(tmp_path / "a.dcm", syntax="JPEGLossless")
    path.write_bytes(path.read_bytes().replace(b"\xff\xc3\x00\x0b\x0c\x00\x18\x00\x20", b"\xff\xc3\x00\x0b\x0c\xff\xff\xff\xff"))
    with pytest.raises(DataError, match=r"a\.dcm.*\(65535, 65535\).*\(24, 32\)"):
        dicom.decode(path)


def test_a_missing_decoder_raises_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom, "OTHERS", "absent")
    with pytest.raises(DataError, match=r"a\.dcm.*JPEG Lossless.*pip install 'locus-cxr\[dicom\]'"):
        dicom.decode(write_dicom(tmp_path / "a.dcm", syntax="JPEGLossless"))


@pytest.mark.byhand
def test_the_range_of_the_window_becomes_black_to_white_after_rescaling(tmp_path):
    """Values 2·p − 1000; the window 1000 ± 1000 (exact linear) shows values 0 to 2000, pixels 500 to 1500."""
    pixels = np.array([[0, 500, 1000, 1500, 4000]], np.uint16)
    window = {"WindowCenter": [1000, 1], "WindowWidth": [2000, 1], "VOILUTFunction": "LINEAR_EXACT"}
    path = write_dicom(tmp_path / "a.dcm", pixels, RescaleSlope=2, RescaleIntercept=-1000, **window)
    assert dicom.decode(path).tolist() == [[0, 0, 128, 255, 255]]


def test_an_image_inside_its_window_is_not_stretched(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", np.full((4, 4), 1024, np.uint16), WindowCenter=2048, WindowWidth=4096)
    assert set(dicom.decode(path).ravel().tolist()) == {64}


@pytest.mark.byhand
@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_does_not_count_for_the_range(tmp_path, kind):
    pixels = np.array([[500, 2000, 3500, 65534, 65535]], np.uint16)
    tags = {"PixelPaddingValue": 65535, "PixelPaddingRangeLimit": 65534}
    grey = dicom.decode(write_dicom(tmp_path / "a.dcm", pixels, kind, bits=16, **tags)).tolist()
    assert grey == [[0, 128, 255, 0, 0] if kind == "MONOCHROME2" else [255, 128, 0, 0, 0]]


@pytest.mark.byhand
@pytest.mark.parametrize(
    "window",
    [
        {"WindowCenter": 0, "WindowWidth": 0},
        {"RescaleSlope": "0.000244", "RescaleIntercept": 0, "WindowCenter": ["0", "0.488"], "WindowWidth": ["0", "0.732"]},
    ],
    ids=["zero", "narrow"],
)
def test_a_narrow_window_is_applied_and_one_of_width_zero_is_none(tmp_path, window):
    pixels = np.array([[500, 1250, 3500]], np.uint16)
    assert dicom.decode(write_dicom(tmp_path / "a.dcm", pixels, **window)).tolist() == [[0, 64, 255]]


def test_an_empty_window_counts_as_none_and_a_flat_image_is_black(tmp_path):
    assert (dicom.decode(write_dicom(tmp_path / "a.dcm", WindowCenter=None, WindowWidth=None)) == FULL).all()
    assert not dicom.decode(write_dicom(tmp_path / "b.dcm", np.full((4, 4), 7, np.uint16))).any()


def test_the_header_has_frame_patient_and_view(tmp_path):
    found = dicom.header(write_dicom(tmp_path / "a.dcm", PatientID="p1", ViewPosition="PA", PatientAge="061Y"))
    assert (found.frame, found.patient, found.meta) == ((24, 32), "p1", {"age": 61.0, "view": "PA"})


@pytest.mark.parametrize(
    ("tags", "facts"),
    [
        ({"Rows": 60000, "Columns": 60000}, " 60000x60000 "),
        ({"Rows": 0}, " 0x32 "),
        ({"NumberOfFrames": 3}, " 3 "),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR.*MONOCHROME1, MONOCHROME2"),
        ({"Rows": 25}, "1536.*1600"),
        ({"BitsAllocated": 13}, "13"),
    ],
    ids=str,
)
def test_an_invalid_header_raises_a_clear_error(tmp_path, tags, facts):
    path = write_dicom(tmp_path / "a.dcm", **tags)
    with pytest.raises(DataError, match=rf"a\.dcm: .*{facts}") as caught:
        dicom.decode(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("syntax", ["", "RLE", "JPEG2000", "JPEGLossless"])
def test_a_truncated_file_raises_a_clear_error_or_is_decoded(tmp_path, syntax):
    whole = write_dicom(tmp_path / "a.dcm", syntax=syntax).read_bytes()
    for end in range(0, len(whole) - 1, max(len(whole) // 40, 1)):
        (tmp_path / "b.dcm").write_bytes(whole[:end])
        with pytest.raises(DataError, match=r"b\.dcm: .+"):
            dicom.decode(tmp_path / "b.dcm")


def test_a_file_that_is_not_dicom_raises_an_error_with_its_path(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"PK\x03\x04 a zip" * 40)
    with pytest.raises(DataError, match=r"a\.dcm.*DICOM"):
        dicom.decode(tmp_path / "a.dcm")
    with pytest.raises(DataError, match=r"/b\.dcm not found$"):
        dicom.header(tmp_path / "b.dcm")


def table(bits, as_words):
    """Return a lookup table of 4096 entries that squares the values; entries of 8 bits in words of 16 or in bytes."""
    entries = (np.arange(4096.0) / 4095) ** 2 * (2**bits - 1)
    one = pydicom.Dataset()
    one.LUTDescriptor = [4096, 0, bits]
    one.LUTData = entries.astype("<u2" if as_words else np.uint8).tobytes()
    return pydicom.Sequence([one])


@pytest.mark.byhand
@pytest.mark.parametrize("name", ["VOILUTSequence", "ModalityLUTSequence"])
@pytest.mark.parametrize(("bits", "as_words"), [(16, True), (12, True), (8, True), (8, False)])
def test_a_lookup_table_has_entries_of_one_or_two_bytes(tmp_path, name, bits, as_words):
    path = write_dicom(tmp_path / "a.dcm", **{name: table(bits, as_words)})
    wanted = (RAMP / RAMP.max()) ** 2 * 255
    assert np.abs(dicom.decode(path) - wanted).max() < 1.6


@pytest.mark.parametrize("function", ["", None])
def test_an_empty_function_of_the_window_is_linear(tmp_path, function):
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    linear = dicom.decode(write_dicom(tmp_path / "a.dcm", **window))
    assert (dicom.decode(write_dicom(tmp_path / "b.dcm", **window, VOILUTFunction=function)) == linear).all()


@pytest.mark.parametrize(
    ("tags", "facts"),
    [
        ({"PixelData": RAMP.tobytes() * 3}, r"shape \(3, 24, 32\).*\(24, 32\)"),
        ({"RescaleSlope": "nan", "RescaleIntercept": 0}, "not finite"),
        ({"RescaleSlope": "inf", "RescaleIntercept": 0}, "not finite"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_pixels_of_another_size_or_without_numbers_are_refused(tmp_path, tags, facts):
    with pytest.raises(DataError, match=rf"a\.dcm.*{facts}"):
        dicom.decode(write_dicom(tmp_path / "a.dcm", **tags))


def test_a_file_without_meta_information_says_so(tmp_path):
    path = write_dicom(tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes()[132:])
    with pytest.raises(DataError, match=r"a\.dcm.*no meta information"):
        dicom.decode(path)
