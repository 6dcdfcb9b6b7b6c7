"""Text for readers, which no result depends on."""

Words = str  # a field annotated so is left out of a step's identity
