"""A detector trains and is scored as with compiled ops, on images of COCO."""

import inspect

import pytest
import torch
from mmcv import _ext
from mmengine.config import Config
from mmengine.runner import Runner
from processes import ROOT

COCO = ROOT.parent / 'shared' / 'data' / 'coco_mini'
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not COCO.is_dir(), reason='the real images are not here'
    ),
    pytest.mark.skipif(
        not inspect.isbuiltin(_ext.nms), reason='mmcv is not compiled here'
    ),
]


def make_runner(work_dir, max_iters, load_from=None):
    """A Mask R-CNN that is trained and scored on four images."""
    cfg = Config.fromfile(
        ROOT / 'configs/infopro/mask-rcnn_r18_k3_coco-mini.py'
    )
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(batch_size=4)
        loader.dataset.update(data_root=f'{COCO}/', indices=4)
    cfg.val_evaluator.ann_file = (
        f'{COCO}/{cfg.val_dataloader.dataset.ann_file}'
    )
    cfg.test_dataloader = cfg.test_evaluator = cfg.test_cfg = None
    cfg.train_cfg.update(max_iters=max_iters, val_interval=max_iters)
    cfg.param_scheduler = []
    cfg.custom_hooks = []
    cfg.default_hooks.pop('reconstruction')
    cfg.default_hooks.logger.interval = 1
    cfg.default_hooks.checkpoint.interval = max_iters
    cfg.randomness.seed = 0
    cfg.work_dir = cfg.visualizer.name = str(work_dir)
    cfg.load_from = load_from
    return Runner.from_cfg(cfg)


def train(work_dir, *args):
    """Train, and read the losses of all iterations and the metrics."""
    runner = make_runner(work_dir, *args)
    runner.train()
    scalars = runner.message_hub.log_scalars
    return {
        key: torch.tensor([float(x) for x in history._log_history])
        for key, history in scalars.items()
        if 'time' not in key
    }


def test_losses_and_metrics_of_a_detector(use_stand_in, tmp_path):
    train(tmp_path / 'before', 80)
    checkpoint = str(tmp_path / 'before' / 'iter_80.pth')
    expected = train(tmp_path / 'compiled', 2, checkpoint)
    use_stand_in()
    found = train(tmp_path / 'stand-in', 2, checkpoint)
    assert found.keys() == expected.keys()
    assert expected['val/coco/bbox_mAP'] > 0
    for key, values in expected.items():
        torch.testing.assert_close(
            found[key], values, rtol=1e-4, atol=1e-4, msg=key
        )
