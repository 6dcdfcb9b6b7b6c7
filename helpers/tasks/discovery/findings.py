"""What the tier answers: experiments that were not done, functions, mechanisms and networks."""

from helpers.tasks.discovery import gene_function_report, mechanisms_report, network_findings
from helpers.tasks.discovery.claims import FUNCTION, MECHANISM, PAIRS, SCALING, claims
from helpers.tasks.discovery.unseen_pairs import WORLDS
from helpers.tasks.discovery.unseen_pairs_report import against_lpm, chosen
from helpers.tasks.discovery.unseen_pairs_report import in_short as about_pairs
from helpers.tasks.findings import Finding, Ledger
from helpers.tasks.requirements import CannotAnswer


def model_or_copy(tables, *, n_resamples: int, seed: int) -> str:
    """Whether a large perturbation model predicts an unseen pair better than a copy."""
    table = tables[PAIRS]
    own = chosen(table[table["task"] == "unseen-pairs"], "profile_pearson_centred")
    if own.empty:
        raise CannotAnswer("no covered pair was scored")
    return about_pairs(against_lpm(own, seed=seed, n_resamples=n_resamples), list(WORLDS))


def model_or_components(tables, *, n_resamples: int, seed: int) -> str:
    """Whether vectors of the model show functions better than components of profiles."""
    pairs = gene_function_report.against_control(
        tables[FUNCTION], seed=seed, n_resamples=n_resamples
    )
    return gene_function_report.in_short(pairs)


def compound_or_gene(tables, *, n_resamples: int, seed: int) -> str:
    """Whether inhibitors are opposite to the over-expression of their target, on real data."""
    table = tables[MECHANISM]
    real = table[(table["split"] == "gene") & (table["metric"] == "target_percentile")]
    if real.empty:
        raise CannotAnswer("no real compound was scored")
    pairs = mechanisms_report.against_random(real, seed=seed, n_resamples=n_resamples)
    return mechanisms_report.about_gene(mechanisms_report.real_means(real), pairs)


FINDINGS = (
    Finding(
        "What would a perturbation do in cells in which it was not done?",
        PAIRS,
        (PAIRS,),
        model_or_copy,
        "simulated tensors of two kinds, pairs whose parts were both seen; a small model, trained "
        "on whole profiles",
        "a real table of many perturbations in several contexts; larger networks",
        front=True,
    ),
    Finding(
        "Does a model of a screen know the function of genes better than the screen itself?",
        FUNCTION,
        (FUNCTION,),
        model_or_components,
        "planted functions in a simulated tensor; a small model, trained on whole profiles",
        "a real screen with labels that came from elsewhere; larger networks",
    ),
    Finding(
        "Does a compound find the gene that it hits?",
        MECHANISM,
        (MECHANISM,),
        compound_or_gene,
        "consensus signatures of compounds and of over-expressed genes (L1000)",
        "signatures by cell line, knock-outs in place of over-expression",
    ),
    *network_findings.FINDINGS,
)
CLAIMS = (
    Ledger(
        "Miladinovic et al. 2025 (LPM)",
        "discovery/claims",
        (PAIRS, FUNCTION, MECHANISM, SCALING),
        claims,
    ),
    *network_findings.CLAIMS,
)
