"""Profiles of single cells: both preprocessings, against a group-by and against scanpy."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from helpers.data.discovery.screen_profiles import screen_profiles
from helpers.data.errors import DataError


def screen(n=240, genes=30):
    rng = np.random.default_rng(0)
    depth = np.exp(rng.normal(0, 0.4, (n, 1)))
    x = rng.poisson(depth * np.linspace(0.2, 6, genes))
    obs = pd.DataFrame(
        {
            "perturbation": rng.choice(["control", "A", "B", "A+B"], n),
            "batch": rng.choice(["1", "2"], n),
            "context": np.repeat(["x", "y"], n // 2),
        },
        index=[f"c{i}" for i in range(n)],
    )
    x[:, -1] = 0  # never seen: no deviation
    x[:, 0] += 1
    var = pd.DataFrame(index=[f"G{i:02}" for i in range(genes)])
    scale = {"kind": "counts", "target_sum": None}
    return ad.AnnData(x.astype(np.float32), obs=obs, var=var, uns={"scale": scale})


def test_z_normalised_profiles_are_those_of_a_loop_over_groups():
    data = screen()
    found = screen_profiles(data, preprocessing="z-normalised", kind="CRISPRi")
    x, obs = data.X.astype(float), data.obs
    for i, (context, name) in enumerate(zip(found.context, found.perturbation, strict=True)):
        here = (obs["context"] == context).to_numpy()
        size = x.sum(axis=1)
        rows = []
        for cell in np.flatnonzero(here):
            own = obs["perturbation"].iloc[cell]
            symbol = {"control": "Control", "A+B": "CRISPRi_A+CRISPRi_B"}.get(own, f"CRISPRi_{own}")
            if symbol != name:
                continue
            null = here & (obs["batch"] == obs["batch"].iloc[cell]).to_numpy()
            null &= (obs["perturbation"] == "control").to_numpy()
            scaled = x / size[:, None] * np.median(size[here])
            z = (scaled[cell] - scaled[null].mean(axis=0))[:-1] / scaled[null].std(axis=0)[:-1]
            rows.append([*z, 0.0])
        assert np.allclose(found.value[i], np.mean(rows, axis=0), atol=1e-5)
    assert len(found) == 8 and found.mask.all() and found.readout[0] == "Transcriptome_G00"


def test_log_normalised_profiles_are_scanpys_with_genes_of_each_context():
    import scanpy as sc

    data = screen()
    found = screen_profiles(data, preprocessing="log-normalised", n_genes=10)
    for context in ("x", "y"):
        peer = data[data.obs["context"] == context].copy()
        sc.pp.normalize_total(peer)
        sc.pp.log1p(peer)
        sc.pp.highly_variable_genes(peer, n_top_genes=10)
        peer = peer[:, peer.var["highly_variable"]]
        frame = pd.DataFrame(peer.X, columns=peer.var_names)
        frame = frame.groupby(peer.obs["perturbation"].to_numpy()).mean()
        expected = frame - frame.loc["control"]
        own = found.of_context(context).dropna(axis=1)
        assert own.columns.tolist() == [f"Transcriptome_{g}" for g in peer.var_names]
        assert np.allclose(own.loc["A+B"], expected.loc["A+B"], atol=1e-5)
        assert np.allclose(own.loc["Control"], 0, atol=1e-6)
    whole = screen_profiles(data, preprocessing="log-normalised", n_genes=99)
    assert whole.mask.all() and whole.value.shape == (8, 30)


def test_what_is_refused():
    data = screen()
    with pytest.raises(DataError, match="preprocessing is 'raw'; z-normalised or log-normalised"):
        screen_profiles(data, preprocessing="raw")
    few = data[~((data.obs["context"] == "y") & (data.obs["perturbation"] == "control"))].copy()
    with pytest.raises(DataError, match="y: no cell is a 'control'"):
        screen_profiles(few, preprocessing="log-normalised")
    few = data[~((data.obs["batch"] == "2") & (data.obs["perturbation"] == "control"))].copy()
    with pytest.raises(DataError, match="batch '2' has 0 controls"):
        screen_profiles(few, preprocessing="z-normalised")
    few = data.copy()
    few.uns["scale"] = {"kind": "log1p", "target_sum": 1e4}
    with pytest.raises(DataError, match="counts are needed"):
        screen_profiles(few, preprocessing="log-normalised")
