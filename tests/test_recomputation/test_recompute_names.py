"""Names of what is computed again."""

from torch import nn

from localsup_mm.recomputation import (
    can_recompute,
    join_recompute,
    recompute_modules,
    shorten,
)


def make_net():
    layers = [nn.Sequential(nn.Linear(2, 2), nn.ReLU()) for _ in range(3)]
    return nn.ModuleDict(dict(layer=nn.Sequential(*layers), head=layers[0]))


def test_all_of_a_kind_are_one_name():
    net = make_net()
    names = ['layer.0', 'layer.1', 'layer.2', 'head']
    assert shorten(net, names) == ['layer.*', 'head']
    recompute_modules(net, shorten(net, names))
    # not all of them, and a method beside them
    assert shorten(net, names[1:]) == names[1:]
    names.append('layer.extra_repr')
    assert shorten(net, names) == ['layer.*', 'head', 'layer.extra_repr']


def test_settings_are_joined():
    joined = join_recompute(['a'], None, dict(cheap=['b'], full=['c']))
    assert joined == dict(full=['a', 'c'], cheap=['b'])
    assert join_recompute(None, dict(cheap=[])) == {}


def test_what_is_computed_again_already():
    net = make_net()
    assert can_recompute(net, 'layer.1')
    recompute_modules(net, ['layer.1'])
    assert not can_recompute(net, 'layer.1')
    assert not can_recompute(net, 'layer')
    assert not can_recompute(net, 'layer.extra_repr')
    assert can_recompute(net, 'layer.2')
    # a flag of the hosts
    net['layer'][2].with_cp = True
    assert not can_recompute(net, 'layer.2')
