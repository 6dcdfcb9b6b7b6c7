from helpers.store.disk import StoreError  # noqa: F401
from helpers.store.steps import Step, StepFunction, results, step  # noqa: F401
