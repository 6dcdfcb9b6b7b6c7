"""What the tier answers: experiments that were not done, functions, mechanisms and networks."""

from helpers.tasks.discovery import network_findings

FINDINGS = (*network_findings.FINDINGS,)
CLAIMS = (*network_findings.CLAIMS,)
