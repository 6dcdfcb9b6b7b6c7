"""Verdicts on published claims, in the words of all tiers."""

SHOWN = "mechanism shown on other data"
NOT_SHOWN = "mechanism not seen on other data"
IN_PART = "shown in part on other data"
BOTH = "both ways on other data"
UNTESTABLE = "not testable here"
