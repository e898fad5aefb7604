"""Images of 1 and 4 channels, from localize to training, in each host."""

import json

import numpy as np
import pytest
from commands import run_localsup
from mmengine.config import Config
from PIL import Image
from processes import read_scalars

from localsup_mm.hosts import read_training
from localsup_mm.simulation import read_workload

TRAINING = """
env_cfg = dict(dist_cfg=dict(backend='gloo'))
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
train_cfg = dict({delete}type='IterBasedTrainLoop', max_iters=2)
default_hooks = dict(logger=dict(type='LoggerHook', interval=1))
custom_hooks = [dict(type='ReconstructionHook', interval=1)]
custom_imports = dict(imports='localsup_mm')
visualizer = dict(
    type='Visualizer', name='{name}',
    vis_backends=[dict(type='LocalVisBackend')])
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
train_dataloader = dict(
    {delete}batch_size=2, num_workers=0, dataset=dataset,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='{collate}'))
"""
GREY_CLASSIFIER = """
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    train_cfg=dict(augments=dict(type='Mixup', alpha=1.0)),
    data_preprocessor=dict(mean=[33.3], std=[78.6], num_classes=2),
    backbone=dict(
        type='ResNet', in_channels=1, depth=18, stem_channels=8,
        base_channels=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead', num_classes=2, in_channels=64,
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1)))
dataset = dict(
    type='CustomDataset', data_root='{data}',
    data_prefix=dict(img_path='images'),
    pipeline=[
        dict(type='LoadImageFromFile', color_type='grayscale'),
        dict(type='RandomCrop', crop_size=64),
        dict(type='PackInputs')])
"""
SEGMENTOR_OF_4 = """
default_scope = 'mmseg'
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor', mean=[90.0, 90.0, 90.0, 120.0],
        std=[60.0] * 4, pad_val=0, seg_pad_val=200, size=(64, 64)),
    backbone=dict(
        type='ResNetV1c', in_channels=4, depth=18, stem_channels=8,
        base_channels=8, norm_cfg=dict(type='BN')),
    decode_head=dict(
        type='FCNHead', in_channels=64, channels=8, num_classes=2,
        ignore_index=200, loss_decode=dict(type='CrossEntropyLoss')))
dataset = dict(
    type='BaseSegDataset', data_root='{data}', img_suffix='.png',
    metainfo=dict(classes=('a', 'b')),
    data_prefix=dict(img_path='images/0', seg_map_path='labels'),
    pipeline=[
        dict(type='LoadImageFromFile', color_type='unchanged'),
        dict(type='LoadAnnotations'),
        dict(type='RandomCrop', crop_size=(64, 64)),
        dict(type='PackSegInputs')])
"""
GREY_DETECTOR = """
_base_ = 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'
model = dict(
    data_preprocessor=dict(mean=[100.0], std=[60.0], bgr_to_rgb=False),
    backbone=dict(
        in_channels=1, stem_channels=8, base_channels=8, init_cfg=None),
    neck=dict(in_channels=[8, 16, 32, 64], out_channels=8),
    bbox_head=dict(num_classes=2, in_channels=8, feat_channels=8))
dataset = dict(
    type='CocoDataset', data_root='{data}', ann_file='coco.json',
    metainfo=dict(classes=('a', 'b')), data_prefix=dict(img='images/0'),
    pipeline=[
        dict(type='LoadImageFromFile', color_type='grayscale'),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='Resize', scale=(64, 64), keep_ratio=False),
        dict(type='PackDetInputs')])
param_scheduler = None
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
"""
CASES = {
    'grey classifier': (GREY_CLASSIFIER, 1, 'default_collate'),
    'segmentor of 4': (SEGMENTOR_OF_4, 4, 'pseudo_collate'),
    'grey detector': (GREY_DETECTOR, 1, 'pseudo_collate'),
}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Images of four channels, in two classes, with masks and boxes."""
    root = tmp_path_factory.mktemp('data')
    rng = np.random.default_rng(0)
    (root / 'labels').mkdir()
    images, annotations = [], []
    for label in '01':
        (root / 'images' / label).mkdir(parents=True)
        for i in range(2):
            image = rng.integers(0, 256, (80, 80, 4), dtype=np.uint8)
            path = root / 'images' / label / f'{i}.png'
            Image.fromarray(image).save(path)
    for i in range(2):
        mask = rng.choice([0, 1, 200], (80, 80)).astype(np.uint8)
        Image.fromarray(mask).save(root / 'labels' / f'{i}.png')
        images.append(dict(id=i, file_name=f'{i}.png', height=80, width=80))
        annotations.append(
            dict(
                id=i, image_id=i, category_id=i, bbox=[8, 8, 40, 40],
                area=1600, iscrowd=0, segmentation=[])
        )  # fmt: skip
    categories = [dict(id=i, name=name) for i, name in enumerate('ab')]
    content = dict(
        images=images, annotations=annotations, categories=categories
    )
    (root / 'coco.json').write_text(json.dumps(content))
    return root


@pytest.mark.parametrize('case', CASES)
def test_from_localize_to_training(case, data, tmp_path):
    text, channels, collate = CASES[case]
    base, out = tmp_path / 'base.py', tmp_path / 'local.py'
    text = (text + TRAINING).replace('{data}', str(data))
    text = text.replace('{collate}', collate).replace('{name}', case)
    delete = '_delete_=True, ' if '_base_' in text else ''
    text = text.replace('{delete}', delete)
    base.write_text(text)
    workload = read_workload(read_training(str(base)))
    assert tuple(workload.input_shape) == (2, channels, 64, 64)
    words = ['--num-local-modules', '2', '-o', out]
    printed = run_localsup('localize', base, *words)
    assert f'planning for (2, {channels}, 64, 64)' in printed
    cfg = Config.fromfile(out)
    assert 'image_channels' not in cfg.model.backbone.local_modules.decoder
    run_localsup('train', out, '--work-dir', tmp_path / 'work')
    for key in ('local_0.loss', 'loss'):
        assert len(read_scalars(tmp_path / 'work', key)) == 2
    pictures = list((tmp_path / 'work').rglob('reconstruction_*.png'))
    assert len(pictures) == 2
    if case == 'grey classifier':
        printed = run_localsup(
            'compare', out, '--rounds', '0', '--methods', 'e2e'
        )
        assert '2 x 1 x 64 x 64' in printed
