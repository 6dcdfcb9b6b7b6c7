"""Diseases that are so near each other that a drug of one tells of the other.

Typed by hand by the names of their common parents in the Disease Ontology (Schriml et al. 2012;
release of the data's time, 2015-2016), not computed from a release of it: a reader who draws the
line elsewhere changes a line here, and the hash of the frozen split changes with it.
"""

SIBLINGS: dict[str, tuple[str, ...]] = {
    # parent: members
    "inflammatory bowel disease (DOID:0050589)": ("DOID:8778", "DOID:8577"),
    "diabetes mellitus (DOID:9351)": ("DOID:9744", "DOID:9352"),
    "substance dependence (DOID:9973)": ("DOID:0050741", "DOID:0050742"),
    "obstructive lung disease (DOID:2320)": ("DOID:2841", "DOID:3083"),
    "arthritis (DOID:848)": ("DOID:7148", "DOID:7147", "DOID:9008"),
    "psoriasis and its arthritis": ("DOID:8893", "DOID:9008"),
    "allergic disease (DOID:1205)": ("DOID:4481", "DOID:3310", "DOID:2841"),
    "arteriosclerosis and its sites": ("DOID:1936", "DOID:3393"),
    "psychotic and bipolar disorder": ("DOID:3312", "DOID:5419"),
    "cancer (DOID:162)": (
        *("DOID:10283", "DOID:1324", "DOID:1612", "DOID:1793", "DOID:1909", "DOID:219"),
        *("DOID:2394", "DOID:2531", "DOID:263"),
    ),
}
"""Parent and members; chains of groups become one."""


def sibling_keys(disease: str) -> set[str]:
    """Parents under which a disease stands here."""
    return {parent for parent, members in SIBLINGS.items() if disease in members}
