import sys
from typing import Annotated, Literal

import pytest
from pydantic import Field

from core import registry, user_code
from core.errors import BadValueError, DataError, LocusError, NotAvailableError, UnknownNameError

PART = 'class Part:\n    name = "{name}"\n    def __init__(self, size: int = 3):\n        self.size = size\n'


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


def test_a_new_file_registers_a_part_without_other_edits(shelf):
    shelf("nih.py", PART.format(name="NIH"))
    assert parts().names() == ["NIH"]
    assert parts().build("NIH").size == 3


def test_a_package_is_one_part_and_its_modules_are_not(shelf, tmp_path):
    (tmp_path / "shelf_of_parts" / "nih").mkdir()
    shelf("nih/__init__.py", "from shelf_of_parts.nih.tables import SIZE\n" + PART.format(name="NIH"))
    shelf("nih/tables.py", "SIZE = 4\n" + PART.format(name="tables"))
    assert parts().names() == ["NIH"]
    assert parts().build("NIH").size == 3


def test_a_part_may_be_a_named_module_of_its_package(shelf, tmp_path):
    for word in ("alignment", "broken"):
        (tmp_path / "shelf_of_parts" / word).mkdir()
    shelf("alignment/compute.py", PART.format(name="alignment"))
    shelf("alignment/report.py", PART.format(name="alignment"))
    shelf("broken/compute.py", "class Part(:")
    checks = registry.Registry("shelf_of_parts", "check", module="compute")
    assert checks.names() == ["alignment", "broken"]
    assert checks.get("alignment").__module__ == "shelf_of_parts.alignment.compute"


def test_names_are_listed_without_importing_the_parts(shelf):
    shelf("broken.py", "import a_library_that_nobody_has\n" + PART.format(name="broken"))
    shelf("good.py", PART.format(name="good"))
    assert parts().names() == ["broken", "good"]
    assert parts().build("good").size == 3
    sentence = "^the part 'broken' cannot be imported: No module named 'a_library_that_nobody_has'$"
    with pytest.raises(NotAvailableError, match=sentence):
        parts().get("broken")


def test_a_syntax_error_breaks_only_its_own_part(shelf):
    shelf("torn.py", "def :")
    shelf("good.py", PART.format(name="good"))
    assert parts().build("good").size == 3
    with pytest.raises(NotAvailableError, match=r"'torn'.*SyntaxError"):
        parts().get("torn")


def test_a_duplicate_name_raises_an_error_with_both_files(shelf):
    shelf("one.py", PART.format(name="twin"))
    shelf("two.py", PART.format(name="twin"))
    with pytest.raises(DataError, match=r"^the part 'twin' is defined twice: in .*/one\.py and in .*/two\.py; rename one$"):
        parts().names()


def test_options_follow_the_name(shelf):
    shelf("lse.py", PART.format(name="LSE"))
    assert parts().build("LSE:size=7").size == 7


def test_an_unknown_option_raises_an_error_with_the_existing_ones(shelf):
    shelf("lse.py", PART.format(name="LSE"))
    with pytest.raises(BadValueError, match=r"^the part 'LSE' has no option 'sise'; it has: size$"):
        parts().build("LSE:sise=7")


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


def test_a_misspelled_name_raises_an_error_with_the_nearest(shelf):
    shelf("gradcampp.py", PART.format(name="gradcampp"))
    with pytest.raises(UnknownNameError, match=r"part.*'gradcamp'.*'gradcampp'"):
        parts().get("gradcamp")


@pytest.mark.parametrize(
    ("written", "stated"),
    [
        ('{"a", "b"}', {"a", "b"}),
        ('frozenset({"a"})', {"a"}),
        ("frozenset()", None),
        ('["a"]', ["a"]),
        ('Base.needs | {"a"}', None),
        ("CONSTANT", None),
    ],
)
def test_only_literal_attributes_are_read_from_the_source(shelf, written, stated):
    shelf("own.py", f'class Own:\n    name = "own"\n    needs = {written}\n')
    assert parts().read_attribute("own", "needs") == stated


def test_attributes_of_base_classes_in_sibling_files_are_read(shelf):
    shelf("base.py", "from shelf_of_parts.own import Own\n\nclass Base:\n    needs = {'a'}\n")
    shelf("own.py", "from shelf_of_parts.base import Base\n\nclass Own(Base):\n    name = 'own'\n")
    assert parts().read_attribute("own", "needs") == {"a"}
    assert parts().read_attribute("own", "costly") is None


def test_a_class_is_loaded_from_a_file_outside_the_repository(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(PART.format(name="mine"))
    assert user_code.from_file(f"{file}:Part", "part")().size == 3
    with pytest.raises(UnknownNameError, match=r"mine\.py.*'Pat'.*'Part'"):
        user_code.from_file(f"{file}:Pat", "part")


def test_a_broken_file_outside_the_repository_raises_a_clear_error(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def :")
    with pytest.raises(LocusError, match=r"mine\.py.*SyntaxError"):
        user_code.from_file(f"{file}:Part", "part")
    with pytest.raises(DataError, match=r"absent\.py"):
        user_code.from_file(f"{tmp_path}/absent.py:Part", "part")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return a function that installs a distribution with entry points, as pip does."""

    def install(package, *points):
        site = tmp_path / package
        (site / f"{package}-1.0.dist-info").mkdir(parents=True)
        (site / f"{package}-1.0.dist-info" / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (site / f"{package}-1.0.dist-info" / "entry_points.txt").write_text("\n".join(["[shelf.parts]", *points]))
        monkeypatch.syspath_prepend(site)
        return site

    return install


def with_plugins():
    return registry.Registry("shelf_of_parts", "part", "shelf.parts")


def test_an_installed_package_adds_its_part_by_an_entry_point(shelf, installed):
    shelf("own.py", PART.format(name="own"))
    (installed("friend", "theirs = part_of_a_friend:Part") / "part_of_a_friend.py").write_text(PART.format(name="theirs"))
    assert with_plugins().names() == ["own", "theirs"]
    assert "part_of_a_friend" not in sys.modules  # names are listed without importing it
    assert with_plugins().build("theirs:size=5").size == 5
    assert parts().names() == ["own"]  # without a group, only the folder counts


def test_a_broken_package_breaks_only_its_own_part(shelf, installed):
    shelf("own.py", PART.format(name="own"))
    site = installed("broken", "absent = no_such_module:Part", "torn = torn_part:Part", "odd = odd_part:Odd", "other = odd_part:Part")
    (site / "torn_part.py").write_text("def :")
    (site / "odd_part.py").write_text("Odd = 3\n" + PART.format(name="x"))
    assert with_plugins().build("own").size == 3
    for word, facts in [
        ("absent", r"'absent'.*broken \(no_such_module:Part\).*'no_such_module'"),
        ("torn", r"broken \(torn_part:Part\).*SyntaxError"),
        ("odd", r"broken \(odd_part:Odd\).*name = 'odd'"),
        ("other", r"broken \(odd_part:Part\).*name = 'other'"),
    ]:
        with pytest.raises(NotAvailableError, match=facts):
            with_plugins().get(word)


@pytest.mark.parametrize("own", [True, False])
def test_a_name_with_two_origins_raises_an_error_with_both(shelf, installed, own):
    installed("second", "twin = b:Part")
    if own:
        shelf("twin.py", PART.format(name="twin"))
    else:
        installed("first", "twin = a:Part")
    with pytest.raises(DataError, match=r"'twin'.*(twin\.py|first \(a:Part\)).*second \(b:Part\)"):
        with_plugins().names()
