"""The large perturbation model: whole profiles against scalar rows, and against strings."""

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks import fastest, row
from helpers.models.discovery.large_perturbation_model import (
    PUBLISHED,
    LargePerturbationModel,
)

N_CONTEXTS, N_PERTURBATIONS, N_READOUTS = 102, 10_000, 978  # LINCS, as released
N_PROFILES = 10


class Released(LargePerturbationModel):
    """The network with torch's dropout, a number drawn for each unit, as released."""

    def active(self, x):
        """relu, then dropout, in two passes."""
        return F.dropout(F.relu(x), self.size.dropout, self.training)


class AsReleased:
    """Scalar batches of strings, encoded anew for each batch: perturblib 9e79ae3, `plibdata.py`.

    A batch of the table is cut out by position, perturbations are split at "+", each symbol is
    looked up, and offsets of the bags are made.
    """

    def __init__(self, net, context, perturbation, readout, value):
        import pandas as pd

        self.net, self.frame = (
            net,
            pd.DataFrame(
                {
                    "context": context,
                    "perturbation": perturbation,
                    "readout": readout,
                    "value": value,
                }
            ),
        )
        self.codes = [
            {name: i for i, name in enumerate(names)}
            for names in (
                [f"HumanCellLine_{i}_L1000_LINCS" for i in range(N_CONTEXTS)],
                [f"compound-{i}-10uM" for i in range(N_PERTURBATIONS)],
                [f"Transcriptome_G{i}" for i in range(N_READOUTS)],
            )
        ]

    def batch(self, rows):
        part = self.frame.iloc[rows]
        contexts, perturbations, readouts = self.codes
        c = torch.tensor([contexts[name] for name in part["context"]])
        split = [name.split("+") for name in part["perturbation"]]
        p = torch.tensor([[perturbations[one] for one in own] for own in split])
        r = torch.tensor([readouts[name] for name in part["readout"]])
        return c, p, r, torch.tensor(part["value"].to_numpy())


def passes(net, batches, **adamw) -> None:
    """Forward, loss and backward of each batch, and a step of AdamW."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=0.002, **adamw)
    for found, value in batches:
        loss = ((found() - value) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def run() -> list[dict]:
    """Training on ten profiles of LINCS: ours, scalar rows of integers, and of strings.

    Ours steps with the fused optimiser and draws dropout by bytes, the others with torch's
    optimiser and dropout, as released.
    """
    rng, size = np.random.default_rng(0), PUBLISHED["lincs_paper_lpm"]
    torch.manual_seed(0)
    ours, net = (
        kind(N_CONTEXTS, N_PERTURBATIONS, N_READOUTS, size).train()
        for kind in (LargePerturbationModel, Released)
    )
    context = torch.from_numpy(rng.integers(N_CONTEXTS, size=N_PROFILES))
    components = torch.from_numpy(rng.integers(N_PERTURBATIONS, size=(N_PROFILES, 1)))
    values = torch.from_numpy(rng.standard_normal((N_PROFILES, N_READOUTS)).astype(np.float32))
    i, j = (torch.from_numpy(part) for part in np.indices(values.shape).reshape(2, -1))
    order = torch.randperm(len(i))
    i, j = i[order], j[order]
    readout = torch.arange(N_READOUTS)

    def factored():
        passes(
            ours,
            (
                (lambda k=k: ours.profiles(context[k], components[k], readout), values[k])
                for k in torch.arange(N_PROFILES).split(1)
            ),
            fused=True,
        )

    def scalar():
        rows = zip(i.split(size.batch), j.split(size.batch), strict=True)
        passes(
            net,
            ((lambda a=a, b=b: net(context[a], components[a], b), values[a, b]) for a, b in rows),
        )

    released = AsReleased(
        net,
        [f"HumanCellLine_{c}_L1000_LINCS" for c in context[i].tolist()],
        [f"compound-{p}-10uM" for p in components[i, 0].tolist()],
        [f"Transcriptome_G{r}" for r in j.tolist()],
        values[i, j].numpy(),
    )

    def strings():
        def batches():
            for rows in torch.arange(len(i)).split(size.batch):
                c, p, r, y = released.batch(rows.numpy())
                yield (lambda c=c, p=p, r=r: net(c, p, r)), y

        passes(net, batches())

    seconds, _ = fastest(factored, 3)
    plain, _ = fastest(scalar, 3)
    named, _ = fastest(strings, 3)
    return [
        row(
            "LPM, training on whole profiles / scalar rows, LINCS",
            seconds,
            plain,
            2.0,
            "the second layer, which both forms need, and AdamW over all tables",
        ),
        row(
            "LPM, training on whole profiles / strings encoded by batch, LINCS",
            seconds,
            named,
            10.0,
            "products of ours alone take more than a tenth of it, however symbols are encoded",
        ),
    ]
