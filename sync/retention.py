"""What every receiver is done with, so that the collector may forget it. Pure."""

from collections.abc import Mapping, Sequence

from edge.epochs import Epoch
from sync.status import UplinkStatus


def done(
    epochs: Sequence[Epoch],
    configured: Sequence[str],
    uplinks: Sequence[UplinkStatus],
    quarantined: Mapping[str, int],
) -> Mapping[str, int]:
    """By epoch the seq through which nobody needs anything any more; 0 where somebody needs all of it.

    `epochs` is oldest first, `quarantined` the first seq in quarantine by epoch. An uplink that was never
    heard of needs everything, and so does nobody: without an uplink facts are kept for the one that comes.
    """
    order = {one.epoch: number for number, one in enumerate(epochs)}
    known = {one.uplink: one for one in uplinks}
    found: dict[str, int] = {}
    for number, epoch in enumerate(epochs):
        limits = [quarantined[epoch.epoch] - 1] if epoch.epoch in quarantined else []
        for name in configured:
            at = known.get(name)
            place = order.get(at.epoch, -1) if at is not None else -1
            if at is None or place < number:
                limits.append(0)
            elif place > number:
                limits.append(epoch.head)
            else:
                # The cursor finds the journal that follows by the one it stands in: that one stays whole.
                aside = number < len(epochs) - 1
                limits.append(min(at.seq, epoch.head - 1) if aside else at.seq)
        found[epoch.epoch] = min(limits) if configured else 0
    return found
