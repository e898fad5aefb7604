"""What a config trains, read without its data."""

import re

import pytest
import torch
from messages import collect_warnings
from processes import ROOT

from localsup_mm.hosts import read_training
from localsup_mm.simulation import peak_memory, read_workload


def load(path):
    return read_training(path if '::' in path else f'{ROOT}/configs/{path}')


def test_local_modules_are_left_out():
    cfg = load('infopro/resnet32_k4_softmax_cifar10.py')
    workload = read_workload(cfg)
    assert not hasattr(workload.model.backbone, 'local_supervision')
    assert tuple(workload.input_shape) == (1024, 3, 32, 32)
    assert workload.autocast_dtype is None
    assert 'local_modules' in cfg.model.backbone


def test_command_line_comes_first():
    cfg = load('e2e/deeplabv3_r18_camvid.py')
    workload = read_workload(cfg, 3, (64, 96), amp=True, with_cp=True)
    assert tuple(workload.input_shape) == (3, 3, 64, 96)
    assert workload.autocast_dtype == torch.bfloat16
    assert workload.model.backbone.layer1[0].with_cp


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        # boxes are assigned by values, masks too; labels are smoothed
        ('mmdet::retinanet/retinanet_r18_fpn_1x_coco.py', True),
        ('mmpretrain::deit/deit-tiny_4xb256_in1k.py', True),
        (
            'mmseg::mask2former/mask2former_r50_8xb2-160k_ade20k-512x512.py',
            True,
        ),
        ('mmpretrain::resnet/resnet18_8xb32_in1k.py', False),
    ],
)
def test_losses_that_read_values(name, expected):
    cfg = load(name)
    size = (224, 224) if 'pretrain' in name else (64, 64)
    assert read_workload(cfg, 2, size).is_data_dependent == expected


def test_detectors_pad():
    cfg = load('mmdet::retinanet/retinanet_r18_fpn_1x_coco.py')
    workload = read_workload(cfg, image_size=(100, 130))
    assert tuple(workload.input_shape[2:]) == (128, 160)
    assert workload.is_data_dependent
    segmentor = read_workload(load('e2e/deeplabv3_r18_camvid.py'))
    assert not segmentor.is_data_dependent
    sample = workload.make_data_samples((1, 3, 128, 160))[0]
    boxes = sample.gt_instances.bboxes
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert boxes.max() <= 160


@pytest.mark.parametrize(
    'setting',
    [dict(clip_grad=dict(max_norm=1.5)), dict(accumulative_counts=4)],
)
def test_what_does_not_go_with_a_step_for_each_module(setting):
    """The wrapper that would train refuses it, before anything is run."""
    cfg = load('e2e/resnet32_cifar10.py')
    cfg.optim_wrapper.update(setting)
    assert not read_workload(cfg).step_each_module
    ((name, value),) = setting.items()
    message = rf'`{name}` should .* with step_each_module.*{value!r}'
    with pytest.raises(ValueError, match=re.sub(r'[{}]', '.', message)):
        read_workload(cfg, step_each_module=True)
    # mmengine takes keys out of what it is given
    assert cfg.optim_wrapper[name] == value


@pytest.mark.parametrize(
    'name',
    ['mmpose::body/rtmpose.py', 'mmocr::textdet/dbnet.py'],
)
def test_unknown_host(name):
    with pytest.raises(ValueError, match=rf"one of \(.*'mmseg'.*'{name}'"):
        read_training(name)


def test_one_image_behind_global_pooling():
    """Refused of a plain batch norm, but not of one that processes share."""
    messages = collect_warnings()
    cfg = load('e2e/deeplabv3_r18_camvid.py')
    one, two = (
        peak_memory(read_workload(cfg, batch_size=b, image_size=size))
        for b, size in ((1, (512, 256)), (2, (256, 256)))
    )
    # as many pixels
    assert one == pytest.approx(two, rel=0.01)
    assert sum('that of one of several' in text for text in messages) == 1
    for part in (cfg.model.backbone, cfg.model.decode_head):
        part.norm_cfg = dict(type='BN')
    cfg.model.auxiliary_head.norm_cfg = dict(type='BN')
    with pytest.raises(
        ValueError, match=r'`batch_size` should be at least 2.*got 1 '
    ):
        read_workload(cfg, batch_size=1)


