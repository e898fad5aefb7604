"""Two and four processes train what one does with all their images."""

from functools import partial

import pytest
import torch
from gloo_processes import run_processes
from union_cases import assert_same, choose_ways, train

from localsup_mm.engine import LocalDistributedDataParallel

# all in two processes, each feature alone in four
WAYS = choose_ways()
NUMBERS = {2: WAYS, 4: [way for way in WAYS if len(way) < 2]}


@pytest.fixture(scope='module')
def of_one_process(tmp_path_factory):
    """Path of what one process trains, in each of the ways."""
    path = tmp_path_factory.mktemp('one') / 'trained.pt'
    torch.save({way: train(way) for way in WAYS}, path)
    return path


def check_ways(rank, number, path, ways):
    expected = torch.load(path, weights_only=False)
    for way in ways:
        wrap = partial(
            LocalDistributedDataParallel,
            find_unused_parameters='unused' in way,
        )
        assert_same(train(way, wrap, rank, number), expected[way], way)


@pytest.mark.slow
@pytest.mark.parametrize('number', NUMBERS)
def test_equals_one_process(of_one_process, number):
    run_processes(number, check_ways, number, of_one_process, NUMBERS[number])
