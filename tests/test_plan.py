"""What a chapter is run with: given, followed, inherited by the chapters that it needs."""

from pathlib import Path

import pytest

from helpers.book import build
from helpers.book.chapters import Book, Chapter, ChapterError
from helpers.book.run import plan
from helpers.data import registry

ROOT = Path(__file__).parents[1]

HEAD = """---
kernelspec: {{display_name: Python 3, language: python, name: python3}}
benchbook: {{needs: [{needs}]}}
---

```{{code-cell}} ipython3
:tags: [parameters]
{parameters}
```
"""
SHARED = {"dataset": "papalexi2021", "seed": 0, "preset": "book"}
PAGES = {
    "asks": ("one, two, table", SHARED | {"context": ""}),
    "one": ("", SHARED | {"dataset": "norman2019-subset", "context": "", "seed": 3}),
    "two": ("one", SHARED | {"guides": "norman2019-subset", "plate": "ljp005"}),
    "table": ("", SHARED | {"dataset": "ahlmann-eltze2025-scores"}),
}


@pytest.fixture
def chapters(tmp_path):
    for name, (needs, values) in PAGES.items():
        lines = "\n".join(f"{k} = {v!r}" for k, v in values.items())
        (tmp_path / f"{name}.md").write_text(HEAD.format(needs=needs, parameters=lines))
    return {f"chapters/{n}": Chapter(f"chapters/{n}", tmp_path / f"{n}.md") for n in PAGES}


def needed(chapters, **given):
    run = plan(chapters["chapters/asks"], chapters, given, {})
    return [{"name": n.chapter.name[9:], **n.parameters} for n in run.needs], run


def test_without_a_word_needed_chapters_keep_their_defaults(chapters):
    found, _ = needed(chapters, preset="tiny")
    assert found == [{"name": n, **PAGES[n][1], "preset": "tiny"} for n in ("one", "two", "table")]


def test_dataset_context_and_seed_are_handed_down_to_those_who_have_them(chapters):
    mine = {"dataset": "kang2018-subset", "context": "B cells", "seed": 7}
    (one, two, table), run = needed(chapters, **mine)
    assert {k: one[k] for k in mine} == mine
    assert "context" not in two
    # further screens of a page follow the dataset, profiles do not
    assert (two["dataset"], two["guides"], two["plate"]) == ("kang2018-subset",) * 2 + ("ljp005",)
    # data of another kind are not replaced
    assert (table["dataset"], table["seed"]) == ("ahlmann-eltze2025-scores", 7)
    # a chapter that two others need is one run, though one of them has no context
    assert run.needs[1].needs[0].parameters == run.needs[0].parameters


def test_a_further_data_set_that_is_given_is_not_replaced(chapters):
    two = chapters["chapters/two"]
    given = {"dataset": "kang2018-subset", "guides": "papalexi2021"}
    assert two.check(given)["guides"] == "papalexi2021"
    assert two.check({"dataset": "kang2018-subset"})["guides"] == "kang2018-subset"
    assert two.check({})["guides"] == "norman2019-subset"


@pytest.mark.parametrize(
    "given, said",
    [
        ({"seed": 2**32}, "parameter seed is 4294967296; it is at most 4294967295"),
        ({"seed": -1}, "parameter seed is -1; it is at least 0"),
        (
            {"guides": "norman"},
            "parameter guides: no data set 'norman': did you mean 'norman2019-gi'",
        ),
        ({"guides": "ljp005"}, "parameter guides is 'ljp005'; it is one of"),
        ({"plate": "papalexi2021"}, "parameter plate is 'papalexi2021'; it is one of ljp005"),
    ],
)
def test_values_are_refused_before_anything_runs(chapters, given, said):
    with pytest.raises(ChapterError, match=said):
        chapters["chapters/two"].check(given)


@pytest.mark.parametrize(
    "given, said",
    [
        ({"context": "HeLa"}, "papalexi2021 has no context 'HeLa'; it has 'THP-1'"),
        ({"embedding": "UCE"}, "no embedding 'UCE' was imported for papalexi2021"),
    ],
)
def test_what_the_data_set_does_not_have_is_refused_before_anything_runs(
    tmp_path, monkeypatch, given, said
):
    if registry.status("papalexi2021")["state"] == "absent":
        pytest.skip("papalexi2021 is not on this machine")
    monkeypatch.setenv("BENCHBOOK_HOME", str(tmp_path))
    grid = {name: [value] for name, value in given.items()}
    with pytest.raises(ChapterError, match=f"chapters/embeddings/consistency: {said}"):
        build.plan_grid(Book(ROOT), "chapters/embeddings/consistency", grid)
    assert not (tmp_path / "runs").exists()


def test_a_page_that_needs_every_chapter_has_those_that_save_scores(chapters, tmp_path):
    lines = "\n".join(f"{k} = {v!r}" for k, v in SHARED.items())
    for name, settings in (("all", "needs: [every]"), ("other", "needs: [every]")):
        head = HEAD.format(needs="", parameters=lines)
        head = head.replace("needs: []", f"{settings}, scores: false")
        (tmp_path / f"{name}.md").write_text(head)
        chapters[f"chapters/{name}"] = Chapter(f"chapters/{name}", tmp_path / f"{name}.md")
    found = plan(chapters["chapters/all"], chapters, {"preset": "tiny"}, {})
    assert [need.chapter.name.removeprefix("chapters/") for need in found.needs] == list(PAGES)
    # the same runs as when they are asked for alone
    alone = plan(chapters["chapters/one"], chapters, {"preset": "tiny"}, {})
    assert alone.parameters in [need.parameters for need in found.needs]
