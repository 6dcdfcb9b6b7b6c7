"""Drugs and diseases over gene programs, with indications that follow reversal or something else.

A knob, `reversal`, leads from pure reversal (1) to a relation that is as learnable, but is none
(0): a drug then treats a disease whose programs it moves *one program further*, in their own
direction. What is planted (activities, affinity, the shift of programs) is returned beside the
data.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import false_discovery_control, norm

from helpers.data.contract import DataError
from helpers.store.steps import step

MOST_ADJUSTED_P = 0.3
"""Genes of a contrast with a larger adjusted p count as unchanged (as in DGEM-NN)."""


@dataclass(frozen=True, kw_only=True)
class MatchingKnobs:
    """Knobs of `simulated_matching`.

    Parameters
    ----------
    reversal : float in [0, 1]
        rho: weight of reversal in the affinity of drug and disease.
    n_genes, n_programs, genes_per_program
    n_diseases, n_drugs
    n_contrasts : int
        A disease has 1 to so many.
    n_signatures : int
        Of each drug.
    noise_contrast, noise_signature : float
        Standard deviation, in units of a program's loading.
    n_indications : float
        Mean of the Poisson number of drugs that treat a disease; at least 2 are drawn.
    family : int
        Drugs that share their programs (analogues).
    siblings : int
        Diseases that share their programs.
    drug_offset : float
        Standard deviation of what a drug adds to its affinity with *every* disease: 0 in the
        published design, above it some drugs are popular whatever the disease.
    n_samples : int
        Cases, and as many controls, behind each contrast; 0 keeps none.

    Raises
    ------
    DataError
        A knob out of range.
    """

    reversal: float = 1.0
    n_genes: int = 2_000
    n_programs: int = 30
    genes_per_program: int = 40
    n_diseases: int = 68
    n_drugs: int = 300
    n_contrasts: int = 4
    n_signatures: int = 4
    noise_contrast: float = 0.6
    noise_signature: float = 1.0
    n_indications: float = 9.0
    family: int = 1
    siblings: int = 1
    drug_offset: float = 0.0
    n_samples: int = 0

    def __post_init__(self) -> None:
        found = []
        if not 0 <= self.reversal <= 1:
            found.append(f"reversal is {self.reversal}; in [0, 1]")
        if self.genes_per_program > self.n_genes or self.n_programs < 6:
            found.append(
                f"{self.n_programs} programs of {self.genes_per_program} genes among "
                f"{self.n_genes}; at least 6 programs, each within the genes"
            )
        counts = ("n_diseases", "n_drugs", "n_contrasts", "n_signatures", "family", "siblings")
        found += [f"{name} is {getattr(self, name)}" for name in counts if getattr(self, name) < 1]
        if self.n_samples == 1 or self.n_samples < 0:
            found.append(f"n_samples is {self.n_samples}; 0, or at least 2 a group")
        if min(self.noise_contrast, self.noise_signature) <= 0 or self.drug_offset < 0:
            found.append("noise is above 0, drug_offset at least 0")
        if found:
            raise DataError("matching simulation: " + "; ".join(found))


@step
def simulated_matching(*, seed: int, knobs: dict) -> dict[str, np.ndarray]:
    """Draw drugs, diseases and their indications; see `simulate`."""
    return simulate(MatchingKnobs(**knobs), seed)


def simulate(knobs: MatchingKnobs, seed: int) -> dict[str, np.ndarray]:
    """Draw a data set.

    Parameters
    ----------
    knobs : MatchingKnobs
    seed : int

    Returns
    -------
    dict of ndarray
        Data: `contrasts` (n_contrasts, n_genes; log fold changes, 0 where the adjusted p is
        `MOST_ADJUSTED_P` or more), `disease_of` (n_contrasts,), `signatures` (n_signatures,
        n_genes), `drug_of` (n_signatures,), `treats` (n_drugs, n_diseases; bool), `family`
        (n_drugs,), `sibling` (n_diseases,), and with samples `controls`, `cases` (n_contrasts,
        n_samples, n_genes).
        Truth: `programs` (n_programs, n_genes), `disease_activity` (n_diseases, n_programs),
        `drug_activity` (n_drugs, n_programs), `shift` (n_programs,; the drug's program that
        answers a disease's), `affinity` (n_drugs, n_diseases).
    """
    k, rng = knobs, np.random.default_rng(seed)
    programs = np.zeros((k.n_programs, k.n_genes))
    for row in programs:
        genes = rng.choice(k.n_genes, k.genes_per_program, replace=False)
        row[genes] = rng.standard_normal(k.genes_per_program)
    sibling = np.arange(k.n_diseases) // k.siblings
    disease = _activities(sibling[-1] + 1, k.n_programs, 2, 5, rng)[sibling]
    family = np.arange(k.n_drugs) // k.family
    drug = _activities(family[-1] + 1, k.n_programs, 1, 3, rng)[family]
    if k.family > 1:  # near each other, and not the same
        drug = drug * rng.uniform(0.7, 1.3, drug.shape)
    if k.siblings > 1:
        disease = disease * rng.uniform(0.7, 1.3, disease.shape)
    shift = np.roll(np.arange(k.n_programs), -1)
    affinity = -k.reversal * drug @ disease.T + (1 - k.reversal) * drug[:, shift] @ disease.T
    offset = k.drug_offset * rng.standard_normal(k.n_drugs)
    affinity = affinity + offset[:, None]
    treats = _indications(affinity, k.n_indications, rng)
    found = {
        **_contrasts(disease, programs, k, rng),
        **_signatures(drug, programs, k, rng),
        "treats": treats,
        "family": family,
        "sibling": sibling,
        "programs": programs,
        "disease_activity": disease,
        "drug_activity": drug,
        "shift": shift,
        "affinity": affinity,
    }
    return found


def _activities(n: int, n_programs: int, least: int, most: int, rng) -> np.ndarray:
    """(n, n_programs): some programs of each, of either sign and a size of 0.7 to 1.5."""
    activity = np.zeros((n, n_programs))
    for row in activity:
        own = rng.choice(n_programs, rng.integers(least, most + 1), replace=False)
        row[own] = rng.choice([-1, 1], len(own)) * rng.uniform(0.7, 1.5, len(own))
    return activity


def _indications(affinity: np.ndarray, mean: float, rng) -> np.ndarray:
    """The drugs with the highest positive affinity of each disease."""
    treats = np.zeros(affinity.shape, dtype=bool)
    for i, column in enumerate(affinity.T):
        n = max(2, rng.poisson(mean))
        best = np.argsort(-column, kind="stable")[:n]
        treats[best[column[best] > 0], i] = True
    return treats


def _contrasts(disease, programs, k: MatchingKnobs, rng) -> dict[str, np.ndarray]:
    of = np.repeat(np.arange(k.n_diseases), rng.integers(1, k.n_contrasts + 1, k.n_diseases))
    change = disease[of] @ programs
    change = change + k.noise_contrast * rng.standard_normal(change.shape)
    p = 2 * norm.sf(np.abs(change) / k.noise_contrast)
    kept = false_discovery_control(p, axis=1) < MOST_ADJUSTED_P
    found = {"contrasts": np.where(kept, change, 0).astype(np.float32), "disease_of": of}
    if k.n_samples:
        # samples scatter so that a difference of means has the noise of a contrast, which it is
        spread = k.noise_contrast * np.sqrt(k.n_samples / 2)
        level = rng.normal(8, 2, k.n_genes)
        for name, mean in (("controls", 0 * change), ("cases", change)):
            noise = spread * rng.standard_normal((len(of), k.n_samples, k.n_genes))
            noise -= noise.mean(axis=1, keepdims=True)
            found[name] = (level + mean[:, None] + noise).astype(np.float32)
    return found


def _signatures(drug, programs, k: MatchingKnobs, rng) -> dict[str, np.ndarray]:
    of = np.repeat(np.arange(k.n_drugs), k.n_signatures)
    shown = rng.random((len(of), k.n_programs)) >= 0.2  # a fifth of the programs does not respond
    strength = rng.uniform(0.5, 2, (len(of), 1))
    values = strength * (drug[of] * shown) @ programs
    values = values + k.noise_signature * rng.standard_normal(values.shape)
    return {"signatures": values.astype(np.float32), "drug_of": of}
