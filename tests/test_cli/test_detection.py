"""Detection and instance segmentation, on real images of COCO."""

import json
import re
from pathlib import Path

import pytest
from commands import run_localsup
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.runner import Runner
from processes import ROOT, read_scalars
from tiny_detector import narrow_detector

COCO = ROOT.parent / 'shared' / 'data' / 'coco_mini'
CONFIGS = sorted(
    str(p.relative_to(ROOT / 'configs'))
    for p in (ROOT / 'configs').glob('*/*_coco.py')
)
QUICK = (
    'e2e/retinanet_r50_coco.py',
    'greedy/mask-rcnn_r50_coco.py',
    'infopro/mask-rcnn_swin-t_coco.py',
    'infopro/retinanet_r50_coco.py',
)
STOCK = 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'
pytestmark = pytest.mark.skipif(
    not COCO.is_dir(), reason='the real images are not here'
)


@pytest.fixture(scope='module')
def annotations(tmp_path_factory):
    """Four images with masks, the last without any instance."""
    content = json.loads(
        (COCO / 'annotations/instances_train2017.json').read_text()
    )
    content['images'] = content['images'][:4]
    shown = {image['id'] for image in content['images'][:3]}
    content['annotations'] = [
        a for a in content['annotations'] if a['image_id'] in shown
    ]
    path = tmp_path_factory.mktemp('coco') / 'four.json'
    path.write_text(json.dumps(content))
    return str(path)


def make_tiny(name, annotations, work_dir):
    """Two iterations of a narrow network on four small images."""
    cfg = (
        get_config(name)
        if '::' in name
        else Config.fromfile(ROOT / 'configs' / name)
    )
    narrow_detector(cfg)
    cfg.work_dir = str(work_dir)
    # mmengine keeps visualizers by their names
    cfg.visualizer.name = str(work_dir)
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
        dict(type='Resize', scale=(64, 64), keep_ratio=True),
        dict(
            type='PackDetInputs',
            meta_keys=(
                'img_id',
                'img_path',
                'ori_shape',
                'img_shape',
                'scale_factor',
            ),
        ),
    ]
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg[loader].update(
            batch_size=2, num_workers=0, persistent_workers=False
        )
        cfg[loader].dataset.update(
            data_root=f'{COCO}/',
            ann_file=annotations,
            data_prefix=dict(img='train2017/'),
            filter_cfg=dict(filter_empty_gt=False),
            pipeline=pipeline,
        )
    cfg.val_evaluator.ann_file = cfg.test_evaluator.ann_file = annotations
    cfg.train_cfg = dict(
        type='IterBasedTrainLoop', max_iters=2, val_interval=2
    )
    cfg.param_scheduler = []
    cfg.default_hooks.logger.update(interval=1, log_metric_by_epoch=False)
    cfg.default_hooks.checkpoint.update(by_epoch=False, interval=2)
    cfg.log_processor.by_epoch = False
    cfg.env_cfg.dist_cfg.backend = 'gloo'
    # all boxes count, however low their score
    cfg.model.test_cfg.get('rcnn', cfg.model.test_cfg).score_thr = 0.0
    return cfg


@pytest.mark.parametrize(
    'name',
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in CONFIGS
    ],
)
def test_train_and_evaluate(name, annotations, tmp_path):
    cfg = make_tiny(name, annotations, tmp_path)
    Runner.from_cfg(cfg).train()
    scores = read_scalars(tmp_path, 'coco/bbox_mAP')
    assert 0 <= scores[2] <= 1
    assert bool(read_scalars(tmp_path, 'coco/segm_mAP')) == ('mask' in name)
    losses = read_scalars(tmp_path, 'local_0.loss_bbox')
    assert bool(losses) != name.startswith('e2e')
    assert bool(read_scalars(tmp_path, 'local_0.loss_recon')) == (
        name.startswith('infopro')
    )


def test_stock_host_gives_a_local_checkpoint_the_same_map(
    annotations, tmp_path
):
    local = make_tiny('infopro/mask-rcnn_r50_coco.py', annotations, tmp_path)
    local.dump(tmp_path / 'local.py')
    run_localsup(
        'train', tmp_path / 'local.py', '--work-dir', tmp_path / 'run'
    )
    checkpoint = tmp_path / 'run' / 'iter_2.pth'
    ours = run_localsup(
        'test',
        tmp_path / 'local.py',
        checkpoint,
        '--work-dir',
        tmp_path / 'ours',
    )
    stock = make_tiny(STOCK, annotations, tmp_path / 'stock')
    stock.load_from = str(checkpoint)
    theirs = Runner.from_cfg(stock).test()
    found = dict(re.findall(r'coco/(\w+): (-?[\d.]+)', ours))
    assert {'bbox_mAP', 'segm_mAP'} <= found.keys()
    for key, value in found.items():
        assert float(value) == pytest.approx(theirs[f'coco/{key}'], abs=1e-3)


def test_images_without_boxes_train_on(annotations, tmp_path):
    content = json.loads(Path(annotations).read_text())
    content['annotations'] = []
    empty = tmp_path / 'empty.json'
    empty.write_text(json.dumps(content))
    cfg = make_tiny('infopro/mask-rcnn_r50_coco.py', annotations, tmp_path)
    cfg.model.backbone.local_modules.aux_head = [
        cfg.model.backbone.local_modules.aux_head,
        dict(type='ClassMapHead', num_classes=80, source='masks'),
    ]
    cfg.train_dataloader.dataset.ann_file = str(empty)
    # a local loss that is not finite would raise
    Runner.from_cfg(cfg).train()
    assert read_scalars(tmp_path, 'loss')[2] < float('inf')
    assert read_scalars(tmp_path, 'local_1.loss_class_map')[2] > 0


def test_masks_that_were_not_loaded(annotations, tmp_path):
    cfg = make_tiny('greedy/retinanet_r50_coco.py', annotations, tmp_path)
    cfg.model.backbone.local_modules.aux_head = dict(
        type='ClassMapHead', num_classes=80, source='masks'
    )
    cfg.train_dataloader.dataset.pipeline[1].with_mask = False
    with pytest.raises(ValueError, match='with_mask=True'):
        Runner.from_cfg(cfg).train()


def test_a_boundary_inside_a_frozen_stage(annotations, tmp_path):
    cfg = make_tiny('infopro/retinanet_r50_coco.py', annotations, tmp_path)
    cfg.model.backbone.local_modules.boundaries = ['layer1.2']
    with pytest.raises(ValueError, match=r"'layer1.2'.*frozen"):
        Runner.from_cfg(cfg)