def test_misspelt_config():
    name = 'mmseg::deeplabv3/deeplabv3_r50-d8_4xb2-40k_cityscape-512x1024.py'
    with pytest.raises(
        ValueError,
        match=r"`config` .* mmseg brings.*_cityscapes-512x1024\.py'",
    ):
        read_training(name)


def test_unknown_scope(tmp_path):
    path = tmp_path / 'net.py'
    path.write_text("default_scope = 'mmocr'")
    with pytest.raises(ValueError, match=r"`default_scope`.*'mmocr'"):
        read_training(str(path))


def test_no_config_of_a_training(tmp_path):
    path = tmp_path / 'net.py'
    path.write_text("default_scope = 'mmseg'\nmodel = dict(type='A')")
    with pytest.raises(ValueError, match=r'model\.backbone and optim_wrapper'):
        read_training(str(path))


def test_optimizer_of_a_host():
    """One that mmengine does not know by itself."""
    cfg = load('e2e/resnet32_cifar10.py')
    cfg.optim_wrapper.optimizer = dict(type='Lamb', lr=0.1)
    workload = read_workload(cfg, 2)
    optimizer = workload.make_optimizer([torch.nn.Parameter(torch.ones(1))])
    assert type(optimizer).__module__.startswith('mmpretrain')


class ReadsNorms(torch.optim.SGD):
    """An optimizer that reads values of its tensors, as LARS does."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group['params']:
                if parameter.norm() and parameter.grad.norm().item() > 0.5:
                    parameter.grad.mul_(0.5)
        return super().step(closure)


@pytest.mark.parametrize('kind', ['LARS', ReadsNorms])
def test_optimizer_that_reads_values(kind):
    """It is simulated, too: its memory is the same for any value."""
    cfg = load('e2e/resnet32_cifar10.py')
    expected = peak_memory(read_workload(cfg, 8))
    cfg.optim_wrapper.optimizer = dict(type=kind, lr=0.1, momentum=0.9)
    workload = read_workload(cfg, 8)
    assert not workload.is_data_dependent
    assert peak_memory(workload) == expected


@pytest.mark.parametrize(
    ('name', 'kind'),
    [
        ('mae/mae_vit-base-p16_8xb512-amp-coslr-300e_in1k.py', 'MAE'),
        ('simclr/simclr_resnet50_16xb256-coslr-200e_in1k.py', 'SimCLR'),
        (
            'swav/swav_resnet50_8xb32-mcrop-coslr-200e_in1k-224px-96px.py',
            'SwAV',
        ),
    ],
)
def test_learning_without_labels(name, kind):
    """No batch of it can be made up; that it trains is tested elsewhere."""
    cfg = load(f'mmpretrain::{name}')
    message = f'`model` should learn .* labels.*but got {kind},.*decoder'
    with pytest.raises(ValueError, match=message):
        read_workload(cfg)


@pytest.mark.parametrize(
    ('text', 'found'),
    [
        ("model = dict(type='A')\noptim_wrapper = {}", r"model of \['type'\]"),
        ('optim_wrapper = {}', 'no model in'),
        ('model = dict(backbone={})', 'no optim_wrapper in'),
    ],
)
def test_what_trains_no_backbone(text, found, tmp_path):
    path = tmp_path / 'net.py'
    path.write_text(f"default_scope = 'mmseg'\n{text}")
    with pytest.raises(ValueError, match=rf'model\.backbone.*{found}'):
        read_training(str(path))


@pytest.mark.parametrize(
    'config, reason',
    [
        (
            'mmdet::mask2former_vis/mask2former_r50_8xb2-8e_youtubevis2019.py',
            'Mask2FormerVideo, whose TrackDataPreprocessor takes clips',
        ),
        (
            'mmpretrain::byol/byol_resnet50_16xb256-coslr-200e_in1k.py',
            'BYOL, which learns without labels',
        ),
    ],
)
def test_what_cannot_be_made_up(config, reason):
    with pytest.raises(ValueError, match=f'`model` should learn.*{reason}'):
        read_workload(read_training(config))
