"""Which hosts there are, and how another one is added."""

import pytest
from mmengine.config import Config

from localsup_mm.hosts import Host, find_host, register_host
from localsup_mm.hosts.known_hosts import _HOSTS, find_head_names


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setitem(_HOSTS, 'toy', None)

    @register_host
    class Toy(Host):
        scope = 'toy'
        head_names = ('toy_head',)

        def make_data_sample(self, cfg, size):
            return size

        def make_aux_net(self, width, stride, num_classes):
            return dict(decoder={}, size=(width, stride, num_classes))

    return find_host('toy')


def test_unknown_host():
    with pytest.raises(
        ValueError,
        match=r"\('mmaction', 'mmdet', 'mmpretrain', 'mmseg'\), but got "
        r"'mmocr'\. .*"
        'custom_imports.*register_host',
    ):
        find_host('mmocr')


def test_unknown_host_of_a_file(tmp_path):
    path = tmp_path / 'net.py'
    path.write_text("default_scope = 'mmocr'")
    with pytest.raises(ValueError, match=rf"got 'mmocr' in '{path}'"):
        find_host(Config.fromfile(path))


def test_a_host_is_found_by_its_config(toy):
    cfg = Config(dict(default_scope='toy'))
    assert find_host(cfg) is toy
    assert {'toy_head', 'decode_head', 'bbox_head'} < set(find_head_names())


def test_a_host_without_labels_cannot_be_registered():
    with pytest.raises(TypeError, match='make_data_sample'):

        @register_host
        class Incomplete(Host):
            scope = 'incomplete'


def test_defaults(toy):
    cfg = Config(dict(model=dict(head=dict(num_classes=5))))
    assert toy.make_data_samples(cfg, (2, 3, 4, 8)) == [(4, 8)] * 2
    sizes, context = toy.make_aux_nets(cfg, 'infopro', (64, 64))
    assert context is None
    assert [aux_nets['size'] for aux_nets in sizes] == [
        (32, 4, 5),
        (32, 8, 5),
        (16, 8, 5),
        (16, 16, 5),
        (8, 16, 5),
        (8, 32, 5),
    ]
    weights = [[1.5, 1.0], [0.5, 1.0]]
    assert all(aux_nets['loss_weights'] == weights for aux_nets in sizes)
    for method in ('greedy', 'contsup'):
        sizes, context = toy.make_aux_nets(cfg, method, (64, 64))
        assert all(list(aux_nets) == ['size'] for aux_nets in sizes)
        expected = dict(mode='r1e', pool_first=True)
        assert context == (expected if method == 'contsup' else None)


def test_aux_nets_that_classify_images(toy):
    with pytest.raises(ValueError, match="for toy, but got 'dgl'"):
        toy.make_aux_nets(Config({}), 'dgl', (64, 64))


def test_predictions_go_to_a_file(toy):
    cfg = Config(dict(test_evaluator=dict(type='A')))
    with pytest.raises(ValueError, match=r"\.pkl file, but got 'folder'"):
        toy.save_predictions(cfg, 'folder')
    toy.save_predictions(cfg, 'a.pkl')
    dump = dict(type='DumpResults', out_file_path='a.pkl')
    assert cfg.test_evaluator == [dict(type='A'), dump]
