"""The error of everything that reads data."""


class DataError(ValueError):
    """Data that cannot be used; the message says what is wrong, where, and what to do."""
