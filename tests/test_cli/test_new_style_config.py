"""Commands on configs with ``read_base()``, whose types are imported."""

import numpy as np
import pytest
from commands import run_localsup
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image
from processes import read_scalars

RUNTIME = """
from mmengine.hooks import CheckpointHook, LoggerHook
from mmengine.optim import OptimWrapper
from torch.optim import SGD

default_scope = None
env_cfg = dict(dist_cfg=dict(backend='gloo'))
randomness = dict(seed=0)
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=SGD, lr=0.01))
default_hooks = dict(
    logger=dict(type=LoggerHook, interval=1),
    checkpoint=dict(type=CheckpointHook, interval=1))
"""
NET = """
from mmcv.transforms import LoadImageFromFile
from mmengine.config import read_base
from mmengine.dataset import DefaultSampler
from mmengine.runner import EpochBasedTrainLoop, TestLoop, ValLoop
from mmpretrain.datasets import CustomDataset, PackInputs, RandomCrop
from mmpretrain.evaluation import Accuracy
from mmpretrain.models import (
    ClsDataPreprocessor, CrossEntropyLoss, GlobalAveragePooling,
    ImageClassifier, LinearClsHead, ResNet_CIFAR)
from torch.nn import BatchNorm2d

with read_base():
    from .runtime import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(
        type=ClsDataPreprocessor, mean=[0.0] * 3, std=[255.0] * 3),
    backbone=dict(
        type=ResNet_CIFAR, depth=18, stem_channels=8, base_channels=8,
        norm_cfg=dict(type=BatchNorm2d)),
    neck=dict(type=GlobalAveragePooling),
    head=dict(
        type=LinearClsHead, num_classes=2, in_channels=64, topk=(1,),
        loss=dict(type=CrossEntropyLoss)))
dataset = dict(
    type=CustomDataset, data_root='{data}', data_prefix=dict(img_path=''),
    with_label=True)
train_dataloader = dict(
    batch_size=2, num_workers=0,
    sampler=dict(type=DefaultSampler, shuffle=False),
    dataset=dict(
        **dataset,
        pipeline=[
            dict(type=LoadImageFromFile),
            dict(type=RandomCrop, crop_size=16, padding=2),
            dict(type=PackInputs)]))
val_dataloader = dict(
    batch_size=2, num_workers=0,
    sampler=dict(type=DefaultSampler, shuffle=False),
    dataset=dict(
        **dataset,
        pipeline=[dict(type=LoadImageFromFile), dict(type=PackInputs)]))
test_dataloader = val_dataloader
train_cfg = dict(type=EpochBasedTrainLoop, max_epochs=1)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
val_evaluator = dict(type=Accuracy)
test_evaluator = val_evaluator
"""
LOCAL = """
from mmengine.config import read_base
from localsup_mm import LocalBackbone, LocalOptimWrapper
from localsup_mm.models import ConvPool
from mmpretrain.models import LinearClsHead

with read_base():
    from .net import *

model.update(
    backbone=dict(
        type=LocalBackbone,
        backbone=model.pop('backbone'),
        local_modules=dict(
            boundaries={boundaries},
            aux_neck=dict(
                type=ConvPool, num_convs=0, fc_channels=()),
            aux_head=dict(type=LinearClsHead, num_classes=2))))
optim_wrapper.update(type=LocalOptimWrapper)
"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Configs, and two images of each of two classes."""
    root = tmp_path_factory.mktemp('lazy')
    rng = np.random.default_rng(0)
    for name in ('a/0', 'a/1', 'b/0', 'b/1'):
        path = root / 'images' / f'{name}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        image = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(image).save(path)
    (root / 'runtime.py').write_text(RUNTIME)
    (root / 'net.py').write_text(NET.replace('{data}', str(root / 'images')))
    for name, boundaries in (('local', ['layer2.0']), ('auto', 'auto')):
        text = LOCAL.replace('{boundaries}', repr(boundaries))
        (root / f'{name}.py').write_text(text)
    return root


@pytest.fixture(scope='module')
def localized(folder):
    words = ['--num-local-modules', '2', '--size', '16x16']
    out = folder / 'written.py'
    run_localsup('localize', folder / 'net.py', *words, '-o', out)
    return out


@pytest.mark.parametrize('name', ['net', 'local', 'auto', 'written'])
def test_train_test_and_export(name, folder, localized, tmp_path):
    config = folder / f'{name}.py'
    run_localsup('train', config, '--work-dir', tmp_path)
    assert len(read_scalars(tmp_path, 'loss')) == 2
    local_losses = read_scalars(tmp_path, 'local_0.loss')
    assert len(local_losses) == 2 * (name != 'net')
    saved = Config.fromfile(tmp_path / f'{name}.py')
    assert saved.default_hooks.checkpoint.type == 'SafeCheckpointHook'
    plain = tmp_path / 'plain.pth'
    run_localsup('export', tmp_path / 'epoch_1.pth', plain)
    output = run_localsup(
        'test', folder / 'net.py', plain, '--work-dir', tmp_path / 'test'
    )
    assert 'accuracy/top1' in output


def test_the_host_trains_it_alike(folder, localized, tmp_path):
    """What is written is a config of mmengine, without our commands."""
    cfg = Config.fromfile(localized)
    cfg.work_dir = str(tmp_path)
    Runner.from_cfg(cfg).train()
    assert len(read_scalars(tmp_path, 'local_0.loss')) == 2
    assert cfg.model.backbone.backbone.type == 'mmpretrain.models.ResNet_CIFAR'


def test_mixed_precision(folder, tmp_path):
    config = folder / 'local.py'
    run_localsup('train', config, '--work-dir', tmp_path, '--amp')
    saved = Config.fromfile(tmp_path / 'local.py')
    assert saved.optim_wrapper.type == 'LocalAmpOptimWrapper'
    assert len(read_scalars(tmp_path, 'local_0.loss')) == 2


def test_plan_and_compare(folder):
    words = ['--num-local-modules', '3', '--size', '16x16', '--amp']
    assert '3 local modules' in run_localsup('plan', folder / 'net.py', *words)
    assert 'input (2, 3, 16, 16)' in run_localsup(
        'plan', folder / 'net.py', '--lowest'
    )
    output = run_localsup('compare', folder / 'local.py', '--fake')
    assert '| greedy ' in output


@pytest.mark.slow  # in a process of its own
def test_accuracy(folder, tmp_path):
    words = ['--work-dir', tmp_path, '--seeds', '0']
    words += ['--metric', 'accuracy/top1']
    output = run_localsup('accuracy', folder / 'local.py', *words, '--dry-run')
    assert 'local: ' in output
    output = run_localsup('accuracy', folder / 'local.py', *words)
    assert '| lazy' in output
    assert len(list(tmp_path.glob('**/epoch_1.pth'))) == 1


def test_a_copy_of_the_base_is_not_overwritten(folder, tmp_path):
    (tmp_path / 'my_base.py').touch()
    words = ['--lowest', '--size', '16x16', '-o', tmp_path / 'my.py']
    with pytest.raises(ValueError, match=r"new \.py file.*my_base\.py'"):
        run_localsup('localize', folder / 'net.py', *words)
