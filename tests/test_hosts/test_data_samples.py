"""Made-up labels."""

import pytest

from localsup_mm.hosts import (
    find_annotations,
    find_data_samples,
    read_training,
)


@pytest.mark.parametrize('annotations', [('mask', 'seg'), ('mask',), ()])
def test_boxes(annotations):
    samples = find_data_samples('mmdet', annotations)((2, 3, 128, 160))
    assert len(samples) == 2
    instances = samples[0].gt_instances
    assert (instances.bboxes[:, 2:] > instances.bboxes[:, :2]).all()
    assert instances.bboxes.max() <= 160
    assert ('masks' in instances) == ('mask' in annotations)
    assert ('gt_sem_seg' in samples[0]) == ('seg' in annotations)


def test_what_configs_load():
    mask_rcnn = read_training('mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py')
    rtmdet = read_training('mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py')
    panoptic = read_training(
        'mmdet::panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py'
    )
    assert find_annotations(mask_rcnn) == ('mask',)
    assert find_annotations(panoptic) == ('mask', 'seg')
    assert find_annotations(rtmdet) == ()


def test_unknown_host():
    with pytest.raises(ValueError, match=r"one of .*'mmseg'.*but got 'mmocr'"):
        find_data_samples('mmocr')
