"""Pictures of reconstructions from a real Runner."""

import pytest
import torch
from toy_runner import make_runner

from localsup_mm.engine import ReconstructionHook, reconstruct


def test_reconstruction_is_drawn(tmp_path):
    runner = make_runner(
        tmp_path,
        custom_hooks=[dict(type='ReconstructionHook', interval=3)],
        visualizer=dict(
            type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]
        ),
    )
    runner.train()
    names = sorted(p.name for p in tmp_path.rglob('reconstruction_*.png'))
    assert names == ['reconstruction_3.png', 'reconstruction_4.png']
    images = reconstruct(runner.model, torch.rand(2, 3, 32, 32) * 255)
    assert [i.shape for i in images] == [(2, 3, 32, 32)] * 3
    assert all(i.min() >= 0 and i.max() <= 1 for i in images)
    assert runner.model.training


@pytest.mark.parametrize('argument', ['interval', 'num_images'])
def test_an_argument_below_one(argument):
    with pytest.raises(ValueError, match=f'`{argument}`.*but got 0'):
        ReconstructionHook(**{argument: 0})
