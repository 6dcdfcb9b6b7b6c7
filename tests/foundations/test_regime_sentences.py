"""Does the model of interactions beat a scaled additive one? The sentence, branch by branch."""

import anndata
import numpy as np
import pandas as pd
import pytest

from helpers.tasks.foundations.regimes import FEWEST_PAIRS, against_scaled, in_short, of_real


@pytest.mark.parametrize(
    ("gain", "says"),
    [
        (0.2, "the scaled additive model loses to the model of interactions (errors 0.5"),
        (-0.2, "the scaled additive model wins, though it knows of no interaction (errors 0.5"),
        (0.0, "the scaled additive model and that of interactions cannot be told apart"),
    ],
)
def test_each_verdict_has_its_sentence(gain, says):
    noise = 0.02 * np.random.default_rng(0).standard_normal(30)
    table = pd.DataFrame({"scaled additive": 0.5, "program interaction": 0.5 - gain + noise})
    table["program interaction"] -= noise.mean()
    other = table.assign(**{"program interaction": 9.0})
    errors = {("bent", 1): table[:15], ("bent", 2): table[15:], ("plain", 1): other}
    assert against_scaled(errors, "bent").startswith(f"in the regime bent {says}")


@pytest.mark.parametrize(
    ("bent", "plain", "says"),
    [
        (0.2, 0.0, "Yes, where effects are bent. The error"),
        (0.0, -0.2, "It is not shown. The error"),
        (-0.2, 0.0, "It is not shown. The error"),
        (0.2, 0.2, "No: a gain is seen also where effects add. The error"),
    ],
)
def test_the_answer_asks_for_a_gain_where_there_is_one_and_for_none_where_effects_add(
    bent, plain, says
):
    noise = 0.02 * np.random.default_rng(0).standard_normal(30)
    errors = {
        (name, 1): pd.DataFrame(
            {"scaled additive": 0.5, "program interaction": 0.5 - gain + noise - noise.mean()}
        )
        for name, gain in (("plain", plain), ("bent", bent))
    }
    said = in_short(errors, "plain")
    assert said.startswith(says) and "(plain) and " in said and said.endswith("(bent).")


def test_what_a_real_screen_lacks_for_its_regime_is_counted():
    def holding(n):
        single = [f"G{i}" for i in range(n + 1)]
        names = single + [f"G{i}+G{i + 1}" for i in range(n)]
        obs = pd.DataFrame({"perturbation": names}, index=names)
        return anndata.AnnData(np.zeros((len(names), 1)), obs=obs)

    few = of_real(holding(FEWEST_PAIRS - 1), "mine")
    assert few.startswith("The regime of mine cannot be answered: the models have to be told the")
    assert few.endswith("were also perturbed alone: 7, where at least 8 are needed.")
    many = of_real(holding(FEWEST_PAIRS), "mine")
    assert many.endswith("were also perturbed alone: 8.")
