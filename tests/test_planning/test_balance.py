"""Boundaries with which local modules take equally long."""

import itertools
import random
from types import SimpleNamespace

import pytest

from localsup_mm.planning.balance import (
    balance_macs,
    find_shares,
    plan_balanced,
)
from localsup_mm.planning.planner import Planner


@pytest.mark.parametrize('num_local_modules', [1, 2, 3, 5])
def test_no_better_choice_is_missed(num_local_modules):
    draw = random.Random(num_local_modules)
    for _ in range(50):
        macs = [draw.randint(0, 9) for _ in range(8)]
        aux = [draw.randint(0, 3) for _ in range(7)]
        found = balance_macs(macs, aux, num_local_modules)
        assert len(found) == num_local_modules - 1
        assert list(found) == sorted(set(found))

        def largest(places, macs=macs, aux=aux):
            shares = find_shares(macs, aux, places)
            total = sum(macs) + sum(aux[place] for place in places)
            assert sum(shares) == pytest.approx(1)
            return round(max(shares) * total)

        every = itertools.combinations(range(7), num_local_modules - 1)
        assert largest(found) == min(map(largest, every))


def test_shares_of_a_choice_by_hand():
    # 10 + 2 of aux nets, 20 + 3, 30
    shares = find_shares([10, 5, 15, 30], [2, 9, 3], (0, 2))
    assert shares == pytest.approx([12 / 65, 23 / 65, 30 / 65])


def test_more_local_modules_than_places_are_refused():
    workload = SimpleNamespace(model=SimpleNamespace(backbone=None))
    profile = SimpleNamespace(names=('a', 'b'))
    planner = Planner(workload, SimpleNamespace(profile=profile), {})
    with pytest.raises(ValueError, match=r'from 1 to 3.*got 4'):
        plan_balanced(planner, 4)
