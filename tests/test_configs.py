"""The configs build, train an iteration at tiny size, and have the published
settings."""

import re

import pytest
import torch
from cases import make_instances
from config_names import (
    CONFIGS,
    FILES,
    most_different,
    most_local_modules,
)
from mmengine import fileio
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, OPTIM_WRAPPERS, init_default_scope
from mmengine.structures import PixelData
from mmpretrain.structures import DataSample
from mmseg.structures import SegDataSample
from tiny_detector import narrow_detector
from tiny_transformer import narrow_transformer
from tiny_videos import need_mmaction

from localsup_mm.hosts import find_host
from localsup_mm.planning import resolve_auto

AUX_NETS = r'backbone\.local_supervision\.local_modules'
# a norm layer behind these biases takes them off again: but for rounding their
# gradients are zero
BEFORE_A_NORM = (
    rf'{AUX_NETS}\.\d+\.(decoder\.hidden|aux_neck\.fcs)\.\d+\.0\.bias'
    # the last of a Swin's block, where aux nets begin with a 1x1 conv
    r'|backbone\.stages\.\d\.blocks\.\d\.ffn\.layers\.1\.bias'
)
# the boxes of the batch, 26 and 40 pixels wide, match no anchor of the coarser
# levels of an aux head's pyramid; with laterals alone, of none behind layer3
WITHOUT_BOXES = {
    'infopro/retinanet_r18_k3_lateral_coco-mini.py': (
        rf'{AUX_NETS}\.0\.aux_head\.scales\.[12]\.scale'
        rf'|{AUX_NETS}\.1\.aux_head\.(reg_convs|atss_reg|atss_center|scales).*'
    ),
    'infopro/retinanet_r18_k3_pyramid_coco-mini.py': (
        rf'{AUX_NETS}\.\d\.aux_head\.scales\.[12]\.scale'
    ),
}


def load(name):
    cfg = Config.fromfile(CONFIGS / name)
    init_default_scope(cfg.default_scope)
    return cfg


def make_segmentation_tiny(cfg):
    """The published depth and cuts, a fraction of the width; three images.

    Over two, the norm of the pooled image leaves nothing but signs.
    """
    cfg.model.pretrained = None
    backbone = cfg.model.backbone
    backbone = backbone.get('backbone', backbone)
    if 'depth' in backbone:
        backbone.update(stem_channels=8, base_channels=8)
        expansion = 4 if backbone.depth >= 50 else 1
        cfg.model.decode_head.update(in_channels=64 * expansion, channels=8)
        cfg.model.auxiliary_head.update(in_channels=32 * expansion, channels=8)
        cfg.model.data_preprocessor.size = (64, 64)
    else:
        narrow_transformer(cfg)
    labels = PixelData(data=torch.randint(19, (1, 64, 64)))
    return dict(
        inputs=[torch.randint(256, (3, 64, 64)) for _ in range(3)],
        data_samples=[SegDataSample(gt_sem_seg=labels)] * 3,
    )


