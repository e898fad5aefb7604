"""First steps with own data: what is wrong is said before training."""

import shutil

import cv2
import numpy as np
import pytest
from commands import run_localsup

from localsup_mm.errors import SetupError

INFOPRO = 'infopro/deeplabv3_r18_k4_cityscapes.py'


@pytest.fixture
def own_data(mini_cityscapes, tmp_path):
    return shutil.copytree(mini_cityscapes, tmp_path / 'own')


def change_labels(root, function):
    for path in root.glob('gtFine/train/**/*_labelTrainIds.png'):
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), function(labels))


def find_refusal(config, root, *options):
    with pytest.raises(SetupError) as caught:
        run_localsup(
            'train',
            config,
            '--work-dir',
            root / 'work',
            '--cfg-options',
            f'train_dataloader.dataset.data_root={root}',
            *options,
        )
    return str(caught.value)


@pytest.mark.filterwarnings('ignore:Please pay attention')
@pytest.mark.parametrize(
    ('change', 'expected'),
    [
        (lambda labels: np.dstack([labels] * 3), 'shape (64, 64, 3)'),
        (lambda labels: np.full_like(labels, 77), 'with [77]. Map them'),
    ],
)
def test_labels(change, expected, make_config, own_data):
    change_labels(own_data, change)
    said = find_refusal(make_config(INFOPRO), own_data)
    assert '_gtFine_labelTrainIds.png' in said
    assert expected in said


def test_suffix_of_images(make_config, own_data):
    option = 'train_dataloader.dataset.img_suffix=.tif'
    said = find_refusal(make_config(INFOPRO), own_data, option)
    assert '`img_suffix` should end the names of images of Citys' in said
    assert "got '.tif'" in said
    assert '_leftImg8bit.png' in said


def test_single_image(make_config, own_data):
    option = 'train_dataloader.batch_size=1'
    said = find_refusal(make_config(INFOPRO), own_data, option)
    assert "'decode_head.image_pool.1.bn', whose features are 1 x 1" in said
    assert 'got batches of 1.' in said
