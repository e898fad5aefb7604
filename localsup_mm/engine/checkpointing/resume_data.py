"""Going on with the data of a training."""

from typing import Optional

from mmengine.runner import BaseLoop, EpochBasedTrainLoop, IterBasedTrainLoop

from ...upstream import skips_seen_batches
from ..random_states import set_random_states
from .endless_batches import EndlessBatches
from .resumable_data import Place, ResumableLoader

__all__ = ['goes_on_anywhere', 'resume_data']


def resume_data(loop: BaseLoop, states: Optional[dict]) -> None:
    """Let a loop go on with the data and the random states of a checkpoint.

    A loop that draws its data in a way of its own gets the random states now.

    Args:
        loop (BaseLoop): A train loop that was resumed.
        states (dict, optional): Random states of this process; ``data`` is
            its place in the data. None if the checkpoint has none.
    """
    batches = getattr(loop, 'dataloader_iterator', None)
    if isinstance(batches, EndlessBatches) and (
        type(loop).run is IterBasedTrainLoop.run
    ):
        # an option of newer releases of mmengine: the data begin anew
        is_fast = getattr(loop, 'fast_forward_on_resume', False)
        num_iters = 0 if is_fast else loop.iter  # type: ignore[attr-defined]
        batches.resume(num_iters, states, dropped=skips_seen_batches())
    elif states is not None and not _goes_on_within_epoch(loop, states):
        set_random_states(states)


def goes_on_anywhere(loop: BaseLoop) -> bool:
    """Tell whether a loop can be resumed from any iteration.

    Args:
        loop (BaseLoop): A train loop.

    Returns:
        bool: False if it can be from the end of an epoch only.
    """
    if not isinstance(loop, EpochBasedTrainLoop):
        return True
    is_known = isinstance(loop.dataloader, ResumableLoader)
    return is_known and type(loop).run_epoch is EpochBasedTrainLoop.run_epoch


def _goes_on_within_epoch(loop: BaseLoop, states: dict) -> bool:
    data, loader = states.get('data'), loop.dataloader
    if data is None or not isinstance(loader, ResumableLoader):
        return False
    is_hosts = getattr(type(loop), 'run_epoch', None) is (
        EpochBasedTrainLoop.run_epoch
    )
    seen, workers = data['seen'] if is_hosts else 0, data['workers']
    if seen or workers:
        at_first_batch = states if seen else None
        loader.place = Place(seen, None, workers, states, at_first_batch)
    return seen > 0
