"""What gene networks answer, and the claims about them."""

FINDINGS = ()
CLAIMS = ()
