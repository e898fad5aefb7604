"""Tiny videos and recognizers of them; what skips without mmaction2."""

import importlib

import pytest
from processes import run_script


def need_mmaction():
    """Skip a test where mmaction2 is missing, or does not go with mmcv."""
    try:
        importlib.import_module('mmaction.models')
    except Exception as error:
        pytest.skip(f'mmaction cannot be imported: {error}')


@pytest.fixture(scope='session')
def tiny_videos(tmp_path_factory):
    """Eight videos of 6 frames of 32 x 32 for training, four to test."""
    need_mmaction()
    out = tmp_path_factory.mktemp('videos')
    words = ('--train', '8', '--val', '4', '--num-frames', '6', '--size', '32')
    run_script('demo/mini_videos.py', out, *words)
    return out


# mmaction2 alone, none of our types: clips in 3D, or frames in 2D
CLIPS = """
_base_ = [
    'mmaction::_base_/models/slowonly_r50.py',
    'mmaction::_base_/default_runtime.py']
model = dict(
    backbone=dict(depth=18, pretrained=None, base_channels=8),
    cls_head=dict(in_channels=64, num_classes=4, dropout_ratio=0.0))
sampling = dict(clip_len=4, frame_interval=1, num_clips=1)
layout = 'NCTHW'
"""
FRAMES = """
_base_ = [
    'mmaction::_base_/models/tsn_r50.py',
    'mmaction::_base_/default_runtime.py']
model = dict(
    backbone=dict(depth=18, pretrained=None),
    cls_head=dict(in_channels=512, num_classes=4, dropout_ratio=0.0))
sampling = dict(clip_len=1, frame_interval=1, num_clips=3)
layout = 'NCHW'
"""
TRAINING = """
pipeline = [
    dict(type='SampleFrames', test_mode=True, **sampling),
    dict(type='RawFrameDecode'),
    dict(type='Resize', scale=(32, 32), keep_ratio=False),
    dict(type='FormatShape', input_format=layout),
    dict(type='PackActionInputs')]
dataset = dict(
    type='RawframeDataset', data_root='{data}', ann_file='train.txt',
    data_prefix=dict(img='frames'), pipeline=pipeline)
train_dataloader = dict(
    batch_size=4, num_workers=0, dataset=dataset,
    sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = dict(
    batch_size=2, num_workers=0,
    dataset=dict(dataset, ann_file='val.txt', test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False))
test_evaluator = dict(type='AccMetric')
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(save_best=None))
randomness = dict(seed=0)
"""


def write_recognizer(path, data, kind):
    """Write the config of a tiny training, end to end.

    Args:
        path (Path): The file.
        data (Path): The videos.
        kind (str): ``CLIPS`` or ``FRAMES``.

    Returns:
        Path: The file.
    """
    path.write_text(kind + TRAINING.format(data=data))
    return path
