"""Splits of whole slides: spots of one slide are never on two sides."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from helpers.data.contract import DataError


def check_splits(slides: list[str], splits: Mapping[str, str]) -> dict[str, str]:
    """The side of each slide.

    Raises
    ------
    DataError
        A slide without a side, an unknown side, or none to train on.
    """
    if absent := [name for name in slides if name not in splits]:
        raise DataError(f"no side is given for {', '.join(absent)}")
    chosen_sides = {name: splits[name] for name in slides}
    if strange := sorted(set(chosen_sides.values()) - {"train", "val", "test"}):
        raise DataError(f"sides are train, val and test, not {', '.join(strange)}")
    if "train" not in chosen_sides.values():
        raise DataError("no slide is there to train on")
    return chosen_sides


def whole_slides(obs: pd.DataFrame, test: str, *, kind: str) -> dict[str, str]:
    """Sides of a split that holds one slide out.

    Parameters
    ----------
    obs : DataFrame
        `slide` and `patient` of each spot.
    test : str
        The slide that is held out.
    kind : {"within", "between"}
        Whether slides of the same patient may train.

    Returns
    -------
    dict of slide to side
        The last of the others validates, if two are left. Slides that may not train are not named.

    Raises
    ------
    DataError
        An unknown slide, or none is left to train on.
    """
    owner = obs.drop_duplicates("slide").set_index("slide")["patient"].astype(str)
    owner.index = owner.index.astype(str)
    if test not in owner.index:
        raise DataError(f"there is no slide {test!r}: {', '.join(owner.index)}")
    others = [s for s in owner.index if s != test]
    if kind == "between":
        others = [s for s in others if owner[s] != owner[test]]
    elif kind != "within":
        raise DataError(f"kind is {kind!r}; it is within or between")
    if not others:
        raise DataError(f"no slide is left to train on where {test} is held out ({kind} patients)")
    sides = dict.fromkeys(others, "train")
    if len(others) > 1:
        sides[others[-1]] = "val"
    return sides | {test: "test"}
