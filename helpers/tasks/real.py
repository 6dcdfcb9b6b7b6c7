"""A chapter's real screen, and the one context of it that is asked."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from helpers.data import registry
from helpers.data.contexts import one_context
from helpers.data.contract import CONTROL, DataError
from helpers.store.steps import Step
from helpers.tasks import requirements as needs
from helpers.words import Words

FEWEST_CONTROLS = 3  # what typical variation takes, of all batches together

CONTROLLED = needs.Requirement("percent_controlled", 100, "percent of batches with control cells")
"""What centring on the controls of the batch takes, where no screen is at hand to count batches."""


@dataclass(frozen=True)
class RealScreen:
    """A screen of the registry, and one context.

    Parameters
    ----------
    name : str
    screen : Step
        Of all its cells.
    context : str
    sizes : Series of int
        Cells of each context, the largest first.
    n_dims : int
        Of embeddings that are fitted to it: those asked for, or as many as it has genes or cells.
    n_asked : int
        Dimensions that were asked for.
    """

    name: str
    screen: Step
    context: str
    sizes: pd.Series
    n_dims: int
    n_asked: int

    @property
    def part(self):
        """AnnData of the cells of the context."""
        loaded = self.screen.result()
        return loaded[(loaded.obs["context"].astype(str) == self.context).to_numpy()]

    @property
    def label(self) -> Words:
        """Name of the data set, and of the context where there are several."""
        return self.name if len(self.sizes) == 1 else f"{self.name}, {self.context}"

    @property
    def of_context(self) -> Step:
        """The cells of the context, for what asks a screen of one context."""
        if len(self.sizes) == 1:
            return self.screen
        return one_context(self.screen, context=self.context)

    @property
    def said(self) -> Words:
        """Which context is asked, and how another is."""
        few = (
            f" Embeddings have {self.n_dims} dimensions, not {self.n_asked}: it allows no more."
            if self.n_dims < self.n_asked
            else ""
        )
        if len(self.sizes) == 1:
            return f"All cells of {self.name} are of one context, {self.context}.{few}"
        listed = ", ".join(f"{name} ({n:,} cells)" for name, n in self.sizes.items())
        other = next(name for name in self.sizes.index if name != self.context)
        largest = ", the largest" if self.context == self.sizes.index[0] else ""
        return (
            f"{self.name} has {len(self.sizes)} contexts: {listed}. Asked is {self.context}"
            f"{largest}; another is by -p {shlex.quote(f'context={other}')}.{few}"
        )

    def require(
        self,
        question: Words,
        requirements: Iterable[needs.Requirement] = (),
        has: Mapping[str, int] | None = None,
        *,
        controls: bool = True,
    ) -> None:
        """Pass where the context has what a question needs.

        Parameters
        ----------
        question : str
            What cannot be answered, for the page.
        requirements, has
            See `helpers.tasks.requirements.require`.
        controls : bool
            Cells are centred on the controls of their batch, so that each batch needs one.

        Raises
        ------
        CannotAnswer
            It has less, which is said.
        """
        asked, counts = list(requirements), dict(has or {})
        if controls:
            more, there = of_controls(self.part)
            asked, counts = [*asked, *more], counts | there
        needs.require(f"{self.name}, {self.context}: {question}", asked, counts)


def of_controls(part) -> tuple[tuple[needs.Requirement, ...], dict[str, int]]:
    """What centring on controls asks of a screen of one context, and what there is."""
    batch = part.obs["batch"].astype(str)
    is_control = (part.obs["perturbation"] == CONTROL).to_numpy()
    has = {"batches_with_controls": batch[is_control].nunique(), "controls": int(is_control.sum())}
    return (
        needs.Requirement("batches_with_controls", batch.nunique(), "batches with control cells"),
        needs.Requirement("controls", FEWEST_CONTROLS, "control cells"),
    ), has


def controlled(part) -> dict[str, int]:
    """The count that `CONTROLLED` names, of a screen of one context."""
    batch = part.obs["batch"].astype(str)
    is_control = (part.obs["perturbation"] == CONTROL).to_numpy()
    return {"percent_controlled": 100 * batch[is_control].nunique() // batch.nunique()}


def real_screen(name: str, context: str = "", *, n_dims: int = 64) -> RealScreen:
    """A data set and the context that was asked for; unasked, the one with most cells.

    Parameters
    ----------
    name, context : str
    n_dims : int
        Of embeddings that a chapter fits.

    Raises
    ------
    DataError
        There is no such data set or context.
    """
    screen = registry.load(name)
    loaded = screen.result()
    found = loaded.obs["context"].astype(str).value_counts()
    sizes = found.sort_index().sort_values(ascending=False, kind="stable")
    if context and context not in sizes.index:
        raise DataError(
            f"{name} has no context {context!r}; it has {', '.join(map(repr, sizes.index))}"
        )
    most = min(n_dims, *loaded.shape)
    return RealScreen(name, screen, context or sizes.index[0], sizes, most, n_dims)
