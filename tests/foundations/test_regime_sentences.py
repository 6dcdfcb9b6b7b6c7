"""Does the model of interactions beat a scaled additive one? The sentence, branch by branch."""

import numpy as np
import pandas as pd
import pytest

from helpers.tasks.foundations.regimes import against_scaled


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
