"""The random states of a process."""

import random

import numpy as np
import torch

__all__ = ['are_equal', 'get_random_states', 'set_random_states']


def get_random_states() -> dict:
    """Take down the random states of this process.

    Returns:
        dict: Plain data and tensors: ``python``, ``numpy``, ``torch`` and, if
        the process uses a GPU, ``cuda``.
    """
    name, keys, position, has_gauss, cached = np.random.get_state()
    states = dict(
        python=random.getstate(),
        numpy=(
            name,
            torch.from_numpy(np.asarray(keys, np.int64)),
            position,
            has_gauss,
            cached,
        ),
        torch=torch.get_rng_state(),
    )
    # a worker of a data loader, which was forked, must not ask for it
    if torch.cuda.is_initialized():
        states['cuda'] = torch.cuda.get_rng_state()
    return states


def set_random_states(states: dict) -> None:
    """Give this process random states back.

    Args:
        states (dict): The result of :func:`get_random_states`.
    """
    version, keys, gauss = states['python']
    random.setstate((version, tuple(keys), gauss))
    name, keys, *rest = states['numpy']
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), *rest))
    torch.set_rng_state(states['torch'].cpu())
    if 'cuda' in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states['cuda'].cpu())


def are_equal(states: dict, others: dict) -> bool:
    """Tell whether random states are the same.

    Args:
        states (dict): The result of :func:`get_random_states`.
        others (dict): Another one, of the same process.

    Returns:
        bool: Whether both give the same numbers on the CPU.
    """
    _, keys, *rest = states['numpy']
    _, other_keys, *other_rest = others['numpy']
    return (
        states['python'] == others['python']
        and torch.equal(states['torch'], others['torch'])
        and torch.equal(keys, other_keys)
        and rest == other_rest
    )
