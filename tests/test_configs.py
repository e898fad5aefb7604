"""Every config builds, trains an iteration at tiny size, and says what the
paper says."""

from pathlib import Path

import pytest
import torch
from cases import make_instances
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, OPTIM_WRAPPERS, init_default_scope
from mmengine.structures import PixelData
from mmpretrain.structures import DataSample
from mmseg.structures import SegDataSample
from tiny_detector import narrow_detector

from localsup_mm.planning import resolve_auto

CONFIGS = Path(__file__).parents[1] / 'configs'
FILES = sorted(
    str(p.relative_to(CONFIGS))
    for p in CONFIGS.glob('*/*.py')
    if not p.parent.name.startswith('_')
)


def load(name):
    cfg = Config.fromfile(CONFIGS / name)
    init_default_scope(cfg.default_scope)
    return cfg


def make_segmentation_tiny(cfg):
    """The published depth and cuts, a fraction of the width; two images."""
    cfg.model.pretrained = None
    backbone = cfg.model.backbone
    backbone = backbone.get('backbone', backbone)
    backbone.update(stem_channels=8, base_channels=8)
    expansion = 4 if backbone.depth >= 50 else 1
    cfg.model.decode_head.update(in_channels=64 * expansion, channels=8)
    cfg.model.auxiliary_head.update(in_channels=32 * expansion, channels=8)
    cfg.model.data_preprocessor.size = (64, 64)
    labels = PixelData(data=torch.randint(19, (1, 64, 64)))
    return dict(
        inputs=[torch.randint(256, (3, 64, 64))] * 2,
        data_samples=[SegDataSample(gt_sem_seg=labels)] * 2,
    )


def make_classification_tiny(cfg):
    """The published network; four small images of two classes."""
    cfg.model.data_preprocessor = dict(
        type='ClsDataPreprocessor', **cfg.data_preprocessor
    )
    size = 64 if 'imagenet' in cfg.filename else 16
    return dict(
        inputs=[torch.randint(256, (3, size, size)) for _ in range(4)],
        data_samples=[DataSample().set_gt_label(i // 2) for i in range(4)],
    )


def make_detection_tiny(cfg):
    """The published depth and cuts, a fraction of the width; two images."""
    narrow_detector(cfg)
    samples = [make_instances(64, 64), make_instances(64, 50)]
    return dict(
        inputs=[torch.randint(256, (3, h, 64)) for h in (64, 50)],
        data_samples=samples,
    )


MAKE_TINY = {
    'mmdet': make_detection_tiny,
    'mmseg': make_segmentation_tiny,
    'mmpretrain': make_classification_tiny,
}


@pytest.mark.parametrize('name', FILES)
def test_one_iteration(name):
    cfg = load(name)
    batch = MAKE_TINY[cfg.default_scope](cfg)
    model = revert_sync_batchnorm(MODELS.build(cfg.model)).train()
    trained = [p for p in model.parameters() if p.requires_grad]
    before = [p.clone() for p in trained]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    wrapper = OPTIM_WRAPPERS.build(
        dict(type=cfg.optim_wrapper.type, optimizer=optimizer)
    )
    assert model.train_step(batch, wrapper)['loss'].isfinite()
    # every part learns, but for detectors' levels where no instance is
    learned = [not torch.equal(a, b) for a, b in zip(before, trained)]
    assert sum(learned) > 0.85 * len(learned)


def local_module(cfg):
    """The one local module of a segmentation config."""
    (module,) = cfg.model.backbone.local_modules
    return module


@pytest.mark.parametrize(
    ('name', 'batch', 'crop', 'lr', 'lambda_1', 'lambda_2'),
    [
        ('r101', 8, (512, 1024), 0.01, 1.5, 1.0),
        ('r101_bs12', 12, (512, 1024), 0.015, 1.0, 0.1),
        ('r101_640x1280', 8, (640, 1280), 0.015, 2.0, 1.0),
    ],
)
def test_published_values(name, batch, crop, lr, lambda_1, lambda_2):
    cfg = load(f'infopro/deeplabv3_{name}_cityscapes.py')
    module = local_module(cfg)
    assert module.boundary == 'layer3.12'
    assert module.decoder.loss_weight == lambda_1
    assert module.decoder.channels == (128, 32, 12)
    head = module.aux_head
    assert head.loss_decode.loss_weight == lambda_2
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
    assert (optimizer.type, optimizer.lr) == ('SGD', lr)
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


def readme_block(word):
    """The Python of the README that has a word."""
    text = (CONFIGS.parent / 'README.md').read_text()
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
    block = readme_block('dict(num_local_modules')
    path = tmp_path / 'mine.py'
    path.write_text(block.replace("'configs/", f"'{CONFIGS}/"))
    model = MODELS.build(Config.fromfile(path).model.backbone)
    assert len(model.local_supervision.local_modules) == 15


def test_auto_of_the_readme(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(
        f"_base_ = ['{CONFIGS}/e2e/deeplabv3_r18_cityscapes.py']\n"
        + readme_block("'auto'")
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
