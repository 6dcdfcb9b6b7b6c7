"""The whole book at preset tiny: built, opened in a browser, and run again."""

import functools
import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import lxml.html
import nbformat
import odd_screens
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from lxml import etree
from minibook import MiniBook
from site_checks import WIDTHS, check_site, dead_links

from helpers.book.chapters import Book
from helpers.tasks.catalogue import METRICS

ROOT = Path(__file__).parents[1]
BOOK = Book(ROOT)
HAS_DATA = bool(os.environ.get("BENCHBOOK_DATA"))
FIRST_OF_TIERS = [
    next(n for n in BOOK.pages_of(tier) if n in BOOK.chapters and not n.endswith("/index"))
    for tier in BOOK.tiers
]
"""Of each tier the first chapter that leaves scores."""


def benchbook(*arguments, home, folder=ROOT, **environment):
    return subprocess.run(
        [sys.executable, "-m", "helpers.cli", *arguments],
        cwd=folder,
        env=os.environ | {"BENCHBOOK_HOME": str(home)} | environment,
        capture_output=True,
        text=True,
        timeout=1800,
    )


def lab(book: MiniBook) -> dict[str, str]:
    return {name: book.environment[name] for name in ("PYTHONPATH", "CALLS")}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Results of a build of the book at preset tiny.

    Steps are computed anew, or found in the folder that CI keeps from one run to the next.
    """
    folder = tmp_path_factory.mktemp("home")
    if kept := os.environ.get("BENCHBOOK_TEST_STEPS"):
        Path(kept).mkdir(parents=True, exist_ok=True)
        (folder / "steps").symlink_to(Path(kept).resolve())
        (folder / ".benchbook").touch()
    done = benchbook("build", "--preset", "tiny", home=folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def html(home):
    return home / "_build" / "html"


def page(html: Path, name: str) -> BeautifulSoup:
    """A page as it was built; to parse it takes longer than most that is asked of it."""
    file = html / f"{name}.html"
    return _parsed(file, file.stat().st_mtime_ns)


@functools.cache
def _parsed(file: Path, _written: int) -> BeautifulSoup:
    return BeautifulSoup(file.read_text(), "lxml")


def test_every_page_is_there_and_none_holds_a_traceback(html):
    for name in BOOK.pages:
        text = page(html, name).get_text()
        assert len(text) > 200
        assert "Traceback" not in text
        assert "Warning:" not in text


_CODE = ("pre", "code", "script", "style")


def test_no_sentence_of_a_page_holds_nan(html):
    found = []
    for name in BOOK.pages:
        (main,) = lxml.html.parse(html / f"{name}.html").iterfind(".//main")
        etree.strip_elements(main, etree.Comment, *_CODE, with_tail=False)
        said = re.findall(r".{0,60}\bnan\b.{0,30}", " ".join(main.itertext()))
        found += [f"{name}: {words}" for words in said]
    assert found == []


def test_no_page_shows_a_table_without_caption(html):
    """A cell that ends with a frame shows its first and last rows, and nobody asked for them."""
    bare = [n for n in BOOK.pages if 'class="dataframe' in (html / f"{n}.html").read_text()]
    assert bare == []


def test_no_table_has_two_columns_of_one_name(html):
    found = []
    for name in BOOK.pages:
        for table in lxml.html.parse(html / f"{name}.html").iterfind(".//table"):
            heads = [" ".join(h.itertext()).strip() for h in table.iterfind("./thead/tr/th")]
            found += [f"{name}: {h}" for h in {*heads} - {""} if heads.count(h) > 1]
    assert found == []


def test_the_site_stands_up_to_a_browser(html, every_test):
    """Every page at both widths; accessibility of two pages a tier, and of those of no tier,
    at one width. With every test: of all pages at both.
    """
    chosen = [n for tier in BOOK.tiers for n in BOOK.pages_of(tier)[:2]]
    chosen += [n for n in BOOK.pages if not any(n in BOOK.pages_of(tier) for tier in BOOK.tiers)]
    some = {f"{n}.html" for n in [*chosen, "search"]}
    if every_test:
        assert check_site(html) == []
    else:
        assert check_site(html, axe_at=WIDTHS[:1], axe_on=some) == []


def test_no_page_weighs_more_than_half_a_megabyte(html):
    """As a server sends it: texts compressed, with scripts, styles, and fonts of icons."""

    @functools.cache
    def weight(file: Path) -> int:
        data = file.read_bytes()
        return len(data if file.suffix in (".woff2", ".png") else gzip.compress(data, 6))

    fonts = sum(map(weight, (html / "_static/vendor/fontawesome/webfonts").glob("*.woff2")))
    heavy = {}
    for name in BOOK.pages:
        file = html / f"{name}.html"
        found = page(html, name).select("script[src], link[rel=stylesheet], img[src]")
        asked = {(t.get("src") or t.get("href")).partition("?")[0] for t in found}
        kilobytes = (weight(file) + fonts + sum(weight(file.parent / a) for a in asked)) / 1024
        if kilobytes > 500:
            heavy[name] = round(kilobytes)
    assert heavy == {}


def test_no_link_of_the_site_is_dead(html):
    assert dead_links(html) == []


def test_no_path_of_this_machine_is_on_a_page(html, home):
    for name in BOOK.pages:
        for file in (html / f"{name}.html", html / "_sources" / f"{name}.ipynb"):
            if file.is_file():
                text = file.read_text()
                assert str(ROOT) not in text
                assert sys.prefix not in text
                assert str(home) not in text


@pytest.mark.parametrize("name", BOOK.chapters)
def test_figures_say_what_they_show_and_offer_their_data(html, name):
    for figure in page(html, name).select(".bb-figure"):
        svg = figure.select_one("svg")
        assert svg["role"] == "img"
        assert figure["id"].startswith("fig-")
        assert len(figure.find(id=svg["aria-labelledby"]).get_text()) > 20
        if name != "intro":
            assert figure.select_one("a.bb-download")["href"].startswith("data:text/csv")


def test_a_page_carries_its_cards_its_scores_and_a_notebook_that_runs(html):
    name = "chapters/embeddings/consistency"
    soup = page(html, name)
    assert "preset" in soup.select_one(".bb-params").get_text()
    provenance = soup.select_one(".bb-provenance")
    assert f"benchbook run {name} -p preset=tiny" in provenance.get_text()
    (link,) = (a for a in provenance.select("a") if "scores" in a.get_text())
    table = pd.read_csv((html / name).parent / link["href"])
    assert {"simulated"} <= set(table["dataset"])
    notebook = nbformat.read(html / "_sources" / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [c.source for c in notebook.cells if c.cell_type == "code"]
    assert code[0].startswith("import importlib.util")  # installs the package on Colab
    assert "preset = 'tiny'" in "\n".join(code)
    assert any(c.get("outputs") for c in notebook.cells)


def test_nothing_changed_nothing_runs(home):
    before = sorted((home / "runs").rglob("run.json"))
    times = [p.stat().st_mtime_ns for p in before]
    done = benchbook("build", "--preset", "tiny", home=home)
    assert done.returncode == 0
    assert "running" not in done.stdout
    assert sorted((home / "runs").rglob("run.json")) == before
    assert [p.stat().st_mtime_ns for p in before] == times


def test_one_tier_is_built_alone_and_says_what_it_lacks(home):
    done = benchbook("build", "--preset", "tiny", "--only", "explanation", home=home)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    html = home / "only" / "explanation" / "_build" / "html"
    assert dead_links(html) == []
    built = {p.stem for p in (html / "chapters").rglob("*.html")}
    assert built == {n.rpartition("/")[2] for n in BOOK.pages if "/explanation/" in n}
    front = page(html, "intro").get_text()
    others = [BOOK.caption(tier) for tier in BOOK.tiers if tier != "explanation"]
    assert f"Not in it: {', '.join(others)}." in front
    assert others[:3] == ["Foundations", "Embeddings", "Effects"]
    text = (BOOK.folder / "chapters" / "explanation" / "index.md").read_text()
    elsewhere = re.findall(r"\]\((\.\./(?!explanation)[\w/-]+)", text)
    links = {a.get("href") for a in page(html, "chapters/explanation/index").select("a[href]")}
    assert not {f"{link}.html" for link in elsewhere} & links


def test_an_unknown_tier_is_refused_with_all_tiers(home):
    done = benchbook("build", "--only", "embedings", home=home)
    assert done.returncode == 2
    said = done.stderr.replace("\n", " ")
    assert "there is no tier 'embedings'; there are foundations, embeddings, effects" in said


def as_raised(output):
    """A note in place of a section, as the exception that it stands for."""
    if (reason := output.get("metadata", {}).get("reason")) is None:
        return output
    return nbformat.v4.new_output("error", ename="CannotAnswer", evalue=reason, traceback=[])


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in FIRST_OF_TIERS else pytest.mark.all)
        for name in BOOK.chapters
    ],
)
def test_an_executed_notebook_gives_the_same_again(home, tmp_path, name, every_test):
    """nbval: every output compared; outputs that are not stable carry a tag that says so.

    With every test, its steps are computed again too: the store that it sees is empty.
    """
    (file,) = (home / "runs" / name.removeprefix("chapters/")).glob("*/notebook.ipynb")
    record = json.loads(file.with_name("run.json").read_text())
    needed = {n.removeprefix("chapters/"): key[:16] for n, key in record["needs"].items()}
    needs = {n: str(home / "runs" / n / folder) for n, folder in needed.items()}
    again = {
        "BENCHBOOK_DATASETS": json.dumps(BOOK.chapters[name].datasets(record["parameters"])),
        "BENCHBOOK_NEEDS": json.dumps(needs),
        "PYTHONWARNINGS": "ignore:IProgress not found",  # a run keeps it from its kernel, too
    }
    for part in ("_toc.yml", "results"):  # kept results lie in the book, above a notebook
        (tmp_path / part).symlink_to(ROOT / part)
    if every_test:
        home = tmp_path / "home"
        home.mkdir()
        (home / ".benchbook").touch()
    notebook = nbformat.read(file, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [as_raised(o) for o in cell.outputs]
    nbformat.write(notebook, tmp_path / "notebook.ipynb")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env"),
            *("--nbval-cell-timeout", "900", "-p", "no:cacheprovider"),
            *("-q", str(tmp_path / "notebook.ipynb")),
        ],
        cwd=ROOT,
        env=os.environ | {"BENCHBOOK_HOME": str(home)} | again,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert re.search(r"[1-9]\d* passed", done.stdout)


def test_a_run_names_a_data_set_once_though_it_be_asked_and_required(home):
    for file in home.glob("runs/**/run.json"):
        names = [d["name"] for d in json.loads(file.read_text())["datasets"]]
        assert len(names) == len(set(names)), file


def test_chapters_end_with_scores_that_satisfy_the_schema(home):
    from helpers.scores import check

    for name, chapter in BOOK.chapters.items():
        files = list((home / "runs" / name.removeprefix("chapters/")).glob("*/scores.parquet"))
        assert bool(files) == chapter.saves_scores
        for file in files:
            table = check(pd.read_parquet(file))
            for metric, values in table.groupby("metric")["value"]:
                assert values.dropna().between(METRICS[metric].low, METRICS[metric].high).all()


def test_simulated_truth_comes_before_pca_and_pca_before_noise(home):
    (file,) = (home / "runs" / "embeddings" / "consistency").glob("*/scores.parquet")
    table = pd.read_parquet(file).query(
        "dataset == 'simulated' and metric == 'perturbation_consistency'"
    )
    mean = table.groupby("model")["value"].mean()
    assert mean["planted truth"] > mean["PCA of log counts"]
    assert mean["PCA of log counts"] > max(mean["permuted labels"], mean["Gaussian noise"])


@pytest.mark.skipif(not HAS_DATA, reason="no real data: BENCHBOOK_DATA names no folder")
def test_real_data_are_in_the_book(home):
    (file,) = (home / "runs" / "embeddings" / "consistency").glob("*/scores.parquet")
    table = pd.read_parquet(file)
    real = table[(table["dataset"] == "papalexi2021") & (table["model"] == "PCA of log counts")]
    one = real[(real["post"] == "center_scaled") & (real["metric"] == "perturbation_consistency")]
    best = one.set_index("unit")["value"].nlargest(5).index
    assert set(best) == {"STAT1", "JAK2", "SMAD4", "IFNGR2", "IFNGR1"}


@pytest.fixture
def no_data(tmp_path):
    """Environment in which no data set can be had."""
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    return {
        "BENCHBOOK_DATA": str(nothing),
        "BENCHBOOK_CACHE": str(nothing),
        "https_proxy": "http://127.0.0.1:9",
    }


def says_what_is_missing(done, page) -> bool:
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "benchbook data get papalexi2021" in done.stdout.replace("\n", " ")
    text = page.get_text()
    assert "Not in this build" in text
    assert "STAT1" not in text
    assert "planted truth" in text
    return True


def test_without_the_data_a_chapter_runs_and_says_what_is_missing(home, no_data):
    name = "chapters/embeddings/consistency"
    arguments = ("run", name, "-p", "preset=tiny")
    done = benchbook(*arguments, home=home, **no_data)  # what needs no data is found there
    shown = Path(re.search(r"page +(\S+)", done.stdout)[1])
    assert says_what_is_missing(done, page(ROOT, str((ROOT / shown).with_suffix(""))))


@pytest.mark.all
def test_without_the_data_the_site_is_built_and_says_what_is_missing(home, no_data):
    done = benchbook("build", "--preset", "tiny", home=home, **no_data)
    html = home / "_build" / "html"
    assert says_what_is_missing(done, page(html, "chapters/embeddings/consistency"))


def test_a_failing_chapter_is_named_and_the_rest_of_the_site_is_built(tmp_path, repository_site):
    book = MiniBook(tmp_path)
    book.contents("one", "fails", "dies")
    path = tmp_path / "chapters" / "lab" / "fails.md"
    path.write_text(path.read_text() + "\nThe result is {glue:text}`result`.\n")
    repository_site(tmp_path)
    done = benchbook("build", folder=tmp_path, home=book.home, **lab(book))
    assert done.returncode == 1, done.stdout + done.stderr
    said = done.stdout.replace("\n", " ")
    assert "chapters/lab/fails, cell 2: ZeroDivisionError: division by zero" in said
    assert "chapters/lab/dies, cell 2: DeadKernelError" in said
    html = book.home / "_build" / "html"
    failed = page(html, "chapters/lab/fails").get_text()
    assert "This run failed" in failed
    assert "Traceback" not in failed
    assert "number 2" in page(html, "chapters/lab/one").get_text()
    record = next((book.home / "runs" / "lab" / "fails").glob("*/run.json"))
    assert "ZeroDivisionError" in json.loads(record.read_text())["error"]["traceback"]


def test_a_warning_is_an_error_and_comes_again_at_the_next_build(tmp_path, repository_site):
    book = MiniBook(tmp_path)
    book.contents("one")
    repository_site(tmp_path)
    (tmp_path / "intro.md").write_text("# A small book\n\n[nowhere](no/such/page)\n")
    for _ in range(2):
        done = benchbook("build", folder=tmp_path, home=book.home, **lab(book))
        assert done.returncode == 2
        assert "no/such/page" in done.stderr.replace("\n", "")


# --------------------------------------------------------------------------- any data


COVERING = [
    ("combinations-only", "foundations/simulator"),
    ("no-controls-here", "foundations/screen-quality"),
    ("own-batches", "embeddings/consistency"),
    ("one-batch", "embeddings/linear-separability"),
    ("known-genes", "embeddings/known-relationships"),
    ("long-names", "embeddings/batch-mixing"),
]


@pytest.mark.skipif(not HAS_DATA, reason="needs known relationships")
@pytest.mark.parametrize(("name", "chapter"), COVERING)
def test_a_chapter_answers_an_odd_screen_or_says_why_not(home, tmp_path, name, chapter):
    odd_screens.added(name, tmp_path)
    found = odd_screens.tried(name, "--chapter", chapter, home=home, cache=tmp_path)
    assert set(found) == {chapter}
    assert odd_screens.wrong(name, found) == []
