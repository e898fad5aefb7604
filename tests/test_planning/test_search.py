"""The search against all choices there are."""

import itertools
import random

import pytest

from localsup_mm.planning.aux_cost import AuxCost
from localsup_mm.planning.memory_model import MemoryModel
from localsup_mm.planning.search import find_choices
from localsup_mm.planning.step_profile import StepProfile

NUM_PLACES = 8


def make_model(seed):
    """Memory that grows by random steps; five kinds of aux nets."""
    draw = random.Random(seed).randint
    ends = range(NUM_PLACES + 2)
    forward = list(itertools.accumulate(draw(10, 100) for _ in ends))
    kinds = [
        AuxCost(draw(0, 50), draw(5, 60), draw(0, 50), draw(1, 80), draw(1, 5))
        for _ in range(5)
    ]
    profile = StepProfile(
        names=tuple(f'layer{i}' for i in range(NUM_PLACES)),
        static=100,
        peak=2 * forward[-1],
        macs=1000,
        state_ratio=0.1,
        forward=forward,
        forward_peaks=[f + draw(0, 20) for f in forward],
        backward_peaks=[f + draw(0, 60) for f in forward],
        held_peaks=[f + draw(0, 70) for f in forward],
        update=draw(0, 50),
        gradients=list(itertools.accumulate(draw(0, 9) for _ in ends)),
        kept=[{1: 5} if i > 3 else {} for i in ends],
        outputs=[(10 + i, draw(1, 10)) for i in ends],
        inputs=[{9 + i: 4} for i in ends],
        features=[None for _ in ends],
    )
    return MemoryModel(
        profile, [kinds[i * 5 // NUM_PLACES] for i in range(NUM_PLACES)]
    )


def find_by_trying_all(model, k):
    sizes = range(NUM_PLACES + 1) if k is None else [k - 1]
    tried = sorted(
        (
            max(model.peaks(places)),
            sum(model.aux(place).macs for place in places),
        )
        for size in sizes
        for places in itertools.combinations(range(1, NUM_PLACES + 1), size)
    )
    return [
        pair
        for i, pair in enumerate(tried)
        if all(pair[1] < macs for _, macs in tried[:i])
    ]


@pytest.mark.parametrize('k', [None, 1, 2, 4, NUM_PLACES + 1])
@pytest.mark.parametrize('seed', range(10))
def test_nothing_better_is_missed(seed, k):
    model = make_model(seed)
    choices = find_choices(model, k)
    static = model.profile.static
    found = [(static + c.peak, c.macs) for c in choices]
    assert found == find_by_trying_all(model, k)
    for choice in choices:
        assert max(model.peaks(choice.places)) == static + choice.peak


def test_more_modules_than_places():
    assert find_choices(make_model(0), NUM_PLACES + 2) == []
