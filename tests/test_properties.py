"""Every case of the table has every property."""

import asserts
import pytest
from cases import (
    CASES,
    CHECKPOINTED_CASES,
    CONTEXT_CASES,
    build_model,
    name_cases,
)

PROPERTIES = [
    asserts.assert_matches_joint_backward,
    asserts.assert_all_learn,
    asserts.assert_isolated,
    asserts.assert_matches_end_to_end,
    asserts.assert_eval_transparent,
    asserts.assert_leaves_nothing,
    asserts.assert_frees_graphs,
    asserts.assert_copy_is_independent,
]


@pytest.mark.parametrize(
    'check', PROPERTIES, ids=lambda f: f.__name__.removeprefix('assert_')
)
@pytest.mark.parametrize('name', name_cases(CASES))
def test_property(name, check):
    check(CASES[name])


# context is part of the network, so that one is not the host
CONTEXT_PROPERTIES = [
    check
    for check in PROPERTIES
    if check
    not in (
        asserts.assert_matches_end_to_end,
        asserts.assert_eval_transparent,
    )
]


@pytest.mark.parametrize(
    'check',
    CONTEXT_PROPERTIES,
    ids=lambda f: f.__name__.removeprefix('assert_'),
)
@pytest.mark.parametrize('name', CONTEXT_CASES)
def test_property_with_context(name, check):
    check(CONTEXT_CASES[name])


# a checkpoint keeps the input of the stretch that runs
CHECKPOINTED_PROPERTIES = [
    check for check in PROPERTIES if check is not asserts.assert_frees_graphs
]


@pytest.mark.parametrize(
    'check',
    CHECKPOINTED_PROPERTIES,
    ids=lambda f: f.__name__.removeprefix('assert_'),
)
@pytest.mark.parametrize('name', CHECKPOINTED_CASES)
def test_property_with_checkpointing(name, check):
    check(CHECKPOINTED_CASES[name])


@pytest.mark.parametrize('name', CASES)
def test_partition(name):
    case = CASES[name]
    supervision = build_model(case).backbone.local_supervision
    partition = supervision.partition
    assert [b.name for b in partition.boundaries] == list(case.boundaries)
    assert partition.closed_outputs == case.closed_outputs
    assert partition.taps == case.taps
