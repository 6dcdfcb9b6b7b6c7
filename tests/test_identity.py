"""What belongs to the identity of a step: the definitions that its function can reach by name."""

import os
import subprocess
import sys
import textwrap

import pytest

from helpers.store import reach, reached, source
from helpers.store.reach import Sources


class Package:
    """Modules on disk, and what a definition in them reaches."""

    def __init__(self, folder):
        self.folder = folder

    def write(self, **modules: str) -> None:
        for name, text in modules.items():
            (self.folder / f"{name}.py").write_text(textwrap.dedent(text))

    def code(self, name: str, *, words: bool = False):
        sources = Sources(words=words, find=self.find, text=lambda path: path.read_text())
        return sources.code([("helpers.lab", name)])

    def find(self, module: str):
        if module in ("helpers", "helpers.store"):
            return self.folder / "__init__.py"
        path = self.folder / f"{module.removeprefix('helpers.')}.py"
        return path if path.is_file() else None

    def reached(self, name: str) -> set[str]:
        return {d.removeprefix("helpers.") for d in self.code(name).definitions}


@pytest.fixture
def package(tmp_path):
    (tmp_path / "__init__.py").touch()
    return Package(tmp_path)


def test_only_what_is_named_is_reached(package):
    package.write(
        lab="""
            from helpers.leaf import double as twice, halve

            LEVEL = 0.05
            OTHER = 1

            def called(x):
                return twice(x) > LEVEL

            def neighbour(x):
                return halve(x) + OTHER
            """,
        leaf="def double(x):\n    return 2 * x\n\ndef halve(x):\n    return x / 2\n",
    )
    assert package.reached("called") == {"lab:called", "lab:LEVEL", "leaf:double"}
    assert package.reached("neighbour") == {"lab:neighbour", "lab:OTHER", "leaf:halve"}


