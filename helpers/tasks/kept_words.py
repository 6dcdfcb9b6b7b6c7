"""What is said of a result that is kept, and whether it still holds."""

from helpers.store.kept import Kept, LongRun
from helpers.tasks.findings import listed
from helpers.words import Words


def state(found: Kept | None, run: LongRun) -> Words:
    """Whether what is kept of a long run is current, and how it was made."""
    if found is None:
        return f"No result of this run is kept yet: benchbook keep {run.name} makes one."
    record = found.record
    made = (
        f"made by {record['command']} on {record['day']} at commit "
        f"{record['commit'][:12] or 'unknown'} in {record['seconds'] / 60:.0f} minutes of computing"
    )
    if found.changed:
        return (
            f"Outdated: {listed(found.changed)} changed since. The numbers are those of the "
            f"code of then, {made}."
        )
    return f"Kept, {made}; nothing that it stands on has changed since."
