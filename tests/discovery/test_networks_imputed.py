"""Arms that were filled in: measured ones stay, and true ones help."""

import numpy as np
import pytest

from helpers.data.contract import DataError
from helpers.data.discovery.network_simulator import NetworkKnobs, simulate
from helpers.models.discovery.networks.means import arm_means
from helpers.tasks.discovery import networks_imputed as task
from helpers.tasks.discovery.networks import judged

KNOBS = NetworkKnobs(n_genes=12, n_chains=3, n_controls=200, n_cells=50)
GIVEN = {"share": 0.5, "seed": 0}


@pytest.fixture(scope="module")
def contexts():
    return simulate(KNOBS, 0), simulate(KNOBS, 0, 1)


def precision(found):
    own = found[found["post"] == "as predicted"].set_index("metric")["value"]
    return own["direct_average_precision"]


def test_true_changes_lead_from_half_to_all(contexts):
    data = contexts[0]
    alone = precision(judged.function(data, method="Mean Difference", n_random=1, **GIVEN))
    true = arm_means(data["values"], data["target"]).changes
    full = precision(task.imputed.function(data, true, method="Mean Difference", **GIVEN))
    none = np.full_like(true, np.nan)
    same = precision(task.imputed.function(data, none, method="Mean Difference", **GIVEN))
    assert same == alone < full
    guan = task.imputed.function(data, true, method="GuanLab", **GIVEN)
    assert 0 < precision(guan) <= 1
    with pytest.raises(DataError, match="needs cells"):
        task.imputed.function(data, true, method="NOTEARS", **GIVEN)


def test_a_copy_is_the_other_context_and_a_model_sees_only_measured_arms(contexts):
    data, other = contexts
    copied = task.copied_changes.function(other)
    assert copied.shape == (12, 12) and np.isfinite(copied).all()
    given = GIVEN | {"n_epochs": 2}
    found = task.lpm_changes.function(data, other, **given)
    hidden = dict(data) | {"values": data["values"].copy()}
    unseen = ~task.measured(data, **GIVEN)
    hidden["values"][unseen] = 99  # what is not measured changes nothing
    assert (task.lpm_changes.function(hidden, other, **given) == found).all()
