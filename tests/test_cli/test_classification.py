"""Classification by the project's commands, on images in folders."""

import numpy as np
import pytest
from commands import run_localsup
from PIL import Image
from processes import ROOT, read_scalars

DATA = """
folder = dict(
    _delete_=True,
    type='CustomDataset',
    data_root='{data}',
    data_prefix='',
    classes=list('0123456789'))
train_dataloader = dict(
    batch_size={batch}, num_workers=0, persistent_workers=False,
    dataset=dict(**folder, pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='RandomCrop', crop_size=16, padding=2),
        dict(type='PackInputs')]))
val_dataloader = dict(
    batch_size=4, num_workers=0, persistent_workers=False,
    dataset=dict(**folder, pipeline=[
        dict(type='LoadImageFromFile'), dict(type='PackInputs')]))
test_dataloader = val_dataloader
"""
TRAINING = """
train_cfg = dict(max_epochs=2)
param_scheduler = dict(end=2, warmup=1)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1))
env_cfg = dict(dist_cfg=dict(backend='gloo'))
randomness = dict(seed=0)
"""
# mmpretrain alone: none of our types
STOCK = """
default_scope = 'mmpretrain'
env_cfg = dict()
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ResNet_CIFAR', depth=18, stem_channels=8, base_channels=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=64))
test_cfg = dict()
test_evaluator = dict(type='Accuracy', topk=(1,))
data_preprocessor = dict(
    num_classes=10, mean=[125.3, 123.0, 113.9], std=[63.0, 62.1, 66.7])
"""
LOCAL = """
model = dict(
    backbone=dict(
        backbone=dict(
            _delete_=True, type='ResNet_CIFAR', depth=18, stem_channels=8,
            base_channels=8),
        local_modules=dict(
            partition=None, loss_weights=((5, 0), (1, 1)),
            num_local_modules=3, boundaries=['layer1.1', 'layer3.0'])))
"""


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """Ten images, one for each class."""
    root = tmp_path_factory.mktemp('images')
    rng = np.random.default_rng(0)
    for label in range(10):
        (root / str(label)).mkdir()
        image = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(image).save(root / str(label) / 'a.png')
    return root


def write(path, *parts, base=None, data=None, batch=5):
    head = f"_base_ = ['{ROOT}/configs/{base}']\n" if base else ''
    text = DATA.format(data=data, batch=batch)
    if base is None:
        text = text.replace('    _delete_=True,\n', '')
        text += 'train_dataloader = val_dataloader = None\n'
    path.write_text(head + text + ''.join(parts))
    return path


def test_train_and_evaluate_with_the_stock_host(folders, tmp_path):
    config = write(
        tmp_path / 'local.py',
        TRAINING,
        LOCAL,
        base='infopro/resnet32_k4_contrast_cifar10.py',
        data=folders,
    )
    run_localsup('train', config, '--work-dir', tmp_path / 'run')
    recon = read_scalars(tmp_path / 'run', 'local_0.loss_recon')
    assert len(recon) == 4
    # lambda_2 of the first is 0: no aux head there
    assert not read_scalars(tmp_path / 'run', 'local_0.loss_supcon')
    assert read_scalars(tmp_path / 'run', 'local_1.loss_supcon')
    checkpoint = tmp_path / 'run' / 'epoch_2.pth'
    ours = run_localsup(
        'test', config, checkpoint, '--work-dir', tmp_path / 'ours'
    )
    exported = tmp_path / 'plain.pth'
    run_localsup('export', checkpoint, exported)
    stock = write(tmp_path / 'stock.py', STOCK, data=folders)
    theirs = run_localsup(
        'test', stock, exported, '--work-dir', tmp_path / 'theirs'
    )

    def accuracy(output):
        return output.rsplit('accuracy/top1:', 1)[1].split()[0]

    assert accuracy(ours) == accuracy(theirs)
    trained = read_scalars(tmp_path / 'run', 'accuracy/top1')
    assert float(accuracy(ours)) == pytest.approx(trained[2], abs=1e-3)


def test_last_batch_of_one_is_found_before_training(folders, tmp_path):
    config = write(
        tmp_path / 'local.py',
        TRAINING,
        base='infopro/resnet32_k4_contrast_cifar10.py',
        data=folders,
        batch=3,
    )
    with pytest.raises(ValueError) as caught:
        run_localsup('train', config, '--work-dir', tmp_path / 'run')
    output = str(caught.value)
    assert 'at least 2' in output
    assert '10 images in batches of 3' in output
    assert not read_scalars(tmp_path / 'run', 'loss')


def test_mixup_and_the_contrastive_loss(folders, tmp_path):
    config = write(
        tmp_path / 'local.py',
        TRAINING,
        "model = dict(train_cfg=dict(augments=dict(type='Mixup', alpha=1.0)))",
        base='infopro/resnet32_k4_contrast_cifar10.py',
        data=folders,
    )
    with pytest.raises(ValueError) as caught:
        run_localsup('train', config, '--work-dir', tmp_path / 'run')
    output = str(caught.value)
    assert 'should have hard labels for SupConHead' in output
