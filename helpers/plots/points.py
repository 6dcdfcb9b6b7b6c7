"""Points in a plane, one panel for each way to colour them."""

import pandas as pd
from matplotlib.figure import Figure

from helpers.plots.parts import check_columns
from helpers.plots.style import WIDTH, series_colours, style


@style()
def points(frame: pd.DataFrame, *, x: str, y: str) -> Figure:
    """Points coloured by each of the other columns.

    Parameters
    ----------
    frame : DataFrame
        One row a point; each column other than `x` and `y` is a panel, of at most six names.
    x, y : str
        Columns whose units mean nothing: axes have no numbers.

    Raises
    ------
    ValueError
        No row, a missing column, no column of colours, or too many names in one.
    """
    import seaborn as sns

    check_columns("points", frame, x, y)
    panels = frame.columns.drop([x, y])
    if not len(panels):
        raise ValueError("points: no column says how points are coloured")
    figure = Figure(figsize=(WIDTH, 3.2 * len(panels)))
    for ax, column in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
        names = sorted(frame[column].unique())
        shuffled = frame.sample(frac=1, random_state=0)  # so that no group lies over the others
        sns.scatterplot(
            shuffled,
            x=x,
            y=y,
            hue=column,
            hue_order=names,
            palette=series_colours(len(names)),
            s=6,
            linewidth=0,
            ax=ax,
        )
        ax.set(xticks=[], yticks=[], xlabel="", ylabel="")
        ax.legend(title=column, loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2)
    return figure
