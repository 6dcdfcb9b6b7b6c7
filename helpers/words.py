"""Text for readers, which no result depends on."""

Words = str
# A field annotated with it holds words: they are left out of the identity of steps, as are the
# texts of errors, docstrings, and what a function that returns Words says.
