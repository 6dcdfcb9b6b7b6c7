"""Text for readers, which no result depends on."""

Words = str
# A name or field annotated with it holds words: they are left out of the identity of steps, as are
# docstrings, the texts of errors, and what a function that returns Words says.
