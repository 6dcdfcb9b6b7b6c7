"""One context of a screen."""

from helpers.data.errors import DataError
from helpers.store.steps import step


@step
def one_context(screen, *, context: str):
    """Cells of one context of a screen.

    Raises
    ------
    DataError
        The screen has no such context.
    """
    obs = screen.obs
    chosen = (obs["context"] == context).to_numpy()
    if not chosen.any():
        raise DataError(
            f"no cell of context {context!r} (contexts: "
            f"{', '.join(sorted(map(str, obs['context'].unique())))})"
        )
    part = screen[chosen].copy()
    for column in part.obs.select_dtypes("category"):
        part.obs[column] = part.obs[column].cat.remove_unused_categories()
    return part
