"""Real data of the tier: profiles of samples whose classes are known."""

from helpers.data import registry
from helpers.store.steps import Step
from helpers.tasks.requirements import Requirement, require


def labelled_profiles(name: str, *, n_classes: int = 2) -> Step:
    """A data set of profiles that a classifier can be trained and tested on.

    Parameters
    ----------
    name : str
    n_classes : int
        Classes that the question takes at least.

    Returns
    -------
    Step
        Of an AnnData with `obs["class"]` and `obs["split"]`.

    Raises
    ------
    CannotAnswer
        Fewer classes have samples both to train and to test on.
    """
    data = registry.load(name)
    obs = data.result().obs
    usable = 0
    if {"class", "split"} <= set(obs):
        parts = obs.groupby("class", observed=True)["split"].agg(set)
        usable = sum({"train", "test"} <= part for part in parts)
    needed = Requirement(
        "classes", n_classes, "classes of samples (class and split in obs) to train and to test on"
    )
    require(f"{name}: explanation of a classifier", [needed], {"classes": usable})
    return data
