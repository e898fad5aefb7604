"""The class map: what is where, and what does not count."""

import pytest
import torch
from cases import make_instances
from mmengine.structures import InstanceData

from localsup_mm.models import ClassMapHead
from localsup_mm.models.heads.class_map_head import class_map

BACKGROUND, IGNORED = 3, -1


def test_the_smaller_instance_is_in_front():
    sample = make_instances(64, 64)
    # a box of class 0 within one of class 2
    sample.gt_instances.bboxes = torch.tensor(
        [[16.0, 16.0, 32.0, 32.0], [8.0, 8.0, 56.0, 40.0]]
    )
    found = class_map(sample, (8, 8), 3)
    assert found[2, 2] == found[3, 3] == 0
    assert found[1, 1] == found[4, 4] == found[4, 6] == 2
    assert found[0, 0] == found[5, 3] == found[3, 7] == BACKGROUND
    assert (found == 0).sum() == 4
    assert (found != BACKGROUND).sum() == 4 * 6


def test_masks_instead_of_boxes():
    sample = make_instances(64, 64)
    boxes = class_map(sample, (16, 16), 3)
    masks = class_map(sample, (16, 16), 3, 'masks')
    # each mask is the left half of its box
    first = masks == 0
    assert 0 < first.sum() < (boxes == 0).sum()
    assert first[:, :4].sum() == first.sum()


def test_padding_and_crowds_do_not_count():
    sample = make_instances(64, 40)
    sample.ignored_instances = InstanceData(
        bboxes=torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    )
    found = class_map(sample, (8, 8), 3)
    assert (found[5:] == IGNORED).all()
    assert found[0, 0] == IGNORED
    # an instance in the crowd is one
    assert found[1, 1] == 0
    assert (class_map(sample, (8, 8), 3, 'masks')[5:] == IGNORED).all()


def test_no_instances_are_background():
    sample = make_instances(64, 64)
    sample.gt_instances = sample.gt_instances[:0]
    for source in ('boxes', 'masks'):
        found = class_map(sample, (4, 4), 3, source)
        assert (found == BACKGROUND).all()


def test_loss_is_the_mean_over_what_counts():
    head = ClassMapHead(4, num_classes=3, loss_weight=0.5).eval()
    samples = [make_instances(64, 64), make_instances(64, 40)]
    feats = (torch.randn(2, 4, 8, 8),)
    log_prob = head(feats).log_softmax(1)
    terms = [
        -log_prob[i, label, y, x]
        for i, sample in enumerate(samples)
        for y, row in enumerate(class_map(sample, (8, 8), 3).tolist())
        for x, label in enumerate(row)
        if label != IGNORED
    ]
    assert len(terms) == 64 + 40
    expected = 0.5 * torch.stack(terms).mean()
    found = head.loss(feats, samples)['loss_class_map']
    torch.testing.assert_close(found, expected)


def test_all_padding_is_no_nan():
    sample = make_instances(64, 64)
    sample.set_metainfo(dict(img_shape=(0, 0)))
    loss = ClassMapHead(4, 3).loss((torch.randn(1, 4, 8, 8),), [sample])
    assert loss['loss_class_map'] == 0


def test_errors_name_the_way_out():
    sample = make_instances(64, 64)
    del sample.gt_instances.masks
    head = ClassMapHead(4, 3, source='masks')
    with pytest.raises(ValueError, match='with_mask=True'):
        head.loss((torch.randn(1, 4, 8, 8),), [sample])
    with pytest.raises(ValueError, match=r"'boxes' or 'masks'.*'points'"):
        ClassMapHead(4, 3, source='points')
