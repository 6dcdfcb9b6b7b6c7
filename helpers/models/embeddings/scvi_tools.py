"""scVI as the users of scvi-tools train it: `scvi.model.SCVI` with its defaults.

For holding the book's short training (`helpers.models.embeddings.scvi`) against what is usual.
"""

import numpy as np

from helpers.models.reproducible import reproducible
from helpers.store.steps import step


@step
def scvi_tools_fit(
    screen, *, seed: int, n_latent: int = 10, max_epochs: int | None = None
) -> dict[str, np.ndarray]:
    """Fit `scvi.model.SCVI` by its defaults with early stopping, and keep the latent means.

    Parameters
    ----------
    screen : AnnData of counts, shape (n_cells, n_genes), with `obs["batch"]`
    seed : int
    n_latent : int
        Its default is 10.
    max_epochs : int, optional
        Default: its heuristic, 400 epochs, fewer above 20,000 cells. Training ends earlier when
        the evidence lower bound of validation cells has not improved for 45 epochs.

    Returns
    -------
    dict of arrays
        `latent` (n_cells, n_latent), float32; `n_epochs`, trained; `validation_elbo`, the last
        negative evidence lower bound in nats a cell, lower is better.
    """
    import logging
    import warnings

    import scvi

    cells = screen.copy()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with reproducible(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of loaders without workers, and of counts as floats
        scvi.settings.seed = seed
        scvi.model.SCVI.setup_anndata(cells, batch_key="batch")
        model = scvi.model.SCVI(cells, n_latent=n_latent)
        model.train(
            max_epochs=max_epochs,
            early_stopping=True,
            accelerator="cpu",
            enable_progress_bar=False,
        )
        latent = model.get_latent_representation()
    elbo = model.history["elbo_validation"].iloc[:, 0].to_numpy(dtype=float)
    return {
        "latent": latent.astype(np.float32),
        "n_epochs": np.array(len(model.history["elbo_train"])),
        "validation_elbo": np.array(elbo[-1] if len(elbo) else np.nan),
    }


@step
def scvi_tools_latent(fit) -> np.ndarray:
    """The latent means (n_cells, n_latent) of `scvi_tools_fit`."""
    return fit["latent"]
