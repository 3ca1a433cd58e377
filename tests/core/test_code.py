"""Hash of code: what changes it, and which files it covers."""

import pytest

from locus import methods
from locus.core.user_code import HOME, code_hash, local_files

CODE = '''
"""A module."""
import json
from locus.methods.base import Method


class Mine(Method):
    """A class."""

    size = 3
    """An attribute."""

    def maps(self, evidence):
        return json.dumps(self.size)  # a comment
'''


@pytest.fixture
def hashed(tmp_path):
    """hashed(text, …): the hash of files with these texts."""

    def write(*texts):
        files = [tmp_path / f"{n}.py" for n in range(len(texts))]
        for file, text in zip(files, texts, strict=True):
            file.write_text(text)
        return code_hash(files)

    return write


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A module", "Another module"),
        ('    """A class."""\n', ""),
        ("An attribute", "A number"),
        ("  # a comment", ""),
        ("size = 3", "size = (\n        3\n    )"),
        ("import json\nfrom locus.methods.base import Method", "from locus.methods.base import Method\nimport json"),
    ],
)
def test_texts_layout_and_moved_modules_of_locus_keep_the_hash(hashed, before, after):
    assert hashed(CODE) == hashed(CODE.replace(before, after)) != hashed(CODE.replace("size = 3", "size = 4"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import json", "import pickle as json"),
        ("import Method", "import GradientMethod as Method"),
        ("size = 3", "size = 3.0"),
        ("self.size)", "self.size, indent=None)"),
        ("size = 3", "size = ("),
    ],
)
def test_other_code_has_another_hash(hashed, before, after):
    assert before in CODE
    assert hashed(CODE) != hashed(CODE.replace(before, after))


def test_names_and_order_of_files_do_not_matter_but_all_contents_do(hashed):
    assert hashed("a = 1", "b = 2") == hashed("b = 2", "a = 1") != hashed("a = 1", "b = 3")


@pytest.mark.byhand
def test_hash_is_the_same_for_all_versions_of_python(hashed):
    text = "async def f(a, /, *b: int, c=None, **d) -> str:\n    return f'{a!r:>{c}} {b=}' 'x' % {**d, 1: [x for x in b if x]}\n"
    assert hashed(CODE, text) == "203cc2e1faf443c8"


def test_local_files_are_the_imported_files_below_the_folder(tmp_path):
    folder = tmp_path / "project/net"
    texts = {
        "net.py": "import json, torch, helper\nfrom project.net.parts import body\ndef f():\n    import lazy as other",
        "helper.py": "from deep.er import x",
        "deep/er.py": "from . import near\nfrom ..helper import y",
        "deep/near.py": "",
        "parts/__init__.py": "",
        "parts/body.py": "from .head import K",
        "parts/head.py": "from methods import Method",
        "lazy.py": "import net\nimport outside",
        "unused.py": "",
        "../outside.py": "",
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    found = {path.relative_to(folder.resolve()).as_posix() for path in local_files(folder / "net.py")}
    assert found == texts.keys() - {"unused.py", "../outside.py"}


def test_local_files_of_a_method_are_those_of_its_package(tmp_path):
    names = {path.name for path in local_files(methods.registry.files["eigencam"])}
    assert names == {"eigencam.py", "_principal.py", "base.py", "evidence.py"}
    mine = HOME.parent / "of_a_test.py"  # a file of the user in the checkout
    mine.write_text("import methods, config\nfrom locus.methods.gradcam import GradCAM")
    try:
        assert local_files(mine) == {mine}
    finally:
        mine.unlink()
