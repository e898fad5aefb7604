"""One seed, one thread and a clean registry scope for every test."""

import sys
from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope

sys.path.insert(0, str(Path(__file__).parent))

from tiny_config import make_config, mini_cityscapes  # noqa: F401


@pytest.fixture(autouse=True)
def _deterministic():
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    DefaultScope._instance_dict.clear()
