"""The learning rate of each epoch, against the published formula."""

import math

import pytest
import torch

from localsup_mm.engine import WarmupCosineLR


def run(epochs, **kwargs):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.8)
    schedule = WarmupCosineLR(optimizer, end=epochs, **kwargs)
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        schedule.step()
    return rates


def test_published_epochs():
    rates = run(160)
    assert rates[0] == pytest.approx(0.01)
    assert rates[9] == pytest.approx(0.714, abs=5e-4)
    assert rates[159] == 0.0


def test_formula_in_every_epoch():
    def expected(e):
        cosine = 0.5 * 0.8 * (1 + math.cos(math.pi * e / 160))
        if e <= 10:
            return cosine * (e - 1) / 10 + 0.01 * (11 - e) / 10
        return cosine

    assert run(160) == pytest.approx([expected(e) for e in range(1, 161)])


def test_no_warmup():
    assert run(4, warmup=0) == pytest.approx(
        [0.4 * (1 + math.cos(math.pi * e / 4)) for e in (1, 2, 3, 4)]
    )


def test_state_is_resumed():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.8)
    schedule = WarmupCosineLR(optimizer, end=160)
    for _ in range(20):
        optimizer.step()
        schedule.step()
    state, state_of_optimizer = schedule.state_dict(), optimizer.state_dict()
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.8)
    schedule = WarmupCosineLR(optimizer, end=160)
    schedule.load_state_dict(state)
    optimizer.load_state_dict(state_of_optimizer)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]['lr'] == pytest.approx(run(160)[21])


def test_errors():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.8)
    with pytest.raises(ValueError, match=r'`end`.*got 1000000000'):
        WarmupCosineLR(optimizer)
    with pytest.raises(ValueError, match=r'`warmup`.* 5 epochs.*got 10'):
        WarmupCosineLR(optimizer, end=5)
