"""Every case of the table has every property."""

import asserts
import pytest
from cases import CASES, build_model

PROPERTIES = [
    asserts.assert_matches_joint_backward,
    asserts.assert_all_learn,
    asserts.assert_isolated,
    asserts.assert_matches_end_to_end,
    asserts.assert_eval_transparent,
    asserts.assert_leaves_nothing,
    asserts.assert_copy_is_independent,
]


@pytest.mark.parametrize(
    'check', PROPERTIES, ids=lambda f: f.__name__.removeprefix('assert_')
)
@pytest.mark.parametrize('name', CASES)
def test_property(name, check):
    check(CASES[name])


@pytest.mark.parametrize('name', CASES)
def test_partition(name):
    case = CASES[name]
    supervision = build_model(case).backbone.local_supervision
    partition = supervision.partition
    assert [b.name for b in partition.boundaries] == list(case.boundaries)
    assert partition.closed_outputs == case.closed_outputs
    assert partition.taps == case.taps
