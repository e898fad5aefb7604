"""The random states of a process."""

import random

import numpy as np
import torch

__all__ = ['get_random_states', 'set_random_states']


def get_random_states() -> dict:
    """Take down the random states of this process.

    Returns:
        dict: Plain data and tensors: ``python``, ``numpy``, ``torch`` and, on
        a GPU, ``cuda``.
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
    if torch.cuda.is_available():
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
