"""The house: imports run downwards, one set of versions, one place for names and addresses."""

import ast
import importlib.metadata
import importlib.util
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from imports import imported_names
from lint_chapters import code_cells, left_behind, named_data_sets, problems, sources

ROOT = Path(__file__).parents[1]
LAYERS = [  # a module imports from its own layer and from those below
    {"helpers.cli", "helpers.cli_data", "helpers.cli_kept", "helpers.terminal"},
    {"helpers.book"},
    {"helpers.tasks"},
    {"helpers.models"},
    {"helpers.data"},
    {"helpers.plots"},
    {"helpers.summaries"},
    {"helpers.scores"},
    {"helpers.store"},
    {"helpers.comparisons", "helpers.nested"},
    {"helpers.stats"},
    {"helpers.metrics"},
    {"helpers.home", "helpers.presets", "helpers.score_columns", "helpers.words"},
]
MODULES = sorted((ROOT / "helpers").rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def layer_of(module: str) -> int:
    room = ".".join(module.split(".")[:2])
    return next(i for i, rooms in enumerate(LAYERS) if room in rooms)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_downwards(path):
    if path.name == "__init__.py":
        assert path.read_text() == "", "what a chapter can reach is what it uses"
        return
    module = name_of(path)
    tree = ast.parse(path.read_text())
    imported = {n for n in imported_names(tree) if n.startswith("helpers.")}
    above = sorted(n for n in imported if layer_of(n) < layer_of(module))
    assert not above, f"{module} imports {', '.join(above)} from a layer above it: move one of them"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_dynamic_imports_and_nothing_swallowed(path):
    tree = ast.parse(path.read_text())
    names = set(imported_names(tree))
    calls = {ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    assert "__import__" not in calls
    if name_of(path) != "helpers.data.registry":  # imports the one reader that is asked for
        assert "importlib.import_module" not in calls
    if name_of(path) != "helpers.data.untrusted":  # admits numbers only, and is the one place
        assert not {"pickle", "dill", "joblib"} & names
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "everything"
            assert caught not in ("everything", "Exception", "BaseException")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_text_is_read_and_written_in_one_encoding(path):
    """Whatever the locale of a machine is (LC_ALL=C)."""
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        called = getattr(call.func, "attr", "") if isinstance(call, ast.Call) else ""
        if called in ("read_text", "write_text"):
            assert "encoding" in {k.arg for k in call.keywords}, ast.unparse(call)


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonical(name): version for name, version in pins}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_is_pinned_once_and_for_everybody():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    asked = [*project["dependencies"], *(d for extra in extras for d in extra)]
    names = {canonical(re.match(r"[\w.-]+", d).group()) for d in asked}
    assert names <= set(constraints())
    assert constraints()["torch"] == "2.13.0"


def test_what_runs_here_is_what_is_pinned():
    pins = constraints()
    installed = {canonical(d.name): d.version for d in importlib.metadata.distributions()}
    checked = [n for n in pins if n in installed]
    differing = {n: (installed[n], pins[n]) for n in checked if installed[n] != pins[n]}
    differing.pop("torch", None)  # a CPU build says +cpu
    assert not differing
    assert len(checked) > 100


def test_conda_takes_its_versions_from_the_same_file():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge"]
    python, pip, by_pip = environment["dependencies"]
    assert pip == "pip"
    assert by_pip == {"pip": ["-c constraints.txt", "-e ."]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    version = re.fullmatch(r"python=(3\.\d+)", python).group(1)
    assert project["requires-python"] == f">={version}"


def tracked() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_the_address_of_the_project_stands_in_one_place():
    address = yaml.safe_load((ROOT / "CITATION.cff").read_text())["repository-code"]
    holders = [
        p.name
        for p in tracked()
        if p.suffix in {".py", ".md", ".toml", ".yml", ".cff", ".css"} and address in p.read_text()
    ]
    assert holders == ["CITATION.cff"]


def test_ci_runs_every_test():
    """The parts of the matrix are all folders of tests, and the files beside them."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    parts = workflow["jobs"]["test"]["strategy"]["matrix"]["include"]
    asked = {p["tests"] for p in parts}
    folders = {f"tests/{p.parent.name}" for p in ROOT.glob("tests/*/test_*.py")}
    alone = "tests/test_book.py"
    assert asked == folders | {alone, f"--ignore={alone} tests/test_*.py"}


def test_no_outputs_and_no_large_files_are_kept():
    for path in tracked():
        assert path.suffix != ".ipynb"
        assert path.stat().st_size < 1_000_000, path


def test_code_cells_of_chapters_are_clean():
    assert problems(sources()) == []


def test_what_chapters_import_from_the_package_is_there():
    """In seconds what their runs tell in minutes."""
    absent = []
    for path in sources():
        for node in ast.walk(ast.parse(code_cells(path))):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("helpers"):
                module = importlib.import_module(node.module)
                absent += [
                    f"{path.name}: {node.module} has no {one.name}"
                    for one in node.names
                    if not hasattr(module, one.name)
                    and not (
                        hasattr(module, "__path__")
                        and importlib.util.find_spec(f"{node.module}.{one.name}")
                    )
                ]
    assert absent == []


def test_a_cell_that_names_a_data_set_is_found(tmp_path):
    page = tmp_path / "page.md"
    cells = [
        "---\nkernelspec: {display_name: Python 3, language: python, name: python3}",
        "benchbook: {requires: [known-relationships]}\n---\n",
        '```{code-cell}\n:tags: [parameters]\ndataset = "papalexi2021"\n```\n',
        '```{code-cell}\nload("known-relationships")\nload("kang2018-subset")\n```\n',
    ]
    page.write_text("\n".join(cells))
    assert named_data_sets(page) == ["kang2018-subset"]


def test_what_real_data_make_is_used_by_their_own_cells_only(tmp_path):
    page = tmp_path / "page.md"
    cells = [
        "---\nkernelspec: {display_name: Python 3, language: python, name: python3}\n---\n",
        '```{code-cell}\nplanted = 1\nglue("planted", planted)\n```\n',
        '```{code-cell}\n:tags: [real-data]\nreal = planted\nglue("said", real)\n```\n',
        '+++ {"tags": ["real-data"]}\n\n{glue:text}`said`\n\n+++\n\n{glue:text}`planted`\n',
    ]
    page.write_text("\n".join(cells))
    assert left_behind(page) == []
    page.write_text("\n".join([*cells, "{glue:text}`said`\n", "```{code-cell}\nsave(real)\n```"]))
    assert left_behind(page) == ["real", "said"]


@pytest.mark.parametrize("source", sources(), ids=lambda p: p.stem)
def test_prose_states_no_result_by_hand(source):
    import jupytext

    for cell in jupytext.read(source, fmt="md:myst").cells:
        if cell.cell_type != "markdown":
            continue
        prose = re.sub(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$", "", cell.source, flags=re.DOTALL)
        # thresholds (5 %, 0.05, 95 %) and dates may stand there, measured decimals may not
        decimals = set(re.findall(r"\d+\.\d+", prose)) - {"0.05", "0.005", "0.1"}
        assert not decimals, cell.source


def test_the_readme_names_only_commands_that_exist():
    readme = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z]+)", readme)) <= targets
    from helpers.cli import app, data

    commands = {c.name or c.callback.__name__ for c in (*app.registered_commands,)} | {"data"}
    assert set(re.findall(r"benchbook ([a-z]+)", readme)) <= commands
    subcommands = {c.name for c in data.registered_commands}
    assert set(re.findall(r"benchbook data ([a-z]+)", readme)) <= subcommands


def test_no_compiled_function_calls_itself():
    """Numba compiles one, and the process that loads it from the cache dies, as of numba 0.68."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and any(
                "njit" in ast.unparse(d) for d in node.decorator_list
            ):
                called = [n.func for n in ast.walk(node) if isinstance(n, ast.Call)]
                own = [n for n in called if isinstance(n, ast.Name) and n.id == node.name]
                assert not own, f"{path}: {node.name} calls itself; keep what waits in an array"


def test_names_of_tests_are_the_same_in_every_process(request):
    """Processes that collect other names run nothing; packed bytes hold the second of packing."""
    packed = [i.nodeid for i in request.session.items if r"\x1f\x8b\x08\x00" in i.nodeid]
    assert [name for name in packed if r"\x1f\x8b\x08\x00\x00\x00\x00\x00" not in name] == []
