"""What a stretch of a network can compute again."""

from contextlib import ExitStack

import torch
from torch import nn

from localsup_mm.planning.module_calls import CallRecorder
from localsup_mm.planning.recompute_units import find_units
from localsup_mm.recomputation import recompute_modules


class Block(nn.Module):
    def __init__(self, inplace=False):
        super().__init__()
        self.inner = nn.Sequential(nn.ReLU(inplace), nn.Linear(4, 4))
        self.outer = nn.Sequential(nn.Linear(4, 4))

    def forward(self, x):
        return self.outer(self.inner(x))


class Net(nn.Module):
    """Four blocks, with boundaries behind the first two."""

    def __init__(self):
        super().__init__()
        self.stage = nn.Sequential(Block(), Block())
        self.shared = nn.Sequential(nn.Linear(4, 4))
        self.neck = Block(inplace=True)
        self.head = Head()

    def forward(self, x):
        x = self.shared(self.stage(x))
        return self.head.loss_by_feat(self.head(self.neck(self.shared(x))))


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(x)

    def loss_by_feat(self, logits):
        return logits.sum()


def record(net):
    passed = []
    for block in net.stage:
        block.register_forward_hook(lambda *_: passed.append(True))

    def at_end(call, result):
        call.stretch = call.end if call.start == call.end else None

    recorder = CallRecorder(net, lambda: len(passed), at_end)
    with ExitStack() as stack:
        recorder.attach(stack)
        loss = net(torch.rand(2, 4))
        calls = len(recorder.calls)
        loss.backward()
    assert len(recorder.calls) == calls
    assert 'forward' not in vars(net.neck)
    return recorder.calls


def test_units_and_their_parts():
    net = Net()
    calls = record(net)
    # it passes boundaries
    assert [c.stretch for c in calls if c.name == 'stage'] == [None]
    assert find_units(net, calls) == {
        0: (['stage.0'], ['stage.0.inner', 'stage.0.outer']),
        1: (['stage.1'], ['stage.1.inner', 'stage.1.outer']),
        # a neck that changes its input in place has one part that does not
        2: (['shared', 'neck.outer', 'head', 'head.loss_by_feat'], []),
    }


def test_what_is_computed_again_already_is_no_unit():
    net = Net()
    recompute_modules(net, ['stage.1.inner'])
    calls = record(net)
    units = find_units(net, calls)
    assert units[1] == (['stage.1.outer'], [])
    assert units[0] == (['stage.0'], ['stage.0.inner', 'stage.0.outer'])
