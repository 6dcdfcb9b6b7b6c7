"""Real drugs and diseases, read once for all tests of the tier."""

import pytest

from helpers.data.contract import check
from helpers.data.drug_matching.matching import check_matching
from helpers.data.fetch import locate
from helpers.data.sets import himmelstein_drug_disease


@pytest.fixture(scope="session")
def paths_of():
    """Of a reader's module, its files; the test is skipped where they are not here."""

    def found(module):
        paths = {file.name: locate(file) for file in module.DATASET.files}
        if None in paths.values():
            pytest.skip(f"{module.DATASET.name} is not here")
        return paths

    return found


@pytest.fixture(scope="session")
def data(paths_of):
    read = himmelstein_drug_disease.read(paths_of(himmelstein_drug_disease))
    return check_matching(check(read, screen=False))
