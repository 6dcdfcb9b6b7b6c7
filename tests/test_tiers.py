"""Tiers never look sideways, each tells the catalogue of itself, and a report has its task."""

import ast
import shutil
from pathlib import Path

import pytest
from imports import imported_names
from lint_chapters import code_cells, sources

from helpers.metrics.facts import Metric
from helpers.tasks.catalogue import METRICS, PRIMARY, REQUIREMENTS, TIERS
from helpers.tasks.requirements import Requirement
from helpers.tasks.tier import Tier

ROOT = Path(__file__).parents[1]
NAMES = ("foundations", "embeddings", "effects", "discovery", "explanation", "drug_matching")
NAMES = (*NAMES, "spatial")
SEVERAL = {"helpers.tasks.catalogue", "helpers.tasks.answerability"}
SEE_SEVERAL = {"chapters/foundations/screen-quality.md"}  # asks every tier what it needs


def tier_of(path: Path) -> str | None:
    """Tier of a file by its folders, below the root."""
    return next((p.replace("-", "_") for p in path.parts if p.replace("-", "_") in NAMES), None)


def imports_of(file: Path) -> set[str]:
    text = code_cells(file) if file.suffix == ".md" else file.read_text()
    return set(imported_names(ast.parse(text)))


def modules_of(root: Path) -> dict[str, Path]:
    """Files that can be imported, by name: those of helpers, and what tests share."""
    found = {p.stem: p for p in (root / "tests").glob("*.py")}
    for path in (root / "helpers").rglob("*.py"):
        found[".".join(path.relative_to(root).with_suffix("").parts)] = path
    return found


def sideways(root: Path, chapters: list[Path] = ()) -> list[str]:
    """What reaches a tier that is not its own, each with what to do."""
    modules = modules_of(root)
    reads = {name: imports_of(path) & set(modules) for name, path in modules.items()}
    files = {p.relative_to(root): reads[name] for name, p in modules.items()}
    files |= {p.relative_to(root): imports_of(p) & set(modules) for p in chapters}
    for path in (root / "tests").glob("*/*.py"):
        files[path.relative_to(root)] = imports_of(path) & set(modules)
    problems = []
    for file, first in sorted(files.items()):
        tier = tier_of(file)
        if tier is None or str(file) in SEE_SEVERAL:
            continue
        # the command line sees all tiers, whoever calls it
        way = {name: [name] for name in sorted(first - {"helpers.cli"})}
        waiting = list(way)
        while waiting:
            name = waiting.pop(0)
            other = tier_of(modules[name].relative_to(root))
            if name in SEVERAL or other not in (None, tier):
                problems.append(
                    f"{file} reaches {name}"
                    + "".join(f", through {w}" for w in way[name][:-1])
                    + f": {tier} may use its own modules, and those under no tier; move what both "
                    "need one level up"
                )
                continue
            for further in sorted(reads[name] - set(way)):
                way[further] = [*way[name], further]
                waiting.append(further)
    return problems


def without_task(root: Path) -> list[str]:
    """Reports that have no task beside them, or compute."""
    problems = []
    for path in sorted((root / "helpers" / "tasks").rglob("*_report.py")):
        name, task = path.relative_to(root), path.with_name(path.name.replace("_report", ""))
        if not task.is_file():
            problems.append(f"{name}: no {task.name} beside it computes what it tells; name it so")
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and "step" in map(
                ast.unparse, node.decorator_list
            ):
                problems.append(f"{name}: {node.name} is a step; move it to {task.name}")
    return problems


def test_tiers_never_look_sideways():
    chapters = [p for p in sources() if tier_of(p.relative_to(ROOT))]
    assert {tier_of(p.relative_to(ROOT)) for p in chapters} >= {"foundations", "embeddings"}
    assert sideways(ROOT, chapters) == []


def test_every_report_has_its_task_and_computes_nothing():
    assert without_task(ROOT) == []


def test_the_catalogue_holds_every_tier_that_is_there():
    folders = {p.parent.name for p in (ROOT / "helpers" / "tasks").glob("*/__init__.py")}
    assert folders == {tier.name for tier in TIERS} <= set(NAMES)
    assert [t.name for t in TIERS] == [name for name in NAMES if name in folders]
    assert len(METRICS) == sum(len(tier.metrics) for tier in TIERS)
    assert len(PRIMARY) == sum(len(tier.primary) for tier in TIERS)
    assert len(REQUIREMENTS) == sum(len(tier.requirements) for tier in TIERS)


@pytest.fixture
def copy(tmp_path):
    for folder in ("helpers", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    return tmp_path


def test_a_tier_that_looks_sideways_is_named_with_the_way(copy):
    shared = copy / "helpers/tasks/departures.py"
    shared.write_text("import helpers.tasks.effects.tier\n" + shared.read_text())
    found = sideways(copy)
    named = [p for p in found if p.startswith("helpers/tasks/explanation/attribution_published")]
    assert len(named) == 1
    assert "effects.tier, through helpers.tasks.departures: explanation may use" in named[0]
    assert not any(p.startswith("helpers/tasks/effects") for p in found)
    test = copy / "tests/effects/test_published_scores.py"
    test.write_text(test.read_text() + "    from helpers.tasks import answerability\n")
    assert any(p.startswith(str(test.relative_to(copy))) for p in sideways(copy))


def test_a_report_without_its_task_is_named(copy):
    (copy / "helpers/tasks/foundations/screen_quality.py").unlink()
    report = copy / "helpers/tasks/explanation/lda_report.py"
    report.write_text(report.read_text() + "\n\n@step\ndef drawn(data):\n    return data\n")
    lda, quality = without_task(copy)
    assert lda.endswith("lda_report.py: drawn is a step; move it to lda.py")
    assert quality.startswith(
        "helpers/tasks/foundations/screen_quality_report.py: no screen_quality"
    )


def test_a_metric_without_facts_and_a_need_that_nothing_counts_are_named():
    l2 = Metric("l2", "Distance", 0.0, 1.0, "lower", 0.5, "here")
    with pytest.raises(ValueError, match=r"metrics/effects/facts\.py: l1 of PRIMARY have no facts"):
        Tier("effects", {"l2": l2}, {"doubles": "l1"})
    needs = {"doubles": (Requirement("pairs", 5, "pairs"),)}
    with pytest.raises(ValueError, match=r"tasks/effects/tier\.py: nothing counts .* doubles"):
        Tier("effects", {"l2": l2}, {"doubles": "l2"}, needs)
