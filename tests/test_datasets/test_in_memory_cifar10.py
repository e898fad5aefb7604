"""CIFAR-10 in memory: the images, their augmentation, and seeds."""

import hashlib
import pickle

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmpretrain.datasets import CIFAR10
from processes import ROOT
from torch.utils.data import DataLoader

from localsup_mm.analysis import GridRunner, read_grid
from localsup_mm.datasets import InMemoryCIFAR10


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Files of CIFAR-10's layout, eight images each."""
    root = tmp_path / 'cifar-10-batches-py'
    root.mkdir()
    rng = np.random.default_rng(0)

    def write(name: str, content: dict) -> list[str]:
        data = pickle.dumps(content)
        (root / name).write_bytes(data)
        return [name, hashlib.md5(data).hexdigest()]

    def write_batch(name: str) -> list[str]:
        images = rng.integers(0, 256, (8, 3072), dtype=np.uint8)
        return write(name, dict(data=images, labels=list(range(8))))

    names = [f'data_batch_{i}' for i in range(1, 6)]
    monkeypatch.setattr(CIFAR10, 'train_list', list(map(write_batch, names)))
    monkeypatch.setattr(CIFAR10, 'test_list', [write_batch('test_batch')])
    return tmp_path


def load(dataset: InMemoryCIFAR10) -> list[dict]:
    torch.manual_seed(0)
    loader = DataLoader(
        dataset, batch_size=16, shuffle=True, collate_fn=pseudo_collate
    )
    return list(loader)


def test_averages_pixels(folder):
    original = CIFAR10(str(folder), 'test')
    small = InMemoryCIFAR10(str(folder), 'test', image_size=8)
    assert len(small) == 8
    for i in (0, 7):
        image = original[i]['img'].reshape(8, 4, 8, 4, 3)
        expected = image.mean((1, 3)).transpose(2, 0, 1)
        found = small[i]
        assert found['inputs'].dtype == torch.uint8
        np.testing.assert_allclose(found['inputs'], expected, atol=0.5)
        assert found['data_samples'].gt_label.tolist() == [i]


def test_crops_of_the_reflected_image_and_flips(folder):
    plain = InMemoryCIFAR10(str(folder), image_size=8)
    dataset = InMemoryCIFAR10(
        str(folder), image_size=8, padding=2, flip_prob=0.5
    )
    torch.manual_seed(0)
    seen = set()
    for _ in range(200):
        image = dataset[3]['inputs'].numpy()
        padded = np.pad(
            plain[3]['inputs'].numpy(), ((0, 0), (2, 2), (2, 2)), 'reflect'
        )
        places = [
            (y, x, flipped)
            for y in range(5)
            for x in range(5)
            for flipped in (False, True)
            if np.array_equal(
                padded[:, y : y + 8, x : x + 8][..., :: -1 if flipped else 1],
                image,
            )
        ]
        assert len(places) == 1
        seen.update(places)
    # nearly all of the 50 there are
    assert len(seen) > 45
    # each image of a batch for itself
    batch = torch.stack([d['inputs'] for d in dataset.__getitems__([3] * 9)])
    assert len(torch.unique(batch, dim=0)) > 5


def test_a_seed_gives_the_same_batches(folder):
    dataset = InMemoryCIFAR10(str(folder), padding=2, flip_prob=0.5)
    first, second = load(dataset), load(dataset)
    assert len(first) == 3
    for a, b in zip(first, second, strict=True):
        assert torch.equal(torch.stack(a['inputs']), torch.stack(b['inputs']))
        labels = [
            [sample.gt_label.item() for sample in batch['data_samples']]
            for batch in (a, b)
        ]
        assert labels[0] == labels[1]


@pytest.mark.parametrize(
    'device',
    [
        'cpu',
        pytest.param(
            'cuda',
            marks=pytest.mark.skipif(
                not torch.cuda.is_available(), reason='needs a GPU'
            ),
        ),
    ],
)
def test_the_grid_of_full_size_trains_from_memory(folder, device, tmp_path):
    """Each row of the GPU recipe gets such batches, in the same order."""
    grid = read_grid([f'{ROOT}/benchmarks/cifar10_k16.yml'], [0])
    runner = GridRunner(
        tmp_path,
        grid.metric,
        schedule=f'{ROOT}/configs/_base_/datasets/cifar10_gpu.py',
    )
    assert len(grid.cells) == 11
    first = None
    for cell in grid.cells:
        cfg = runner.load_config(cell)
        assert cfg.train_cfg.max_epochs == 160
        assert cfg.train_dataloader.dataset.device == 'cuda'
        sizes = []
        for loader in (cfg.train_dataloader, cfg.val_dataloader):
            loader.dataset.update(data_root=str(folder), device=device)
            torch.manual_seed(0)
            with DefaultScope.overwrite_default_scope('mmpretrain'):
                (batch,) = Runner.build_dataloader(loader, seed=0)
            inputs = torch.stack(batch['inputs'])
            assert inputs.shape[1:] == (3, 32, 32)
            assert inputs.device.type == device
            sizes.append(len(inputs))
            if first is None:
                first = inputs
            elif len(sizes) == 1:
                assert torch.equal(inputs, first)
        assert sizes == [40, 8]


def test_some_classes(folder):
    every = InMemoryCIFAR10(str(folder))
    some = InMemoryCIFAR10(str(folder), labels=[6, 2])
    assert some.metainfo['classes'] == ['frog', 'bird']
    labels = [every.get_data_info(i)['gt_label'] for i in range(40)]
    kept = [i for i, label in enumerate(labels) if label in (2, 6)]
    assert len(some) == len(kept) == 10
    for i, j in enumerate(kept):
        assert torch.equal(some[i]['inputs'], every[j]['inputs'])
        assert some[i]['data_samples'].gt_label == [6, 2].index(labels[j])


def test_refuses_a_size_that_does_not_divide(folder):
    with pytest.raises(ValueError, match='should divide 32, but got 12'):
        InMemoryCIFAR10(str(folder), image_size=12)
