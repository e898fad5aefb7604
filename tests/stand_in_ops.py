"""`mmcv.ops` with the ops of `mmcv_torch_ops`, whatever mmcv is installed."""

import mmcv_torch_ops
import pytest
from mmcv import _ext


@pytest.fixture
def use_stand_in(monkeypatch):
    """A function that puts them in the place of those of mmcv."""

    def use():
        for name in dir(_ext):
            op = getattr(mmcv_torch_ops, name, None)
            if callable(op) and not name.startswith('_'):
                monkeypatch.setattr(_ext, name, op)

    return use
