"""Made-up labels."""

import pytest

from localsup_mm.planning import find_data_samples, loads_masks, read_training


@pytest.mark.parametrize('with_masks', [True, False])
def test_boxes(with_masks):
    samples = find_data_samples('mmdet', with_masks)((2, 3, 128, 160))
    assert len(samples) == 2
    instances = samples[0].gt_instances
    assert (instances.bboxes[:, 2:] > instances.bboxes[:, :2]).all()
    assert instances.bboxes.max() <= 160
    assert ('masks' in instances) == with_masks


def test_which_configs_load_masks():
    mask_rcnn = read_training('mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py')
    rtmdet = read_training('mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py')
    panoptic = read_training(
        'mmdet::panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py'
    )
    assert loads_masks(mask_rcnn)
    assert loads_masks(panoptic)
    assert not loads_masks(rtmdet)


def test_unknown_host():
    with pytest.raises(ValueError, match=r"one of .*'mmseg'.*but got 'mmocr'"):
        find_data_samples('mmocr')
