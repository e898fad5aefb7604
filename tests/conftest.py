"""One seed, one thread and a clean registry scope for every test."""

import sys
from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope

sys.path.insert(0, str(Path(__file__).parent))

from network import no_network, server  # noqa: F401
from stand_in_ops import use_stand_in  # noqa: F401
from tiny_config import make_config, mini_cityscapes  # noqa: F401
from tiny_videos import tiny_videos  # noqa: F401

# before any fixture, those of a module or the session included
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _deterministic():
    torch.manual_seed(0)
    yield
    DefaultScope._instance_dict.clear()


@pytest.fixture
def turn_on_activation_checkpointing():
    """Give mmengine's function of this name, which older releases lack."""
    return pytest.importorskip(
        'mmengine.runner.activation_checkpointing'
    ).turn_on_activation_checkpointing