def make_classification_tiny(cfg):
    """The published network, a narrow transformer; four small images."""
    cfg.model.data_preprocessor = dict(
        type='ClsDataPreprocessor', **cfg.data_preprocessor
    )
    size = 64 if 'imagenet' in cfg.filename else 16
    backbone = cfg.model.backbone
    if 'img_size' in backbone.get('backbone', backbone):
        narrow_transformer(cfg)
    return dict(
        inputs=[torch.randint(256, (3, size, size)) for _ in range(4)],
        data_samples=[DataSample().set_gt_label(i // 2) for i in range(4)],
    )


def make_detection_tiny(cfg):
    """The published depth and cuts, a fraction of the width; two images."""
    narrow_detector(cfg)
    backbone = cfg.model.backbone
    backbone = backbone.get('backbone', backbone)
    if 'drop_path_rate' in backbone:
        # it would drop a block for both images now and then
        backbone.drop_path_rate = 0.0
    samples = [make_instances(64, 64), make_instances(64, 50)]
    return dict(
        inputs=[torch.randint(256, (3, h, 64)) for h in (64, 50)],
        data_samples=samples,
    )


def make_recognition_tiny(cfg):
    """The published depth and cuts; four small videos of two classes."""
    from mmaction.structures import ActionDataSample

    backbone = cfg.model.backbone
    backbone = backbone.get('backbone', backbone)
    backbone.pretrained = None
    if 'SlowOnly' in backbone.type:
        backbone.base_channels = 8
        cfg.model.cls_head.in_channels = 256 if backbone.depth >= 50 else 64
    shape = find_host(cfg).make_input_shape(cfg, 4, 3, (64, 64))
    return dict(
        inputs=list(torch.randint(256, shape)),
        data_samples=[
            ActionDataSample().set_gt_label(i // 2) for i in range(4)
        ],
    )


MAKE_TINY = {
    'mmaction': make_recognition_tiny,
    'mmdet': make_detection_tiny,
    'mmseg': make_segmentation_tiny,
    'mmpretrain': make_classification_tiny,
}


def test_one_config_of_each_family_is_chosen():
    chosen = most_local_modules()
    assert set(chosen) < set(FILES)
    assert 'infopro/resnet32_k16_softmax_cifar10.py' in chosen
    assert 'infopro/resnet110_k4_balanced_stl10.py' in chosen
    assert not [name for name in chosen if '_k8_' in name]
    assert set(chosen) > QUICK
    assert 'infopro/resnet32_k16_softmax_cifar10.py' in QUICK
    assert 'infopro/resnet101_imagenet.py' in QUICK


def test_the_longer_baseline_of_cityscapes():
    cfg = load('e2e/deeplabv3_r101_60k_cityscapes.py')
    short = load('e2e/deeplabv3_r101_cityscapes.py')
    assert cfg.train_cfg == dict(short.train_cfg, max_iters=60_000)
    (schedule,), (other,) = cfg.param_scheduler, short.param_scheduler
    other.pop('_scope_')
    assert schedule == dict(other, end=60_000)


QUICK = most_different()


@pytest.mark.parametrize(
    'name',
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in most_local_modules()
    ],
)
def test_one_iteration(name):
    cfg = load(name)
    if cfg.default_scope == 'mmaction':
        need_mmaction()
    batch = MAKE_TINY[cfg.default_scope](cfg)
    model = revert_sync_batchnorm(MODELS.build(cfg.model)).train()
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    before = {n: p.clone() for n, p in trained.items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    wrapper = OPTIM_WRAPPERS.build(
        dict(
            type=cfg.optim_wrapper.get('type', 'OptimWrapper'),
            optimizer=optimizer,
        )
    )
    assert model.train_step(batch, wrapper)['loss'].isfinite()
    idle = [n for n, p in trained.items() if torch.equal(p, before[n])]
    expected = f'{BEFORE_A_NORM}|{WITHOUT_BOXES.get(name, "")}'
    assert [n for n in idle if not re.fullmatch(expected, n)] == []


def local_module(cfg):
    """The one local module of a segmentation config."""
    (module,) = cfg.model.backbone.local_modules
    return module


SETTINGS = fileio.load(
    CONFIGS.parent / 'localsup_mm' / 'published' / 'infopro.yml'
)['settings']


@pytest.mark.parametrize('name', SETTINGS)
def test_published_values(name):
    published = SETTINGS[name]
    cfg = load(f'infopro/{name}.py')
    module = local_module(cfg)
    assert module.boundary == published['boundary']
    assert module.decoder.loss_weight == published['lambda_1']
    assert module.decoder.channels == (128, 32, 12)
    batch, crop = published['batch'], tuple(published['crop'])
    head = module.aux_head
    assert head.loss_decode.loss_weight == published['lambda_2']
    assert head.loss_decode.avg_non_ignore
    assert head.align_corners
    assert (head.channels, head.num_convs, head.dropout_ratio) == (512, 1, 0.1)
    assert cfg.train_dataloader.batch_size == batch
    assert cfg.auto_scale_lr.base_batch_size == batch
    assert cfg.model.data_preprocessor.size == crop
    pipeline = {t['type']: t for t in cfg.train_dataloader.dataset.pipeline}
    assert pipeline['RandomCrop']['crop_size'] == crop
    assert pipeline['RandomCrop']['cat_max_ratio'] == 0.75
    assert pipeline['RandomResize']['ratio_range'] == (0.5, 2.0)
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr) == ('SGD', published['lr'])
    assert (optimizer.momentum, optimizer.weight_decay) == (0.9, 5e-4)
    (schedule,) = cfg.param_scheduler
    assert (schedule.type, schedule.power) == ('PolyLR', 0.9)
    assert (schedule.eta_min, schedule.end) == (1e-4, 40000)
    assert cfg.train_cfg.max_iters == 40000
    assert cfg.train_cfg.val_interval == 4000
    assert cfg.env_cfg.cudnn_benchmark


def test_greedy_is_infopro_without_its_decoder():
    greedy = local_module(load('greedy/deeplabv3_r101_cityscapes.py'))
    infopro = local_module(load('infopro/deeplabv3_r101_cityscapes.py'))
    assert greedy.pop('decoder') is None
    assert infopro.pop('decoder') is not None
    assert greedy == infopro


def readme_block(word, page='README.md'):
    """The Python of a page that has a word."""
    text = (CONFIGS.parent / page).read_text()
    blocks = [b.split('```')[0] for b in text.split('```python\n')[1:]]
    (block,) = [block for block in blocks if word in block]
    return block


def test_config_of_the_readme(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(readme_block("'LocalBackbone'"))
    cfg = Config.fromfile(path)
    init_default_scope('mmseg')
    cfg.model.pretrained = None
    model = MODELS.build(cfg.model)
    assert len(model.backbone.local_supervision.local_modules) == 1
    assert cfg.optim_wrapper.type == 'LocalOptimWrapper'


def test_published_settings_of_the_readme(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(
        readme_block('dict(num_local_modules', 'configs/README.md')
    )
    model = MODELS.build(Config.fromfile(path).model.backbone)
    assert len(model.local_supervision.local_modules) == 15


def test_auto_of_the_readme(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(
        f"_base_ = ['{CONFIGS}/e2e/deeplabv3_r18_cityscapes.py']\n"
        + readme_block("'auto'", 'configs/README.md')
        + "model = dict(backbone=dict(_delete_=True, type='LocalBackbone', "
        'backbone=_base_.model.backbone, local_modules=local_modules))\n'
    )
    cfg = Config.fromfile(path)
    plan = resolve_auto(cfg)
    assert plan.peak_memory <= 4 * 2**30 < plan.end_to_end
    assert len(cfg.model.backbone.local_modules.boundaries) > 0


def test_a_config_of_ours_is_inherited(tmp_path):
    path = tmp_path / 'child.py'
    path.write_text(
        f"_base_ = ['{CONFIGS}/infopro/deeplabv3_r101_cityscapes.py']\n"
        'optim_wrapper = dict(optimizer=dict(lr=0.02))\n'
        'model = dict(backbone=dict(backbone=dict(with_cp=True)))\n'
    )
    cfg = Config.fromfile(path)
    assert cfg.optim_wrapper.type == 'LocalOptimWrapper'
    assert cfg.optim_wrapper.optimizer.lr == 0.02
    assert cfg.model.backbone.backbone.with_cp
    assert local_module(cfg).boundary == 'layer3.12'


def test_saved_config_is_the_same(tmp_path):
    cfg = Config.fromfile(CONFIGS / 'infopro/deeplabv3_r101_cityscapes.py')
    cfg.dump(tmp_path / 'saved.py')
    saved = Config.fromfile(tmp_path / 'saved.py')
    assert saved.model == cfg.model
    assert saved.optim_wrapper == cfg.optim_wrapper
