"""Generated aux heads read labels as the network's own head does."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from mmengine.structures import PixelData
from mmpretrain.structures import DataSample
from mmseg.structures import SegDataSample

from localsup_mm.hosts import compute_head_loss, find_host, read_training
from localsup_mm.supervision import LocalModule, expand_local_modules
from localsup_mm.tracing import Boundary

FCN = 'mmseg::fcn/fcn_r18-d8_4xb2-80k_cityscapes-512x1024.py'
CLASSIFIER = 'mmpretrain::resnet/resnet18_8xb32_in1k.py'
BOUNDARY = Boundary('layer1', channels=8, stride=4)


def make_aux_nets(name, method='infopro', **head):
    """Aux nets for a config whose own head has other arguments."""
    cfg = copy.deepcopy(read_training(name))
    place = find_host(cfg).result_heads[0]
    for key, value in head.items():
        cfg.model[place][key] = value
    return find_host(cfg).make_aux_nets(cfg, method, (64, 64))[0]


def build(aux_nets):
    """The first of local modules with the weights of InfoPro."""
    cfg = expand_local_modules(boundaries=['layer1', 'layer2'], **aux_nets)[0]
    del cfg['boundary'], cfg['decoder']
    for part in (cfg['aux_neck'], cfg['aux_head']):
        if 'norm_cfg' in part:
            part['norm_cfg'] = dict(type='BN')
    torch.manual_seed(0)
    return LocalModule(BOUNDARY, **cfg)


def make_label_maps(*classes):
    """Two label maps of 64 x 64, in stripes of these classes."""
    rows = [classes[i * len(classes) // 64] for i in range(64)]
    labels = torch.tensor(rows).view(1, 64, 1).expand(1, 64, 64)
    return [SegDataSample(gt_sem_seg=PixelData(data=labels)) for _ in 'ab']


def compute(module, data_samples):
    torch.manual_seed(1)
    feats = torch.rand(2, 8, 16, 16)
    losses = module.loss(feats, torch.rand(2, 3, 64, 64), data_samples)
    return {k: v for k, v in losses.items() if 'loss' in k}


@pytest.mark.parametrize('ignored', [200, 0])
def test_ignored_label(ignored):
    module = build(make_aux_nets(FCN, ignore_index=ignored)[0])
    mixed = compute(module, make_label_maps(5, ignored))
    alone = compute(module, make_label_maps(ignored))
    assert mixed['loss_ce'] > 0
    assert alone['loss_ce'] == 0


def test_what_goes_over_from_a_decode_head():
    sampler = dict(type='OHEMPixelSampler', thresh=0.7, min_kept=3200)
    loss = dict(type='CrossEntropyLoss', class_weight=[0.1] * 18 + [2.0])
    for aux_nets in make_aux_nets(
        FCN,
        align_corners=True,
        sampler=sampler,
        loss_decode=loss,
        dropout_ratio=0.7,
        channels=99,
        act_cfg=dict(type='GELU'),
    ):
        module = build(aux_nets)
        head = module.aux_head
        assert head.align_corners
        assert head.ignore_index == 255
        # as large a part of the pixels of a smaller label map
        assert head.sampler.min_kept == 3200 // aux_nets['label_stride'] ** 2
        assert head.loss_decode.class_weight == [0.1] * 18 + [2.0]
        # how it is built is its own business
        assert head.dropout_ratio == 0.1
        assert head.channels != 99
        assert compute(module, make_label_maps(3, 18))['loss_ce'] > 0


def test_class_weight_weighs():
    loss = dict(type='CrossEntropyLoss', class_weight=[0.0] * 18 + [1.0])
    weighed = build(make_aux_nets(FCN, loss_decode=loss)[0])
    plain = build(make_aux_nets(FCN)[0])
    found = compute(weighed, make_label_maps(3, 18))
    expected = compute(plain, make_label_maps(255, 18))
    assert found['loss_ce'] == expected['loss_ce']


def test_binary_head():
    loss = dict(type='CrossEntropyLoss', use_sigmoid=True)
    aux_nets = make_aux_nets(
        FCN, num_classes=2, out_channels=1, threshold=0.4, loss_decode=loss
    )[0]
    head = build(aux_nets).aux_head
    assert (head.out_channels, head.threshold) == (1, 0.4)
    losses = compute(build(aux_nets), make_label_maps(0, 1, 255))
    assert losses['loss_ce'].isfinite()


def test_several_losses_keep_their_shares():
    name = 'unet/unet-s5-d16_fcn_4xb4-ce-1.0-dice-3.0-40k_drive-64x64.py'
    aux_nets = make_aux_nets(f'mmseg::{name}')[0]
    weights = [
        loss['loss_weight'] for loss in aux_nets['aux_head']['loss_decode']
    ]
    assert weights == [1.0, 3.0]
    aux_nets['loss_weights'] = [[1.0, 0.5], [1.0, 1.0]]
    module = build(aux_nets)
    losses = compute(module, make_label_maps(0, 1))
    assert losses.keys() == {'loss_ce', 'loss_dice'}
    weights = [loss.loss_weight for loss in module.aux_head.loss_decode]
    assert weights == [0.5, 1.5]


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        # losses of a boundary and of pixels that a head of its own chooses
        ('ddrnet/ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024', {}),
        ('pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes', {}),
        # without losses for label maps
        ('mask2former/mask2former_r50_8xb2-160k_ade20k-512x512', {}),
        (
            'knet/knet-s3_r50-d8_fcn_8xb2-adamw-80k_ade20k-512x512',
            dict(loss_weight=1.0),
        ),
        (
            'fastscnn/fast_scnn_8xb4-160k_cityscapes-512x1024',
            dict(use_sigmoid=True),
        ),
    ],
)
def test_losses_of_other_heads(name, expected):
    head = make_aux_nets(f'mmseg::{name}.py', 'greedy')[0]['aux_head']
    loss = head['loss_decode']
    assert loss['type'].endswith('CrossEntropyLoss')
    assert loss['avg_non_ignore']
    assert expected.items() <= loss.items()
    assert 'out_channels' not in head


def test_a_user_says_it_himself():
    """What stands in local_modules is not touched."""
    head = dict(type='mmseg.FCNHead', channels=4, num_classes=3)
    cfg = expand_local_modules(boundaries=['a'], aux_head=head)[0]
    assert cfg['aux_head'] == head


def make_images(*labels):
    samples = []
    for label in labels:
        sample = DataSample()
        is_soft = isinstance(label, torch.Tensor)
        (sample.set_gt_score if is_soft else sample.set_gt_label)(label)
        samples.append(sample)
    return samples


@pytest.mark.parametrize('method', ['infopro', 'dgl'])
def test_label_smoothing(method):
    loss = dict(type='LabelSmoothLoss', label_smooth_val=0.1)
    head = make_aux_nets(CLASSIFIER, method, num_classes=3, loss=loss)[0][
        'aux_head'
    ]
    assert head['loss'] == loss
    module = MODELS.build(dict(head, in_channels=2))
    module.fc.weight.data.zero_()
    module.fc.bias.data.copy_(torch.tensor([2.0, 0.0, 1.0]))
    found = compute_head_loss(module, (torch.rand(1, 2),), make_images(0))
    target = torch.tensor([[1 - 0.1 + 0.1 / 3, 0.1 / 3, 0.1 / 3]])
    logits = module.fc.bias[None]
    expected = torch.nn.functional.cross_entropy(logits, target)
    assert found['loss'].item() == pytest.approx(expected.item(), rel=1e-5)


def test_soft_labels():
    loss = dict(type='CrossEntropyLoss', use_soft=True)
    head = make_aux_nets(CLASSIFIER, num_classes=3, loss=loss)[0]['aux_head']
    assert head['loss'] == loss
    module = MODELS.build(dict(head, in_channels=2))
    labels = make_images(torch.tensor([0.3, 0.7, 0.0]))
    assert compute_head_loss(module, (torch.rand(1, 2),), labels)['loss'] > 0


@pytest.mark.parametrize(
    ('kind', 'loss'),
    [
        ('MultiLabelLinearClsHead', dict(type='AsymmetricLoss')),
        (
            'MultiLabelLinearClsHead',
            dict(type='CrossEntropyLoss', use_soft=True),
        ),
        (
            'CSRAClsHead',
            dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=0.1),
        ),
    ],
)
def test_several_labels(kind, loss):
    head = make_aux_nets(
        CLASSIFIER, 'greedy', type=kind, num_classes=3, loss=loss
    )[0]['aux_head']
    assert head['type'] == 'mmpretrain.MultiLabelLinearClsHead'
    assert head['loss'] == loss
    module = MODELS.build(dict(head, in_channels=2))
    labels = make_images([0, 2])
    assert compute_head_loss(module, (torch.rand(1, 2),), labels)['loss'] > 0


def test_crowds_are_no_background(tmp_path):
    base = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
    path = tmp_path / 'mine.py'
    path.write_text(
        f"_base_ = ['{base}']\nmodel = dict(train_cfg=dict(rcnn="
        'dict(assigner=dict(ignore_iof_thr=0.5))))'
    )
    for aux_nets in make_aux_nets(str(path)):
        assigner = aux_nets['aux_head']['train_cfg']['assigner']
        assert assigner['ignore_iof_thr'] == 0.5


def test_a_host_of_its_own_defaults(monkeypatch):
    """A decode head of a user, whose class ignores another label."""
    import mmseg.models
    from mmseg.registry import MODELS as SEG

    class LabMapHead(mmseg.models.FCNHead):
        def __init__(self, ignore_index=200, **kwargs):
            super().__init__(ignore_index=ignore_index, **kwargs)

    monkeypatch.setitem(SEG.module_dict, 'LabMapHead', LabMapHead)
    head = make_aux_nets(FCN, type='LabMapHead')[0]['aux_head']
    assert head['ignore_index'] == 200


def test_scopes_of_inherited_parts_become_types(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(
        f"_base_ = ['{FCN}']\n"
        "loss = dict(_delete_=True, type='FocalLoss')\n"
        'model = dict(decode_head=dict(loss_decode=loss))'
    )
    for aux_nets in make_aux_nets(str(path)):
        assert '_scope_' not in str(Config(aux_nets))