@pytest.mark.parametrize(
    ("line", "use"),
    [
        ("import helpers.leaf", "helpers.leaf.double(1)"),
        ("import helpers.leaf as f", "f.double(1)"),
        ("from helpers import leaf", "leaf.double(1)"),
        ("from helpers import leaf as f", "f.double(1)"),
        ("from helpers.leaf import double", "double(1)"),
        ("from .leaf import double", "double(1)"),
        ("from . import leaf", "leaf.double(1)"),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_every_form_of_import_is_followed(package, line, use, inside):
    body = (
        f"def f():\n    {line}\n    return {use}\n"
        if inside
        else f"{line}\ndef f():\n    return {use}\n"
    )
    (package.folder / "lab.py").write_text(body.format(line, use))
    package.write(leaf="def double(x):\n    return 2 * x\n\ndef other():\n    return 1\n")
    assert package.reached("f") == {"lab:f", "leaf:double"}


def test_a_module_that_is_handed_on_counts_whole(package):
    package.write(
        lab="from helpers import leaf\n\ndef f(name):\n    return getattr(leaf, name)\n",
        leaf="def double(x):\n    return 2 * x\n\ndef other():\n    return 1\n",
    )
    assert package.reached("f") == {"lab:f", "leaf:"}
    before = package.code("f")
    package.write(leaf="def double(x):\n    return 2 * x\n\ndef other():\n    return 2\n")
    assert package.code("f") != before


def test_classes_decorators_defaults_and_tables_are_reached(package):
    package.write(
        lab="""
            import functools

            def traced(function):
                return function

            def start():
                return 0

            class Base:
                def go(self):
                    return helper()

            class Model(Base):
                pass

            def helper():
                return 1

            TABLE = {"model": Model}

            @traced
            def f(name, at=start()):
                return TABLE[name]().go() + at
            """
    )
    names = {"f", "traced", "start", "TABLE", "Model", "Base", "helper"}
    assert package.reached("f") == {f"lab:{name}" for name in names}


def test_what_a_module_does_at_import_counts(package):
    package.write(lab="REGISTRY = {}\nREGISTRY['a'] = 1\n\ndef f():\n    return REGISTRY\n")
    assert package.reached("f") == {"lab:f", "lab:REGISTRY", "lab:<import>"}
    before = package.code("f")
    package.write(lab="REGISTRY = {}\nREGISTRY['a'] = 2\n\ndef f():\n    return REGISTRY\n")
    assert package.code("f") != before


def test_a_name_made_in_a_branch_at_import_counts(package):
    text = "import sys\nif sys.platform:\n    A = {}\n\ndef f():\n    return A\n"
    package.write(lab=text.format(1))
    before = package.code("f")
    package.write(lab=text.format(2))
    assert package.code("f") != before


def test_a_name_that_is_imported_again_is_followed(package):
    package.write(
        lab="from helpers.door import double\n\ndef f():\n    return double(1)\n",
        door="from helpers.leaf import double\n",
        leaf="def double(x):\n    return 2 * x\n",
    )
    assert package.reached("f") == {"lab:f", "leaf:double"}


def test_modules_that_import_a_name_from_each_other_are_read(package):
    package.write(
        lab="from helpers.door import double\n\ndef f():\n    return double(1)\n",
        door="from helpers.leaf import double\n",
        leaf="from helpers.door import double\n",
    )
    assert package.reached("f") == {"lab:f", "door:"}


@pytest.mark.parametrize("installed", [True, False])
def test_what_was_installed_elsewhere_is_a_library(tmp_path, monkeypatch, installed):
    """`pip install --user` or `--target`, modules of a cluster: in no folder of this Python."""
    name = f"somebody{installed:d}"
    (tmp_path / f"{name}.py").write_text("VALUE = 1\n")
    if installed:
        (tmp_path / f"{name}-1.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert source.is_ours(name) is not installed


def test_a_variable_is_not_what_bears_its_name_elsewhere(package):
    package.write(
        lab="""
            def value():
                return 1

            def other():
                return 2

            def table(value):
                total = [other for other in value]
                return lambda x: x + total

            def outer(at=other):
                def value():
                    return at
                return value()

            def shared():
                global other
                other = 3
                return other
            """
    )
    assert package.reached("table") == {"lab:table"}
    assert package.reached("outer") == {"lab:outer", "lab:other"}
    assert package.reached("shared") == {"lab:shared", "lab:other"}


def test_libraries_are_those_of_what_is_reached(package):
    package.write(
        lab="""
            import pandas as pd
            import sklearn.linear_model

            def f():
                import yaml
                return pd.DataFrame()

            def g():
                return sklearn.linear_model.Ridge()
            """
    )
    assert set(package.code("f").versions) == {"python", "numpy", "scipy", "pandas", "PyYAML"}
    assert set(package.code("g").versions) == {"python", "numpy", "scipy", "scikit-learn"}


def test_the_store_is_left_out(package):
    package.write(
        lab="from helpers.store.steps import step\n\n@step\ndef f():\n    return 1\n",
    )
    assert package.reached("f") == {"lab:f"}


WORDED = '''
    from dataclasses import dataclass
    from helpers.words import Words
    from helpers.leaf import spell

    @dataclass
    class Rule:
        name: str
        minimum: int
        what: Words
        why: Words = "{a}"

    RULES = (Rule("cells", 2, "{a}"), Rule(name="batches", minimum=3, what=spell("{a}")))

    def problems(x) -> list[Words]:
        """{a}."""
        for limit, advice in ((0, "{a} of several words"),):
            found = [f"{a} {{x}}"] if x < limit else []
        return [*found, "{a}"]

    def f(x: "{a}"):
        """{a}."""
        assert x, "{a}"
        if bad := problems(x):
            raise ValueError(f"{a}: {{spell(bad)}}") from None
        return RULES[0].minimum
'''


def test_words_are_no_part_of_a_step_but_of_a_page(package):
    package.write(words="Words = str\n", leaf="def spell(x):\n    return x\n")
    package.write(lab=WORDED.format(a="one"))
    step, page = package.code("f"), package.code("f", words=True)
    assert "helpers.leaf:spell" not in step.definitions
    assert "helpers.leaf:spell" in page.definitions
    package.write(lab=WORDED.format(a="two"))
    assert package.code("f") == step
    assert package.code("f", words=True) != page
    assert set(package.code("f", words=True).definitions) == set(page.definitions)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('Rule("cells", 2', 'Rule("cells", 5'),
        ('name="batches"', 'name="donors"'),
        ("if x < limit", "if x <= limit"),
        ("((0, ", "((1, "),
        ("raise ValueError", "raise TypeError"),
        ("RULES[0]", "RULES[1]"),
        ("assert x,", "assert not x,"),
    ],
)
def test_what_decides_is_part_of_a_step(package, old, new):
    package.write(words="Words = str\n", leaf="def spell(x):\n    return x\n")
    text = WORDED.format(a="one")
    package.write(lab=text)
    before = package.code("f")
    assert old in text
    package.write(lab=text.replace(old, new))
    assert package.code("f") != before


def test_a_chapter_stands_on_what_its_cells_name(package):
    package.write(
        lab="def f():\n    return 1\n\ndef g():\n    return 2\n",
    )
    sources = Sources(words=True, find=package.find, text=lambda path: path.read_text())
    cells = ["from helpers import lab\nimport pandas as pd", "lab.f()\npd.DataFrame()"]
    text, code = sources.code_of_cells(cells)
    assert set(code.definitions) == {"helpers.lab:f"}
    assert "pandas" in code.versions
    assert sources.code_of_cells([cells[0], "lab.f()\n\n# why\npd.DataFrame()"])[0] == text
    assert sources.code_of_cells([cells[0], "lab.f()\npd.Series()"])[0] != text


def test_code_that_was_edited_while_it_ran_is_noticed_and_the_rest_is_not_read_twice(
    tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "edited_while_it_ran"
    folder.mkdir()
    (folder / "__init__.py").touch()
    leaf = folder / "leaf.py"
    leaf.write_text("def double(x):\n    return 2 * x\n\n\ndef other():\n    return 1\n")
    code = reach.PAGE_SOURCES.code([("edited_while_it_ran.leaf", "double")])
    with monkeypatch.context() as patched:
        patched.setattr(reach, "syntax_tree", None)  # nothing is parsed
        assert reach.unchanged(code)
    leaf.write_text("def double(x):\n    return 2 * x  # twice\n\n\ndef other():\n    return 2\n")
    assert reach.unchanged(code)
    for text in ("def double(x):\n    return 3 * x\n", "def double(x:\n", "x = 1\n"):
        leaf.write_text(text)
        assert not reach.unchanged(code)
    leaf.unlink()
    assert not reach.unchanged(code)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder of results, for commands that each begin without a memory."""
    monkeypatch.setenv("BENCHBOOK_HOME", str(tmp_path))
    (tmp_path / ".benchbook").touch()
    return tmp_path / "reached"


PAGE = (("from helpers import presets\nimport pandas as pd", "presets.PRESETS"), ())


def reach_again(page=PAGE) -> bool:
    """Whether what the page reaches is read from sources; it is the same in any case."""
    reached.code_of_page.cache_clear()
    asked = []

    class Watched(Sources):
        def code_of_cells(self, cells):
            asked.append(cells)
            return super().code_of_cells(cells)

    cells, readers = page
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reached, "PAGE_SOURCES", Watched(words=True))
        text, code = reached.code_of_page(cells, readers)
    sources = Sources(words=True)
    told, expected = sources.code_of_cells(list(cells))
    expected |= sources.code([(module, "") for module in readers])
    assert (text, code, code.versions) == (told, expected, expected.versions)
    return bool(asked)


def test_what_a_page_reaches_is_read_once_while_nothing_changes(home, monkeypatch):
    assert reach_again()
    assert not reach_again()
    assert reach_again((PAGE[0], ("helpers.data.own_reader",)))
    assert reach_again(((*PAGE[0], "1"), ()))
    assert not reach_again()
    with monkeypatch.context() as patch:
        patch.setattr(reached, "_package", lambda: "another text of a module")
        assert reach_again()
    with monkeypatch.context() as patch:
        patch.setattr(reach, "versions", lambda libraries: {"pandas": "99"})
        assert reach_again()  # and now the other version is kept
    assert reach_again()
    with monkeypatch.context() as patch:
        patch.setattr(reached, "is_ours", lambda name: name == "pandas")
        assert reach_again()  # somebody's copy of a library, which may change
    for file in home.rglob("*.json"):
        file.write_text("{")
    assert reach_again()
    assert not reach_again()


def test_the_key_of_a_step_takes_no_module_as_it_is_now_that_may_be_imported_later():
    """Else who edits a module before a kernel imports it has results of the new under the old."""
    code = """
        from helpers.data.splits import guide_split
        from helpers.store import source

        assert guide_split.code.definitions
        read = {str(p).partition("helpers/")[2] for p in source._SNAPSHOTS}
        print("data/splits.py" in read, "models/effects/latent_additive.py" in read)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "False"]


def test_the_digest_of_the_package_is_that_of_every_module(monkeypatch):
    texts = {}
    monkeypatch.setattr(reached, "snapshot", lambda path: texts.setdefault(path, "x"))
    reached._package.cache_clear()
    before = reached._package()
    assert {"reach.py", "cli.py", "screen.py"} <= {path.name for path in texts}
    for path in list(texts)[::40]:
        reached._package.cache_clear()
        texts[path] = "y"
        assert reached._package() != before
        texts[path] = "x"
    reached._package.cache_clear()


def test_what_stands_on_a_package_of_the_user_is_read_each_time(home, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "of_the_user.py").write_text("def f():\n    return 1\n")
    page = (("import of_the_user\nof_the_user.f()",), ())
    assert reach_again(page)
    assert reach_again(page)


def test_nothing_is_written_into_a_folder_that_is_not_ours(home):
    (home.parent / ".benchbook").unlink()
    assert reach_again()
    assert reach_again()
    assert not home.exists()


def test_of_old_states_few_are_kept(home):
    for i in range(6):
        (home / str(i)).mkdir(parents=True)
        os.utime(home / str(i), (i, i))
    reached.forget_old()
    assert sorted(p.name for p in home.iterdir()) == ["2", "3", "4", "5"]
