"""The copy of a model that trains on fake tensors."""

from functools import partial

import pytest
import torch
from torch import nn

from localsup_mm.simulation import FakeStep, Workload
from localsup_mm.upstream import FakeTensor


def make_net():
    """Its backbone refers to its head, as that of DDQ does."""
    net = nn.Module()
    net.backbone = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    net.head = nn.Linear(4, 2)
    net.backbone.shared = dict(branches=net.head)
    return net


@pytest.mark.parametrize('accumulates', [False, True])
@pytest.mark.parametrize('is_data_dependent', [False, True])
@pytest.mark.parametrize(
    'make_optimizer',
    [partial(torch.optim.SGD, lr=0.1, momentum=0.9), torch.optim.AdamW],
)
def test_state_is_of_the_kind_of_its_parameter(
    make_optimizer, is_data_dependent, accumulates
):
    workload = Workload(
        make_net(),
        (2, 3, 8, 8),
        lambda shape: None,
        make_optimizer,
        is_data_dependent=is_data_dependent,
        accumulates=accumulates,
    )
    step = FakeStep(workload)
    assert step.model.backbone.shared['branches'] is step.model.head
    parameters = dict(step.model.named_parameters())
    assert len(step.optimizer.state) == len(parameters) == 6
    for name, parameter in parameters.items():
        is_real = is_data_dependent and name.startswith('head')
        state = step.optimizer.state[parameter]
        tensors = [t for k, t in state.items() if k != 'step']
        assert tensors
        tensors.append(parameter)
        if accumulates:
            tensors.append(parameter.grad)
        assert all(isinstance(t, FakeTensor) != is_real for t in tensors)
        assert all(t.shape == parameter.shape for t in tensors)
        assert (parameter.grad is not None) == accumulates
    assert 'foreach' in step.optimizer.param_groups[0]
    assert step.optimizer.param_groups[0]['foreach'] is None
