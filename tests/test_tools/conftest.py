"""A tiny data set, a tiny config on top of the project's, and processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

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
    run_tool(
        'dataset_converters/mini_cityscapes.py',
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


def environment():
    env = dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT))
    env.pop('LOCAL_RANK', None)
    return env


def start_tool(tool, *args):
    return subprocess.Popen(
        [sys.executable, str(ROOT / 'tools' / tool), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    )


def run_tool(tool, *args, expect=0):
    process = start_tool(tool, *map(str, args))
    output = process.communicate(timeout=600)[0]
    assert (process.returncode == 0) == (expect == 0), output[-3000:]
    return output


def read_scalars(work_dir, key):
    """Iteration to value, over all runs in a work dir; the last one counts."""
    values = {}
    for path in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            if key in record:
                values[record['step']] = record[key]
    return values
