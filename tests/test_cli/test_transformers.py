"""Transformers by the project's commands, and by the stock host."""

import re

import numpy as np
import pytest
from commands import forget_runners, run_localsup
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image
from processes import ROOT, read_scalars
from tiny_transformer import SIZE, narrow_transformer

from localsup_mm.hosts import read_config

HOSTS = {
    'deit-small_imagenet': 'mmpretrain::deit/deit-small_4xb256_in1k.py',
    'segformer_mit-b2_cityscapes': (
        'mmseg::segformer/segformer_mit-b2_8xb1-160k_cityscapes-1024x1024.py'
    ),
}


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """Eight images, four of each of two classes."""
    root = tmp_path_factory.mktemp('images')
    rng = np.random.default_rng(0)
    for label in ('a', 'b'):
        (root / label).mkdir()
        for i in range(4):
            image = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
            Image.fromarray(image).save(root / label / f'{i}.png')
    return root


def make_tiny(cfg, data, feature_targets=False):
    narrow_transformer(cfg)
    cfg.env_cfg = dict(dist_cfg=dict(backend='gloo'))
    cfg.param_scheduler = []
    cfg.randomness = dict(seed=0)
    cfg.default_hooks.logger.interval = 1
    loaders = cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader
    for loader in loaders:
        loader.update(num_workers=0, persistent_workers=False)
        loader.batch_size = 4
        if cfg.default_scope == 'mmpretrain':
            loader.collate_fn = dict(type='default_collate')
            loader.dataset = dict(
                type='CustomDataset',
                data_root=str(data),
                data_prefix='',
                classes=['a', 'b'],
                pipeline=[
                    dict(type='LoadImageFromFile'),
                    dict(type='PackInputs'),
                ],
            )
            loader.sampler.pop('type', None)
            loader.sampler.update(type='DefaultSampler', shuffle=True)
        else:
            loader.batch_size = 2 if loader is loaders[0] else 1
            loader.dataset.data_root = str(data)
            loader.dataset.pipeline = [
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations'),
                dict(type='PackSegInputs'),
            ]
    if cfg.default_scope == 'mmpretrain':
        cfg.train_cfg = dict(by_epoch=True, max_epochs=1, val_interval=1)
        cfg.val_evaluator = cfg.test_evaluator = dict(
            type='Accuracy', topk=(1,)
        )
    else:
        cfg.train_cfg = dict(
            type='IterBasedTrainLoop', max_iters=2, val_interval=2
        )
        cfg.default_hooks.checkpoint.interval = 2
    if feature_targets:
        decoder = cfg.model.backbone.local_modules.decoder
        decoder.type = 'FeatureDecoder'
    return cfg


@pytest.mark.parametrize(
    ('name', 'feature_targets', 'checkpoint', 'metric'),
    [
        ('deit-small_imagenet', True, 'epoch_1', 'accuracy/top1'),
        ('segformer_mit-b2_cityscapes', False, 'iter_2', 'mIoU'),
    ],
)
def test_stock_host_gives_a_local_checkpoint_the_same_metric(
    name,
    feature_targets,
    checkpoint,
    metric,
    folders,
    request,
    tmp_path,
):
    is_classifier = name.endswith('imagenet')
    data = (
        folders
        if is_classifier
        else request.getfixturevalue('mini_cityscapes')
    )
    cfg = Config.fromfile(ROOT / 'configs' / 'infopro' / f'{name}.py')
    cfg = make_tiny(cfg, data, feature_targets)
    cfg.dump(tmp_path / 'local.py')
    run_localsup(
        'train', tmp_path / 'local.py', '--work-dir', tmp_path / 'run'
    )
    for k in range(3):
        for part in ('recon', 'task' if is_classifier else 'ce'):
            found = read_scalars(tmp_path / 'run', f'local_{k}.loss_{part}')
            assert len(found) == 2
    weights = tmp_path / 'run' / f'{checkpoint}.pth'
    ours = run_localsup(
        'test', tmp_path / 'local.py', weights, '--work-dir', tmp_path / 'ours'
    )
    stock = make_tiny(read_config(HOSTS[name]), data)
    stock.update(load_from=str(weights), work_dir=str(tmp_path / 'stock'))
    theirs = Runner.from_cfg(stock).test()
    forget_runners()
    (found,) = re.findall(rf'{metric}: +([\d.]+)', ours)[-1:]
    assert float(found) == pytest.approx(theirs[metric], abs=1e-2)
