"""torch's own checkpointing within a backbone, non-reentrant."""

import pytest
from asserts import NoStep, train_step
from cases import CHECKPOINTED_CASES, CheckpointedBackbone, build_model

from localsup_mm import LocalOptimWrapper, trace_backbone

CASE = CHECKPOINTED_CASES['checkpointed_1']


def find_gradients(num_together, num_local_modules=None):
    backbone = dict(CASE.backbone, num_together=num_together)
    model = build_model(CASE._replace(backbone=backbone), num_local_modules)
    train_step(model, LocalOptimWrapper(optimizer=NoStep(model)))
    return {n: p.grad for n, p in model.named_parameters()}


@pytest.mark.parametrize('num_together', [1, 2, 4])
def test_trace_sees_through_it(num_together):
    found = trace_backbone(CheckpointedBackbone(num_together))
    assert (
        found.boundaries == trace_backbone(CheckpointedBackbone(0)).boundaries
    )
    assert 'blocks.1' in found.boundaries


@pytest.mark.parametrize('num_together', [1, 2, 4])
def test_gradients_are_those_without(num_together):
    """Each local loss counts once, though its hook runs again."""
    expected = find_gradients(0)
    found = find_gradients(num_together)
    assert found.keys() == expected.keys()
    for name, grad in expected.items():
        assert found[name].equal(grad), name


def test_gradients_depend_on_the_local_losses():
    joint, local = find_gradients(1, num_local_modules=1), find_gradients(1)
    assert not local['backbone.stem.weight'].equal(
        joint['backbone.stem.weight']
    )
