"""`mmcv.ops` of an mmcv that was not compiled, and what it lacks."""

import os
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from pathlib import Path

import mmcv
import pytest
import torch
from mmcv_torch_ops import make_missing_op
from processes import ROOT

PROGRAM = """
import torch
from mmcv import _ext, ops
assert _ext.__file__.endswith('_ext.py'), _ext.__file__
print(ops.nms(torch.tensor([[0., 0, 4, 4]] * 2), torch.ones(2), 0.5)[1])
print(ops.get_compiler_version())
ops.box_iou_rotated(torch.rand(1, 5), torch.rand(1, 5))
"""


def test_mmcv_without_compiled_ops(tmp_path):
    """Importing asks for all ops; only a call of a missing one fails."""
    package = tmp_path / 'mmcv'
    package.mkdir()
    for path in Path(mmcv.__file__).parent.iterdir():
        if not path.name.startswith('_ext.'):
            (package / path.name).symlink_to(path)
    (package / '_ext.py').symlink_to(ROOT / 'mmcv_ops' / 'mmcv' / '_ext.py')
    paths = os.pathsep.join([str(tmp_path), str(ROOT / 'mmcv_ops')])
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', PROGRAM],
        env={**os.environ, 'PYTHONPATH': paths},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == 'tensor([0])\nnone (mmcv_torch_ops)\n', done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("NotImplementedError: mmcv's op 'box_iou_rotated'")
    assert 'make env MMCV=compiled' in last


def test_a_compiled_mmcv_comes_first(tmp_path):
    compiled = tmp_path / f'_ext{EXTENSION_SUFFIXES[0]}'
    (tmp_path / '_ext.py').touch()
    compiled.touch()
    assert PathFinder.find_spec('_ext', [str(tmp_path)]).origin == str(
        compiled
    )


def test_a_missing_op_is_named():
    with pytest.raises(NotImplementedError, match="op 'knn_forward' needs"):
        make_missing_op('knn_forward')(torch.rand(3), k=2)
    with pytest.raises(AttributeError, match='__path__'):
        make_missing_op('__path__')


def test_maximum_of_roi_align(use_stand_in):
    use_stand_in()
    with pytest.raises(NotImplementedError, match="but got 'max'"):
        mmcv.ops.roi_align(
            torch.rand(1, 1, 4, 4), torch.rand(1, 5), 2, 1.0, 0, 'max'
        )
