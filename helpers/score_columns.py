"""Columns of the score table, and what they mean."""

COLUMNS = {
    "task": str,
    "dataset": str,
    "split": str,
    "protocol": str,
    "model": str,
    "params": str,  # canonical JSON
    "post": str,
    "metric": str,
    "role": str,
    "unit_kind": str,  # what a row scores: perturbation, batch, gene, ...
    "unit": str,
    "cluster": str,  # what is resampled together
    "seed": int,
    "n": int,  # observations behind the value
    "value": float,
}

MEANINGS = {
    "task": "what is asked of a model; each has a chapter",
    "dataset": "data the score was made on; simulated ones say so",
    "split": "which part of the data is scored",
    "protocol": "published: the choices of the paper's code; revised: ours",
    "model": "what is scored, or the floor or ceiling",
    "params": "parameters of the model and read-out, as JSON",
    "post": "post-processing of the embedding",
    "metric": "what the value measures",
    "role": "candidate, floor (knows nothing), ceiling (knows the truth), reported (from a paper)",
    "unit_kind": "what one row scores: a perturbation, a batch, a gene, ...",
    "unit": "the name of that one thing",
    "cluster": "rows of one cluster are resampled together",
    "seed": "root of all random numbers",
    "n": "observations behind the value",
    "value": "the score; empty where it could not be scored",
}
"""What each column holds: the dictionary of the download."""
