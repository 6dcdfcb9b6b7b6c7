"""Figures and tables: what a reader sees, in both themes, and what they can download."""

import base64
import io
import re
import xml.etree.ElementTree as ET

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from helpers.plots import intervals, layout, lines, page, panels, small
from helpers.plots.answers import answers_html, lead, lines_html
from helpers.plots.p_values import p_value_ecdf
from helpers.plots.parts import draw_absent
from helpers.plots.style import INK, MARKERS, ROLES, SERIES, style
from helpers.plots.tissue import tissue
from helpers.summaries import score_summary

LIGHT, DARK = "#ffffff", "#10171c"  # the two backgrounds of _static/custom.css


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2, from its definition."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def as_seen(colour: str, matrix: np.ndarray) -> np.ndarray:
    """A colour as a dichromat sees it (linear RGB, Machado et al. 2009)."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return matrix @ channels**2.2


DICHROMATS = {
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}


@pytest.fixture
def figure():
    with style():
        fig = Figure()
        ax = fig.add_subplot()
        ax.plot([0, 1], [0, 1], color=ROLES["floor"], label="a floor")
        ax.set(xlabel="score < 1 & more", title="A title")
        ax.legend()
    return fig


@pytest.fixture
def shown(monkeypatch):
    """What is sent to the notebook."""
    bundles = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: bundles.append(data))
    return bundles


def score_table(**means) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for name, (role, mean) in means.items():
        rows += [
            {
                "metric": "perturbation_consistency",
                "role": role,
                "model": name,
                "cluster": f"g{i}",
                "value": v,
            }
            for i, v in enumerate(rng.normal(mean, 0.01, size=30))
        ]
    return pd.DataFrame(rows)


# Colours ------------------------------------------------------------------------------------


@pytest.mark.parametrize("background", [LIGHT, DARK])
@pytest.mark.parametrize("colour", sorted({*ROLES.values(), *SERIES}))
def test_colours_stand_out_on_both_backgrounds(colour, background):
    assert contrast(colour, background) >= 3


@pytest.mark.parametrize("kind", DICHROMATS)
def test_roles_differ_for_colour_blind_readers(kind):
    seen = [as_seen(c, DICHROMATS[kind]) for c in ROLES.values()]
    distances = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
    assert min(distances) > 0.1


# Figures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("alt", ["", "  ", None])
def test_figure_without_alt_text_is_refused(figure, alt):
    with pytest.raises(ValueError, match="no alt text"):
        page.show(figure, alt=alt, name="a")


@pytest.mark.parametrize("name", ["", "two words", "1st", "a/b", 'a"b'])
def test_name_that_cannot_be_an_identifier_is_refused(figure, name):
    with pytest.raises(ValueError, match="letters, digits"):
        page.svg(figure, alt="x", name=name)


def test_svg_follows_the_theme(figure):
    image = page.svg(figure, alt="A line.", name="line")
    assert INK not in image.lower()
    assert "currentColor" in image
    assert f"var(--bb-floor, {ROLES['floor']})" in image
    assert not re.search(r"fill: ?#fff", image), "a background would hide the page's"


def test_svg_is_labelled_and_its_text_is_text(figure):
    image = page.svg(figure, alt='A "line" <rising>.', name="line")
    root = ET.fromstring(image)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == 'A "line" <rising>.'
    texts = {t.text for t in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"A title", "score < 1 & more", "a floor"} <= texts


def test_svg_does_not_style_the_page(figure):
    image = page.svg(figure, alt="A line.", name="line")
    assert "<style" not in image
    assert "font-family: " not in image


def test_svg_has_the_same_bytes_twice():
    def draw():
        rng = np.random.default_rng(0)
        with style():
            fig = Figure()
            fig.add_subplot().scatter(*rng.normal(size=(2, 2000)), s=2)
        return page.svg(fig, alt="Points.", name="points")

    assert draw() == draw()


def test_identifiers_of_two_figures_of_a_page_differ(figure):
    first, second = (
        set(re.findall(r'id="([^"]+)"', page.svg(figure, alt="x", name=name)))
        for name in ("one", "two")
    )
    assert first
    assert not first & second


def test_every_reference_in_an_svg_is_there(figure):
    image = page.svg(figure, alt="x", name="one")
    defined = set(re.findall(r'id="([^"]+)"', image))
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', image))
    assert used
    assert used <= defined


@pytest.mark.parametrize(("n", "pixels"), [(100, False), (2000, True)])
def test_dense_points_become_pixels(n, pixels):
    fig = Figure()
    fig.add_subplot().scatter(range(n), range(n))
    assert ("<image" in page.svg(fig, alt="x", name="a")) == pixels


def test_shown_once_with_its_data(figure, shown):
    data = pd.DataFrame({"x": [1.25, np.nan], "name": ["a", "b, c"]})
    page.show(figure, alt="A line.", name="line", data=data)
    (bundle,) = shown
    assert bundle["text/plain"] == "A line."
    soup = BeautifulSoup(bundle["text/html"], "html.parser")
    wide, narrow = soup.select("svg")  # the second for phones
    assert wide["aria-labelledby"] == narrow["aria-labelledby"] == "fig-line-caption"
    link = soup.select_one("a[download='line.csv']")
    csv = base64.b64decode(link["href"].partition("base64,")[2]).decode()
    assert csv == 'x,name\n1.25,a\n,"b, c"\n'


def test_figure_of_pyplot_is_closed(shown):
    fig, _ = plt.subplots()
    page.show(fig, alt="Empty axes.", name="a")
    assert plt.get_fignums() == []


def test_a_long_name_of_a_row_is_shortened_and_its_letters_are_left_to_the_page(recwarn):
    frame = pd.DataFrame({"value": [0.1, 0.2], "name": ["\u9577" * 120, "PCA"]})
    drawn = intervals.interval_plot(frame, x="value", label="name")
    names = [label.get_text() for label in drawn.axes[0].get_yticklabels()]
    assert names == ["\u9577" * 59 + "\N{HORIZONTAL ELLIPSIS}", "PCA"]
    page._image(drawn, "two rows", "rows", "rows")
    assert not [w for w in recwarn if "Glyph" in str(w.message)]


def test_style_ends_with_its_block():
    before = matplotlib.rcParams["svg.fonttype"]
    with style():
        assert matplotlib.rcParams["svg.fonttype"] == "none"
    assert matplotlib.rcParams["svg.fonttype"] == before


# Tables -------------------------------------------------------------------------------------


def cells(markup: str) -> list[list[str]]:
    soup = BeautifulSoup(markup, "html.parser")
    return [[c.text for c in row.find_all(["th", "td"])] for row in soup.find_all("tr")]


def test_table_holds_every_cell_in_order():
    frame = pd.DataFrame(
        {"model": ["PCA", "a<b"], "n": [1200, 7], "value": [-0.12345, 0.00002], "ok": [True, False]}
    )
    assert cells(page.table_html(frame, caption="Two models", name="t")) == [
        ["model", "n", "value", "ok"],
        ["PCA", "1,200", "\N{MINUS SIGN}0.123", "yes"],
        ["a<b", "7", "< 0.001", "no"],
    ]


def test_minus_signs_in_cells_are_true_ones_and_other_hyphens_stay():
    frame = pd.DataFrame({"said": ["0.1 [-0.2, -0.1]", "-0.5 to -0.1", "GENE-2, 1e-05", "-p n=-1"]})
    _, *said = cells(page.table_html(frame, caption="words", name="t"))
    minus = "\N{MINUS SIGN}"
    assert said[0] == [f"0.1 [{minus}0.2, {minus}0.1]"]
    assert said[1] == [f"{minus}0.5 to {minus}0.1"]
    assert said[2:] == [["GENE-2, 1e-05"], ["-p n=-1"]]


def test_counts_and_large_numbers_have_no_decimals():
    frame = pd.DataFrame(
        {
            "count": [12.0, np.nan, 1200.0],
            "share": [1.0, 0.0, 1.0],
            "large": [186.0, -2057.251, 0.019],
        }
    )
    _, *found = cells(page.table_html(frame, caption="Counts", name="t"))
    assert found == [
        ["12", "1.000", "186"],
        ["n/a", "0.000", "\N{MINUS SIGN}2,057"],
        ["1,200", "1.000", "0.019"],
    ]


def test_numbers_too_small_to_show_say_so_and_columns_are_called_as_people_call_them():
    frame = pd.DataFrame({"p_holm": [2.9e-06, 0.0, 0.2], "mean_gain": [-4e-05, -0.5, 0.0006]})
    assert cells(page.table_html(frame, caption="p", name="t")) == [
        ["p (Holm)", "mean gain"],
        ["< 0.001", "> \N{MINUS SIGN}0.001"],
        ["0.000", "\N{MINUS SIGN}0.500"],
        ["0.200", "0.001"],
    ]
    soup = BeautifulSoup(page.table_html(frame, caption="p", name="t"), "html.parser")
    csv = base64.b64decode(soup.a["href"].partition("base64,")[2]).decode()
    assert csv.startswith("p_holm,mean_gain\n2.9e-06,-4e-05\n")


def test_table_is_accessible():
    frame = pd.DataFrame({"value": [1.0]}, index=pd.Index(["a"], name="target"))
    soup = BeautifulSoup(page.table_html(frame, caption="One", name="t"), "html.parser")
    assert soup.caption.text == "One"
    assert [h["scope"] for h in soup.find_all("th")] == ["col", "col", "row"]
    assert all(h.text for h in soup.find_all("th"))
    assert soup.select("td.bb-number")


def test_missing_values_are_shown_as_missing():
    frame = pd.DataFrame({"a": ["x"], "b": [np.nan], "c": [None]})
    assert cells(page.table_html(frame, caption="c", name="t"))[1] == ["x", "n/a", "n/a"]


def test_formats_of_columns():
    frame = pd.DataFrame({"a": ["x"], "share": [0.256], "p": [0.5]})
    formats = {"share": ".1%", "p": lambda v: f"p = {v}"}
    assert cells(page.table_html(frame, caption="c", name="t", formats=formats))[1] == [
        "x",
        "25.6%",
        "p = 0.5",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"caption": " "}, "no caption"),
        ({"name": "two words"}, "letters, digits"),
        ({"formats": {"z": ".1f"}}, r"columns \['z'\]"),
        ({"frame": pd.DataFrame({"a": []})}, "no rows"),
    ],
)
def test_bad_tables_are_refused(change, message):
    good = {"frame": pd.DataFrame({"a": [1]}), "caption": "c", "name": "t"}
    with pytest.raises(ValueError, match=message):
        page.table_html(**(good | change))


def test_table_is_displayed_with_its_text(shown):
    page.table(pd.DataFrame({"a": [0.5]}), caption="c", name="t")
    assert "0.500" in shown[0]["text/plain"]


# Panels -------------------------------------------------------------------------------------


FOREST = pd.DataFrame(
    {
        "target": ["A", "B", "C"],
        "value": [0.3, 0.1, np.nan],
        "low": [0.2, 0.0, np.nan],
        "high": [0.4, 0.3, np.nan],
        "role": ["candidate", "floor", "ceiling"],
    }
)


def test_interval_plot_draws_each_row_where_its_numbers_are():
    fig = intervals.interval_plot(
        FOREST, x="value", low="low", high="high", label="target", role="role"
    )
    (ax,) = fig.axes
    drawn = [tuple(map(tuple, line.get_xydata())) for line in ax.lines]
    assert drawn == [((0.2, 0), (0.4, 0)), ((0.3, 0),), ((0.0, 1), (0.3, 1)), ((0.1, 1),)]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["A", "B", "C"]
    assert ax.yaxis_inverted(), "the first row is on top"
    assert ax.lines[3].get_color() == ROLES["floor"]
    assert [t.get_text() for t in ax.texts] == ["not scored"]


def test_interval_plot_marks_references():
    references = {"no effect": (0.05, "floor"), "duplicate": (0.35, "ceiling")}
    fig = intervals.interval_plot(FOREST, x="value", label="target", references=references)
    lines = {line.get_xdata()[0]: line.get_color() for line in fig.axes[0].lines[:2]}
    assert lines == {0.05: ROLES["floor"], 0.35: ROLES["ceiling"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame": FOREST.iloc[:0]}, "no row"),
        ({"low": "low"}, "both low and high"),
        ({"label": "gene"}, r"no columns \['gene'\]"),
        ({"role": "winner"}, "winner"),
        ({"low": "high", "high": "low"}, "high is above low"),
    ],
)
def test_bad_interval_plots_are_refused(change, message):
    good = {"frame": FOREST, "x": "value", "label": "target"}
    with pytest.raises(ValueError, match=message):
        intervals.interval_plot(**(good | change))


def test_score_summary_is_the_mean_of_scored_units():
    scores = score_table(PCA=("candidate", 0.3), noise=("floor", 0.0), truth=("ceiling", 0.5))
    scores.loc[0, "value"] = np.nan
    summary = score_summary(scores).set_index("model")
    assert list(summary.index) == ["truth", "PCA", "noise"]
    values = scores.loc[scores["model"] == "PCA", "value"].to_numpy()
    assert summary.loc["PCA", "mean"] == pytest.approx(values[1:].mean(), abs=1e-12)
    assert summary.loc["PCA", ["n_units", "n_unscored"]].tolist() == [29, 1]
    assert summary.loc["PCA", "label"] == "PCA (1 not scored)"
    # independent units: about the normal interval
    half = 1.96 * values[1:].std(ddof=1) / np.sqrt(29)
    assert summary.loc["PCA", "high"] - summary.loc["PCA", "mean"] == pytest.approx(half, rel=0.25)


def test_scores_shade_the_room_between_floor_and_ceiling():
    scores = score_table(PCA=("candidate", 0.3), noise=("floor", 0.0), truth=("ceiling", 0.5))
    summary = score_summary(scores).set_index("model")["mean"]
    (ax,) = panels.scores(scores).axes
    (band,) = ax.patches
    assert band.get_x() == pytest.approx(summary["noise"])
    assert band.get_x() + band.get_width() == pytest.approx(summary["truth"])
    said = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert "best floor to nearest ceiling" in said
    named = panels.scores(scores, xlabels={scores["metric"].iloc[0]: "mean share"}).axes[0]
    assert (named.get_title("left"), named.get_xlabel()) == ("", "mean share")
    assert ax.get_title("left") == "perturbation consistency"


def test_scores_refuse_a_role_that_is_not_known():
    with pytest.raises(ValueError, match="winner"):
        panels.scores(score_table(PCA=("winner", 0.3)))


@pytest.mark.parametrize(("n_series", "longer"), [(len(SERIES), False), (len(SERIES) + 1, True)])
def test_a_handle_of_the_legend_is_long_enough_for_dashes(n_series, longer):
    frame = pd.DataFrame({"x": 1, "y": 1.0, "series": range(n_series)})
    (legend,) = lines.curves(frame, x="x", y="y", series="series").legends
    assert (legend.handlelength > 3) == longer


def test_ecdf_is_the_share_at_or_below():
    p = np.array([0.5, 0.1, 0.1, 0.9])
    (ax,) = p_value_ecdf({"null": p}).axes
    x, y = next(line for line in ax.lines if line.get_label() == "null").get_data()
    for threshold in (0.05, 0.1, 0.3, 0.5, 0.95):
        assert y[np.searchsorted(x, threshold, "right") - 1] == np.mean(p <= threshold)


def test_ecdf_band_holds_uniform_p_values_as_often_as_it_says():
    rng = np.random.default_rng(0)
    (ax,) = p_value_ecdf({"null": rng.uniform(size=100)}).axes
    vertices = ax.collections[0].get_paths()[0].vertices
    width = vertices[np.isclose(vertices[:, 0], 0.5), 1].max() - 0.5
    p = np.sort(rng.uniform(size=(4000, 100)))
    steps = np.arange(101) / 100
    deviation = np.maximum(np.abs(steps[1:] - p), np.abs(p - steps[:-1])).max(axis=1)
    assert np.mean(deviation <= width) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("p", [[], [[0.1]], [0.1, np.nan], [1.2], [-0.1]])
def test_what_is_no_p_value_is_refused(p):
    with pytest.raises(ValueError, match="p-values"):
        p_value_ecdf({"a": p})


def test_a_forest_draws_each_method_beside_the_others():
    frame = pd.DataFrame(
        {
            "model": ["a", "a", "b", "b"],
            "method": ["rows", "clusters"] * 2,
            "set": ["one", "one", "two", "two"],
            "x": [1.0, 1.0, 2.0, 2.0],
            "low": [0.9, 0.8, 1.9, 1.8],
            "high": [1.1, 1.2, 2.1, 2.2],
        }
    )
    names = dict(x="x", low="low", high="high", label="model", series="method")
    figure = intervals.forest(frame, **names, panel="set", references={"mean": 1.0})
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["one", "two"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["rows", "clusters"]
    first, second = (line.get_ydata()[0] for line in figure.axes[1].lines[-2:])
    assert first < 0 < second  # side by side around the row
    with pytest.raises(ValueError, match="low is above high for"):
        intervals.forest(frame.assign(low=5.0), **names)
    with pytest.raises(ValueError, match=r"no columns \['p'\]"):
        intervals.forest(frame, **names | {"x": "p"})
    with pytest.raises(ValueError, match="no row"):
        intervals.forest(frame.iloc[:0], **names)


def test_roles_look_alike_in_a_forest_and_elsewhere():
    rows = pd.DataFrame(
        {"role": ["candidate", "ceiling", "floor"], "low": 0.0, "x": 1.0, "high": 2}
    )
    names = dict(x="x", low="low", high="high", label="model", series="role")
    (ax,) = intervals.forest(rows.assign(model=rows["role"]), **names).axes
    for role, line in zip(rows["role"], ax.lines, strict=True):
        assert (line.get_color(), line.get_marker()) == (ROLES[role], MARKERS[role])


def test_rows_of_a_forest_stay_apart_and_a_single_dot_stands_in_its_row():
    rows = [("a", m) for m in "klmn"] + [("b", m) for m in "klmn"] + [("c", "n")]
    frame = pd.DataFrame(rows, columns=["model", "method"]).assign(x=1.0, low=0.9, high=1.1)
    figure = intervals.forest(frame, x="x", low="low", high="high", label="model", series="method")
    heights = [list(line.get_ydata()) for line in figure.axes[0].lines]
    (*_, last) = heights
    assert last[2] == 2  # on its own, in the middle
    within = np.diff([dots[0] for dots in heights])
    between = heights[0][1] - heights[-1][0]
    assert between > 2 * within.max() > 0


def test_curves_and_agreement_draw_every_series_and_refuse_what_does_not_fit():
    frame = pd.DataFrame(
        {
            "n": [5, 10, 5, 10],
            "value": [0.1, 0.2, 0.3, np.nan],
            "low": [0.0, 0.1, 0.2, np.nan],
            "high": [0.2, 0.3, 0.4, np.nan],
            "line": ["a", "a", "b", "b"],
        }
    )
    figure = lines.curves(
        frame, x="n", y="value", series="line", low="low", high="high", references={"zero": 0.0}
    )
    (ax,) = figure.axes
    assert [line.get_label() for line in ax.lines[:2]] == ["a", "b"]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [0.1, 0.2])
    assert len(ax.collections) == 2
    (name,) = ax.texts
    assert (name.get_text(), name.get_ha()) == ("zero", "right")
    fall = frame.assign(value=[0.2, 0.1, 0.4, 0.3])
    (ax,) = lines.curves(fall, x="n", y="value", series="line", references={"zero": 0.0}).axes
    assert ax.texts[0].get_ha() == "left"
    (ax,) = lines.agreement(frame, x="value", y="low").axes
    assert len(ax.collections[0].get_offsets()) == 3
    assert "3 points, 1 not scored" in [t.get_text() for t in ax.get_legend().get_texts()]
    for call, said in (
        (lambda: lines.curves(frame[:0], x="n", y="value", series="line"), "no row"),
        (lambda: lines.curves(frame, x="n", y="value", series="line", low="low"), "both low"),
        (lambda: lines.curves(frame, x="m", y="value", series="line"), r"no columns \['m'\]"),
        (lambda: lines.agreement(frame, x="n", y="m"), r"no columns \['m'\]"),
        (lambda: lines.agreement(frame[3:], x="n", y="value"), "no row with both"),
    ):
        with pytest.raises(ValueError, match=said):
            call()


def standings() -> pd.DataFrame:
    rows = [
        ("mixing", "PCA", 0.5, 0.4, 0.6, "candidate", "a"),
        ("mixing", "noise", 0.0, np.nan, np.nan, "floor", None),
        ("recall", "PCA", 0.8, 0.7, 0.9, "candidate", "b"),
    ]
    return pd.DataFrame(rows, columns=["task", "model", "x", "low", "high", "role", "group"])


@pytest.mark.parametrize("n_columns", [2, 3])
def test_titles_of_panels_do_not_run_into_each_other(n_columns):
    long = ["effects saturate, some interact", "effects saturate strongly, few do", "effects add"]
    frame = pd.concat([standings().query("task == 'mixing'").assign(task=name) for name in long])
    figure = panels.side_by_side(
        frame, column="task", row="model", x="x", low="low", high="high", n_columns=n_columns
    )
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = [
        a.title.get_window_extent(canvas.get_renderer()) for a in figure.axes if a.get_visible()
    ]
    assert not [1 for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_a_title_of_two_lines_keeps_them():
    frame = standings().query("task == 'mixing'").assign(task="doubles\neffects add")
    given = dict(column="task", row="model", x="x", low="low", high="high")
    assert panels.side_by_side(frame, **given).axes[0].get_title(loc="left") == frame["task"][0]


def test_panels_keep_rows_and_say_what_is_missing():
    figure = panels.side_by_side(
        standings(), column="task", row="model", x="x", low="low", high="high", note="group",
        references={0.0: "floor", 1.0: "ceiling"}, xlabel="standing", n_columns=2,
    )  # fmt: skip
    left, right = figure.axes
    assert [t.get_text() for t in left.get_yticklabels()] == ["PCA", "noise"]
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["mixing", "recall"]
    drawn = [line.get_xydata().tolist() for line in left.lines if line.get_marker() == "o"]
    assert drawn == [[[0.5, 0.0]]]
    ticks = {t.get_position()[0]: t.get_text() for t in left.get_xticklabels()}
    assert (ticks.pop(0.0), ticks.pop(1.0)) == ("0\nfloor", "1\nceiling")
    assert ticks and all(
        text == f"{value:g}".replace("-", "\N{MINUS SIGN}") for value, text in ticks.items()
    )
    assert [t.get_text() for t in right.texts] == ["b", "not scored"]
    assert right.texts[1].xy[1] == 1
    ticks = {t.get_text() for t in left.get_xticklabels()}
    assert {"0\nfloor", "1\nceiling"} < ticks and "0.4" in ticks  # names take no number away


def test_a_panel_with_other_ends_has_the_lines_and_limits_of_the_others_but_not_their_names():
    frame = standings().assign(x=[0.5, -0.4, 1.3], high=[0.6, np.nan, 1.3])
    figure = panels.side_by_side(
        frame, column="task", row="model", x="x", low="low", high="high", n_columns=2,
        references={0.0: "floor", 1.0: "ceiling"}, unnamed=["mixing"],
    )  # fmt: skip
    for left, right in (figure.axes, figure.for_phone().axes):
        assert left.get_xlim() == right.get_xlim()
        named = [{t.get_text() for t in ax.get_xticklabels()} for ax in (left, right)]
        assert {"0", "1"} < named[0] and not any("\n" in text for text in named[0])
        assert {"0\nfloor", "1\nceiling"} < named[1]
        assert len([line for line in left.lines if line.get_linestyle() == "--"]) == 2


def test_an_axis_is_cut_on_the_left_for_phones_too():
    frame = standings().assign(low=[-7.0, np.nan, 0.7], floor=0.5)
    figure = panels.side_by_side(
        frame, column="task", row="model", x="x", low="low", high="high", line="floor",
        leftmost=-0.1, n_columns=2,
    )  # fmt: skip
    for left, right in (figure.axes, figure.for_phone().axes):
        assert left.get_xlim()[0] == -0.1 < right.get_xlim()[0]


def test_a_row_that_is_not_scored_says_so_where_no_line_crosses_the_words():
    frame = standings().assign(floor=[0.1, 0.1, 0.7])
    ax = Figure().subplots()
    ax.set_xlim(0, 1)
    for places, start in (((), 0.01), ((0.2,), 0.23), ((0.7,), 0.01), ((0.2, 0.4, 0.8), 0.01)):
        draw_absent(ax, 0, places)
        assert ax.texts[-1].xy[0] == pytest.approx(start)
    figure = panels.side_by_side(
        frame, column="task", row="model", x="x", low="low", high="high", references={0.0: "floor"}
    )
    (absent,) = [t for ax in figure.axes for t in ax.texts if t.get_text() == "not scored"]
    assert absent.xy[0] > 0.01 or absent.axes.get_xlim()[0] >= 0


def test_panels_with_a_line_of_their_own_have_axes_of_their_own():
    own = standings().assign(floor=[0.1, 0.1, 0.7])
    figure = panels.side_by_side(
        own, column="task", row="model", x="x", low="low", high="high", line="floor"
    )
    left, right = (ax for ax in figure.axes if ax.get_visible())
    lines = [
        [i.get_xdata()[0] for i in ax.lines if i.get_linestyle() == "--"] for ax in (left, right)
    ]
    assert lines == [[0.1], [0.7]]
    assert left.get_xlim() != right.get_xlim()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.head(0), "no row"),
        (lambda f: f.drop(columns="low"), "no columns"),
        (lambda f: pd.concat([f, f]), "twice"),
        (lambda f: f.assign(role="winner"), "roles"),
    ],
)
def test_panels_name_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        panels.side_by_side(
            change(standings()), column="task", row="model", x="x", low="low", high="high"
        )


def test_cells_lead_elsewhere_and_tables_that_a_reader_may_sort_say_so():
    frame = pd.DataFrame({"paper": ["A & B", "C"], "n": [1, 2]})
    given = {"caption": "Papers", "name": "papers", "links": {"paper": ["a.html", 'b.html"x']}}
    soup = BeautifulSoup(page.table_html(frame, **given, sortable=["paper"]), "html.parser")
    assert [a["href"] for a in soup.select("tbody a")] == ["a.html", 'b.html"x']
    assert soup.select_one("tbody a").text == "A & B"
    assert soup.table["data-sortable"] == "paper"
    assert "data-sortable" not in page.table_html(frame, caption="Papers", name="papers")
    with pytest.raises(ValueError, match="not there"):
        page.table_html(frame, caption="Papers", name="papers", sortable=["year"])


def test_a_table_may_carry_a_small_figure_in_each_row():
    drawn = [
        small.strip({"all <1>": 0.5, "few": 0.0, "none": np.nan}, low=0.25, high=1.0),
        small.strip({"all <1>": np.nan, "few": np.nan}, low=np.nan, high=np.nan),
    ]
    frame = pd.DataFrame({"metric": ["a", "b"], "drf": [0.5, np.nan]})
    given = {"caption": "Card", "name": "card", "drawings": {"drf": drawn}}
    first, second = BeautifulSoup(page.table_html(frame, **given), "html.parser").select("svg")
    assert first["aria-label"] == "all <1> 0.50, few 0.00" and second["aria-label"] == "no value"
    floor, perfect = (float(line["x1"]) for line in first.select("line")[1:3])
    assert float(first.circle["cx"]) == pytest.approx((floor + perfect) / 2, abs=0.1)
    bar, stroke = first.select("line")[4], first.select("line")[3]
    assert float(stroke["x1"]) == floor and float(bar["x2"]) == perfect
    assert len(second.select("line")) == 3 and not second.select("circle")
    # far below the floor it stays in the drawing
    low = BeautifulSoup(small.strip({"a": -9.0}, low=-12.0, high=-7.0), "html.parser")
    assert 0 < float(low.circle["cx"]) < floor
    with pytest.raises(ValueError, match="shorter"):
        page.table_html(frame, caption="Card", name="card", drawings={"drf": drawn[:1]})
    with pytest.raises(ValueError, match="not there"):
        page.table_html(frame, caption="Card", name="card", drawings={"x": drawn})


def test_answers_are_one_block_each_and_escaped():
    frame = pd.DataFrame(
        {"q": ["Is it <b>?"], "a": ["Yes, by 1 & 2."], "to": ["x/a-page.html"], "for": ["these"]}
    )
    columns = {"question": "q", "answer": "a", "link": "to"}
    soup = BeautifulSoup(answers_html(frame, **columns, more=["for"]), "html.parser")
    assert soup.h3.text == "Is it <b>?" and soup.p.text == "Yes, by 1 & 2."
    assert soup.h3.a["href"] == "x/a-page.html"
    assert soup.dd.text == "these"
    short = lines_html(frame.assign(a="Not by A et al. They cannot. Nobody can."), **columns)
    item = BeautifulSoup(short, "html.parser").li
    assert item.a.text == "Is it <b>?" and item.text.endswith("? Not by A et al. They cannot.")
    for shown in (
        lambda f: lines_html(f, **columns),
        lambda f: answers_html(f, **columns, more=[]),
    ):
        with pytest.raises(ValueError, match="no answer to show"):
            shown(frame.iloc[:0])


def test_what_an_answer_says_after_its_first_interval_folds_with_what_would_change_it():
    said = "By X et al. Y leads. It wins by 1 (95 % interval 0 to 2)."
    frame = pd.DataFrame(
        {"q": ["Is it?"], "a": [f"{said} <b> too."], "to": ["a.html"], "if": ["more"]}
    )
    columns = {"question": "q", "answer": "a", "link": "to", "more": []}
    whole = BeautifulSoup(answers_html(frame, **columns), "html.parser")
    assert whole.p.text == f"{said} <b> too." and not whole.select("details")
    frame["a"] = f"{said} Not so in <b>."
    soup = BeautifulSoup(answers_html(frame, **columns, behind=["if"]), "html.parser")
    assert soup.p.text == said.replace("95 % interval ", "") and not soup.details.has_attr("open")
    assert [p.text for p in soup.details.select("p, dt, dd")] == ["Not so in <b>.", "if", "more"]
    assert soup.select_one("section > h3 > a")["href"] == "a.html"  # the link stays in sight
    assert lead("No. Never here.") == ("No. Never here.", "")


def _axes():
    with style():
        figure = Figure()
        ax = figure.subplots()
        ax.plot([0, 1], [0, 1])
    return figure, ax


def test_labels_longer_than_the_drawing_are_broken_and_short_ones_are_left():
    long = (
        "mean over splits of the average precision of planted edges, in linear networks, by arm, "
        "with the scores of all genes that were measured"
    )
    figure, ax = _axes()
    ax.set(xlabel=long, ylabel="short")
    drawn = page.svg(figure, alt="A line from corner to corner.", name="line")
    assert ax.get_xlabel().replace("\n", " ") == long and "\n" in ax.get_xlabel()
    assert ax.get_ylabel() == "short"
    figure.draw_without_rendering()
    box = ax.xaxis.label.get_window_extent()
    assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
    left, _, width, _ = map(float, re.search(r'viewBox="([^"]+)"', drawn)[1].split())
    assert left <= 0 and left + width >= 72 * figure.get_figwidth()


def test_what_reaches_beyond_the_figure_lies_within_the_drawing():
    figure, ax = _axes()
    ax.text(1.0, 0.5, "a label at the end of a line", clip_on=False).set_in_layout(False)
    drawn = page.svg(figure, alt="A line with a label at its end.", name="labelled")
    left, _, width, _ = map(float, re.search(r'viewBox="([^"]+)"', drawn)[1].split())
    end = max(t.get_window_extent().x1 for t in ax.texts) / figure.dpi * 72
    assert left + width >= end > 72 * figure.get_figwidth()


def drawings(figure) -> list:
    markup = page.figure_html(figure, alt="Dots.", name="dots")
    return BeautifulSoup(markup, "html.parser").select("svg")


def test_a_phone_gets_a_drawing_of_its_own_width_with_letters_as_large():
    names = ["a method with a long name, centred", "b", "c"]
    frame = pd.DataFrame(
        {"name": names * 2, "kind": ["one hospital"] * 3 + ["another hospital"] * 3}
    )
    frame = frame.assign(value=0.5, low=0.4, high=0.6)
    figure = intervals.forest(
        frame,
        x="value",
        low="low",
        high="high",
        label="name",
        series="kind",
        xlabel="area under the curve, mean over all diseases, 95 % interval",
    )
    wide, narrow = drawings(figure)
    _, _, width, height = map(float, narrow["viewbox"].split())
    assert width <= 1.1 * 72 * 3.7 and float(wide["viewbox"].split()[2]) > 400
    assert height > float(wide["viewbox"].split()[3])  # the legend stands in rows
    said = [t.get_text() for t in narrow.select("text")]
    assert {"a method with a", "long name, centred", "one hospital", "another hospital"} <= set(
        said
    )
    assert "a method with a long name, centred" in [t.get_text() for t in wide.select("text")]
    assert " ".join(said).count("area under the curve") == 1  # broken anew
    sizes = {re.search(r"[\d.]+px", t["style"])[0] for t in narrow.select("text")}
    assert sizes == {re.search(r"[\d.]+px", t["style"])[0] for t in wide.select("text")}


def test_on_a_phone_names_of_metrics_break_at_underscores():
    names = ["discrimination_cosine", "de_auroc", "a method with a long name"]
    figure = Figure(figsize=(6.9, 2), layout="constrained")
    figure.subplots().set_yticks(range(3), names)
    assert layout.narrow(figure) is not None
    found = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert found == ["discrimination_\ncosine", "de_auroc", "a method with a\nlong name"]


def test_on_a_phone_a_long_title_of_a_panel_takes_several_lines():
    titles = ("short", "average over the samples of a kind")
    rows = [(title, i / 4) for title in titles for i in (1, 2)]
    frame = pd.DataFrame(rows, columns=["panel", "x"]).assign(low=0.1, high=0.9, method="a")
    frame["label"] = "gradient x input, MLP"
    given = dict(x="x", low="low", high="high", label="label", series="method", panel="panel")
    figure = intervals.forest(frame, **given)
    with style():
        assert layout.narrow(figure) is not None
        _, last = figure.axes
        title = last.get_title(loc="left")
        assert title == "average over the samples of\na kind"
        box = last._left_title.get_window_extent()
        assert box.x1 <= 1.1 * figure.bbox.x1 and box.y1 <= figure.axes[0].bbox.y0


def test_on_a_phone_the_label_of_an_axis_ends_below_the_legend():
    figure = Figure(figsize=(6.9, 3.0), layout="constrained")
    ax = figure.subplots()
    drawn = [ax.plot([0, 1], [i, 1])[0] for i in range(5)]
    ax.set_ylabel("difference of the models, in SD over perturbations")
    names = [f"discrimination_{i}" for i in range(5)]
    figure.legend(drawn, names, loc="outside right upper")
    assert layout.narrow(figure) is not None
    (legend,) = figure.legends
    label = ax.yaxis.label.get_window_extent()
    assert label.y0 >= figure.bbox.y0 and label.y1 <= legend.get_window_extent().y0
    assert "\n" in ax.get_ylabel()


def test_panels_side_by_side_pixels_and_many_points_have_one_drawing():
    figure = Figure(layout="constrained")
    figure.subplots(1, 2)
    assert len(drawings(figure)) == 1
    figure = Figure(layout="constrained")
    figure.subplots().imshow(np.eye(3))
    assert len(drawings(figure)) == 1
    figure = Figure(layout="constrained")
    figure.subplots().scatter(np.arange(2_000), np.arange(2_000))
    assert len(drawings(figure)) == 1
    figure = Figure(layout="constrained")  # words that cannot be had in half the width
    figure.subplots().text(0, 0.5, "a sentence that is as wide as the figure, and not broken " * 2)
    assert len(drawings(figure)) == 1


def test_a_verdict_is_said_in_words():
    frame = pd.DataFrame({"model": ["a", "b", "c"], "verdict": ["cannot", "better", None]})
    markup = page.table_html(frame, caption="Models.", name="models")
    cells = [td.get_text() for td in BeautifulSoup(markup, "html.parser").select("td")]
    assert cells == ["cannot say", "better", "n/a"]


def test_panels_stand_below_one_another_on_a_phone_unless_they_are_many():
    def drawn(n_rows: int) -> list:
        frame = pd.DataFrame(
            [
                (f"task {p}", f"a method with a long name, {r}", 0.5, 0.4, 0.6, "candidate")
                for p in range(3)
                for r in range(n_rows)
            ],
            columns=["task", "model", "mean", "low", "high", "role"],
        )
        given = dict(column="task", row="model", x="mean", low="low", high="high")
        return drawings(panels.side_by_side(frame, **given, xlabel="mean " * 20))

    wide, narrow = drawn(4)
    assert float(narrow["viewbox"].split()[2]) <= 1.1 * 72 * 3.7
    assert float(narrow["viewbox"].split()[3]) > 2 * float(wide["viewbox"].split()[3])
    titles = [t for t in narrow.select("text") if t.get_text().startswith("task ")]
    assert [t.get_text() for t in titles] == ["task 0", "task 1", "task 2"]
    heights = [float(t["y"]) for t in titles]
    assert heights == sorted(heights) and len({t["x"] for t in titles}) == 1
    assert len(drawn(21)) == 1


def test_titles_of_tissue_lie_within_the_drawing():
    x, y = np.indices((20, 16)).reshape(2, -1) * 100.0
    frame = pd.DataFrame({"x": x, "y": y, "hidden": x > 800})
    names = ["measured", "adaptive median", "low rank", "latent truth"]
    frame = frame.assign(**dict.fromkeys(names, 1.0))
    drawn = tissue(frame, values=names, hidden="hidden", label="log2")
    (image, *_) = drawings(drawn)
    tops = [float(t["y"]) for t in image.select("text") if t.get_text() in names]
    assert len(tops) == 4 and min(tops) > 10  # letters have ten points


@pytest.mark.parametrize("kind", ["photograph", "points"])
def test_what_is_drawn_as_pixels_is_light_and_shows_the_same(kind, monkeypatch):
    def drawing() -> str:
        rng = np.random.default_rng(0)
        fig, ax = plt.subplots(figsize=(4, 3))
        if kind == "photograph":
            smooth = rng.random((12, 16, 3)).repeat(30, axis=0).repeat(30, axis=1)
            ax.imshow(np.clip(smooth + rng.normal(0, 0.015, smooth.shape), 0, 1))
        else:
            x, y = rng.normal(size=(2, 5000))
            ax.scatter(x, y, s=6, c=[f"C{i % 8}" for i in range(5000)])
        return page.svg(fig, alt="What there is", name="pixels")

    def picture(text: str) -> tuple[np.ndarray, int]:
        (encoded,) = re.findall(r"data:image/[a-z]+;base64,([\w+/=\s]+)", text)
        data = base64.b64decode(encoded)
        found = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"), float) / 255
        return found[..., :3] * found[..., 3:] + 1 - found[..., 3:], len(data)  # on white

    light, size = picture(drawing())
    assert drawing() == drawing()
    with monkeypatch.context() as patch:
        patch.setattr(page, "_light", lambda encoded: f"data:image/png;base64,{encoded}")
        whole, before = picture(drawing())
    assert size < 0.5 * before
    assert np.abs(light - whole).mean() < 0.03
