"""A tiny data set, and a tiny config on top of one of the project's."""

from pathlib import Path

import pytest
from processes import ROOT, run_script

TINY = """
_base_ = ['{root}/configs/{config}']
crop_size = (64, 64)
data_root = '{data}/'
model = dict(
    pretrained=None,
    data_preprocessor=dict(size=crop_size),
    backbone={backbone},
    decode_head=dict(in_channels=64, channels=8),
    auxiliary_head=dict(in_channels=32, channels=8))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs')
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs')
]
train_dataloader = dict(
    batch_size=2, num_workers={workers}, persistent_workers={persistent},
    dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(
    num_workers=0, persistent_workers=False,
    dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
train_cfg = dict(max_iters=8, val_interval=100)
env_cfg = dict(dist_cfg=dict(backend='gloo'))
default_hooks = dict(
    logger=dict(interval=1),
    checkpoint=dict(interval=2, max_keep_ckpts=2),
    peak_memory=dict(interval=4))
randomness = dict(seed=0)
"""
SLIM = 'dict(stem_channels=8, base_channels=8)'


@pytest.fixture(scope='session')
def mini_cityscapes(tmp_path_factory):
    out = tmp_path_factory.mktemp('data') / 'mini'
    run_script(
        'demo/mini_cityscapes.py',
        str(out),
        '--train',
        '4',
        '--val',
        '4',
        '--size',
        '64x128',
    )
    return out


@pytest.fixture(scope='session')
def make_config(mini_cityscapes, tmp_path_factory):

    def make(config, workers=0):
        is_local = config.split('/')[0] != 'e2e'
        path = tmp_path_factory.mktemp('config') / Path(config).name
        path.write_text(
            TINY.format(
                root=ROOT,
                config=config,
                data=mini_cityscapes,
                workers=workers,
                persistent=workers > 0,
                backbone=f'dict(backbone={SLIM})' if is_local else SLIM,
            )
        )
        return path

    return make
