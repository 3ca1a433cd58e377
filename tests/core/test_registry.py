import sys
from typing import Annotated, Literal

import pytest
from pydantic import Field

from locus.core import registry, user_code
from locus.core.errors import BadValueError, DataError, LocusError, NotAvailableError, UnknownNameError

PART = 'class Part(object):\n    name = "{name}"\n    def __init__(self, size: int = 3):\n        self.size = size\n'


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Create an empty package; the returned function writes a file into it."""
    folder = tmp_path / "shelf_of_parts"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda file, text: (folder / file).write_text(text)
    for name in [name for name in sys.modules if name.startswith("shelf_of_parts")]:
        del sys.modules[name]


def parts():
    return registry.Registry("shelf_of_parts", "part")


def test_a_new_file_registers_a_part_with_options_without_other_edits(shelf):
    shelf("nih.py", PART.format(name="NIH"))
    assert parts().names() == ["NIH"]
    assert (parts().build("NIH").size, parts().build("NIH:size=7").size) == (3, 7)
    with pytest.raises(BadValueError, match=r"^the part 'NIH' has no option 'sise'; it has: size$"):
        parts().build("NIH:sise=7")
    with pytest.raises(UnknownNameError, match=r"part.*'NHI'.*'NIH'"):
        parts().get("NHI")


def test_a_package_is_one_part_and_its_modules_are_not(shelf, tmp_path):
    (tmp_path / "shelf_of_parts" / "nih").mkdir()
    shelf("nih/__init__.py", "from shelf_of_parts.nih.tables import SIZE\n" + PART.format(name="NIH"))
    shelf("nih/tables.py", "SIZE = 4\n" + PART.format(name="tables"))
    assert parts().names() == ["NIH"]
    assert parts().build("NIH").size == 3


def test_names_are_listed_without_importing_the_parts_and_a_broken_part_breaks_no_other(shelf):
    shelf("broken.py", "import a_library_that_nobody_has\n" + PART.format(name="broken"))
    shelf("torn.py", "def :")
    shelf("good.py", PART.format(name="good"))
    assert parts().names() == ["broken", "good", "torn"]
    assert parts().build("good").size == 3
    sentence = "'broken'.*'a_library_that_nobody_has'"
    with pytest.raises(NotAvailableError, match=sentence):
        parts().get("broken")
    with pytest.raises(NotAvailableError, match=r"'torn'.*SyntaxError"):
        parts().get("torn")


def test_a_duplicate_name_raises_an_error_with_both_files(shelf):
    shelf("one.py", PART.format(name="twin"))
    shelf("two.py", PART.format(name="twin"))
    with pytest.raises(DataError, match=r"'twin'.*/one\.py.*/two\.py"):
        parts().names()


def _part(size: Literal["small", "large"] = "small", share: Annotated[float, Field(le=1)] = 0.5, whole: bool = False):
    """Take options of three types."""


def test_options_are_converted_by_their_annotations_and_others_are_kept():
    options = registry.validated(_part, {"share": 1, "colour": "red"})
    assert options == {"share": 1.0, "colour": "red"}
    assert isinstance(options["share"], float)


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        ({"size": "big"}, "^bad value 'big' for the option .size.: .*'small' or 'large'$"),
        ({"share": 2}, "^bad value 2 for the option .share.: .* 1$"),
        ({"whole": "no"}, "^bad value 'no' for the option .whole.: .*boolean$"),
    ],
)
def test_an_option_that_its_annotation_does_not_allow_raises_a_clear_error(options, facts):
    with pytest.raises(BadValueError, match=facts):
        registry.validated(_part, options)


def test_an_option_given_twice_is_refused():
    with pytest.raises(BadValueError, match="'grain' twice"):
        registry.options("phantom:grain=0,test=1,grain=1")


def test_a_part_of_a_dictionary_is_built_with_options():
    assert registry.build({"complex": complex}, "number", "complex:real=3", imag=4) == 3 + 4j
    with pytest.raises(UnknownNameError, match=r"number.*'komplex'.*'complex'"):
        registry.build({"complex": complex}, "number", "komplex")


def test_a_class_is_loaded_from_a_file_outside_the_repository_and_a_broken_one_is_a_clear_error(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(PART.format(name="mine"))
    assert user_code.from_file(f"{file}:Part", "part")().size == 3
    with pytest.raises(UnknownNameError, match=r"mine\.py.*'Pat'.*'Part'"):
        user_code.from_file(f"{file}:Pat", "part")
    file.write_text("def :")
    with pytest.raises(LocusError, match=r"mine\.py.*SyntaxError"):
        user_code.from_file(f"{file}:Part", "part")
    with pytest.raises(DataError, match=r"absent\.py"):
        user_code.from_file(f"{tmp_path}/absent.py:Part", "part")


BASE = "from typing import ClassVar\nclass BasePart:\n    name: ClassVar[str]\n"
OWN = "from typing import ClassVar\nfrom shelf_of_parts.base import BasePart\nclass Own(BasePart):\n    "


@pytest.mark.parametrize("body", ["name = 'x'", "name: str = 'x'", "name: ClassVar[str] = 'x'", "name = ('x')"])
def test_a_name_is_read_without_importing_the_file(shelf, body):
    shelf("base.py", BASE)
    shelf("own.py", OWN + body)
    assert parts().names() == ["x"] == [parts().get("x").name]


@pytest.mark.parametrize("body", ["pass", "size = 3", "name = 'x' + 'y'", "(name := 'x')", "name = 'two words'"])
def test_a_part_without_a_readable_name_is_one_sentence_and_others_are_listed(shelf, caplog, body):
    shelf("base.py", BASE)
    shelf("own.py", f"{OWN}{body}\nclass Good(BasePart): name = 'good'\nclass _Half(BasePart): pass\nclass Other: pass\n")
    shelf("more.py", OWN.replace("Own", "More") + "name: ClassVar[str]\n")
    both = parts()
    assert both.names() == ["good"]
    (record,) = caplog.records
    assert record.getMessage() == f'the class Own in {both.home}/own.py has no readable name: write name = "own" in its body'


def test_files_of_the_plugin_folder_follow_and_only_the_requested_one_runs(shelf, tmp_path, monkeypatch):
    shelf("base.py", BASE)
    shelf("own.py", "from shelf_of_parts.base import BasePart\nclass Own(BasePart): name = 'own'\n")
    here = tmp_path / "here" / "parts"
    here.mkdir(parents=True)
    (here / "a.py").write_text("from shelf_of_parts.base import BasePart\nclass A(BasePart): name = 'mine'; size = 4\n")
    (here / "b.py").write_text("1 / 0\nfrom shelf_of_parts.own import Own\nclass B(Own): name = 'broken'\n")
    (here / "typo.py").write_text("from shelf_of_parts import Bsae\nclass Typo(Bsae): name = 'typo'\n")
    (here / "_c.py").write_text("class C(:")
    both = registry.Registry("shelf_of_parts", "part", variable="PARTS_OF_USER")
    assert both.names() == ["own"]
    monkeypatch.setenv("PARTS_OF_USER", str(here))
    assert both.names() == ["own", "broken", "mine", "typo"]
    assert both.get("mine") is both.get("mine")
    assert both.get("mine").size == 4
    with pytest.raises(NotAvailableError, match=r"'broken'.*ZeroDivisionError"):
        both.get("broken")
    with pytest.raises(NotAvailableError, match=r"'typo'.*'Bsae'"):
        both.get("typo")
    (here / "d.py").write_text("from shelf_of_parts.base import BasePart\nclass D(BasePart): name = 'own'\n")
    with pytest.raises(DataError, match=r"'own'.*/own\.py.*/here/parts/d\.py"):
        both.names()
    monkeypatch.setenv("PARTS_OF_USER", str(tmp_path / "shelf_of_parts"))
    assert both.names() == ["own"]
