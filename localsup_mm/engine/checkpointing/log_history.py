"""The history of what is logged, of bounded length."""

from mmengine.runner import Runner

__all__ = ['bound_log_history']


def bound_log_history(runner: Runner, length: int) -> None:
    """Let a training remember no more of its log than it will look at.

    mmengine keeps a million values of each scalar: it copies them in each
    iteration, and all of them lie in each checkpoint.

    Args:
        runner (Runner): The runner. What its ``log_processor`` averages over
            more values, an epoch or the whole run is not bounded.
        length (int): How many values of each scalar are kept.
    """
    settings = getattr(runner.log_processor, 'custom_cfg', ())
    windows = [(s['data_src'], s.get('window_size')) for s in settings]
    unbounded = {
        source
        for source, window in windows
        if isinstance(window, str) or (window or 0) > length
    }
    length = max(length, getattr(runner.log_processor, 'window_size', 0))
    for key, history in runner.message_hub.log_scalars.items():
        if unbounded.isdisjoint((key, key.partition('/')[2])):
            history.max_length = min(history.max_length, length)
