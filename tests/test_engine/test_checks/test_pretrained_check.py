"""Weights that are neither there nor within reach."""

import pytest
import torch
from mmengine.config import Config

from localsup_mm.engine import check_pretrained

RESNET = dict(type='ResNet', depth=50)


def make_config(checkpoint, **kwargs):
    init_cfg = dict(type='Pretrained', checkpoint=checkpoint)
    backbone = dict(RESNET, init_cfg=init_cfg)
    model = dict(backbone=dict(type='LocalBackbone', backbone=backbone))
    return Config(dict(model=dict(model, **kwargs)))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path))
    (tmp_path / 'checkpoints').mkdir()
    return tmp_path / 'checkpoints'


@pytest.mark.parametrize(
    ('path', 'file'),
    [
        ('torchvision://resnet50', 'resnet50-0676ba61.pth'),
        ('open-mmlab://resnet50_v1c', 'resnet50_v1c-2cccc1ad.pth'),
        ('https://example.org/a/b.pth?x=1', 'b.pth'),
    ],
)
@pytest.mark.usefixtures('no_network')
def test_weights_without_a_network(path, file, hub):
    cfg = make_config(path)
    with pytest.raises(
        FileNotFoundError,
        match=rf'`model\.backbone\.backbone\.init_cfg\.checkpoint`.*{file}.*'
        r'refused.*model\.backbone\.backbone\.init_cfg=None',
    ):
        check_pretrained(cfg)
    (hub / file).touch()
    check_pretrained(cfg)


@pytest.mark.parametrize(
    ('cfg', 'place'),
    [
        (
            dict(model=dict(pretrained='open-mmlab://resnet50_v1c')),
            'model.pretrained',
        ),
        (dict(load_from='https://example.org/b.pth'), 'load_from'),
    ],
)
@pytest.mark.usefixtures('no_network')
def test_other_places(cfg, place, hub):
    with pytest.raises(FileNotFoundError, match=rf'`{place}`.*{place}=None'):
        check_pretrained(Config(cfg))


def test_weights_within_reach(server, hub):
    # the host should find out what the server has
    check_pretrained(make_config(f'{server}/b.pth'))


def test_file_of_weights(tmp_path):
    path = tmp_path / 'a.pth'
    with pytest.raises(FileNotFoundError, match=f"but got '{path}'"):
        check_pretrained(make_config(str(path)))
    path.touch()
    check_pretrained(make_config(str(path)))


@pytest.mark.usefixtures('no_network')
def test_what_is_not_loaded_is_left_to_the_host(hub):
    # the weights of the whole model come first
    path = hub / 'a.pth'
    path.touch()
    whole = dict(type='Pretrained', checkpoint=str(path))
    check_pretrained(make_config('torchvision://resnet50', init_cfg=whole))
    for unknown in ('s3://bucket/a.pth', 'torchvision://no-such-net'):
        check_pretrained(make_config(unknown))
    timm = dict(type='TIMMBackbone', pretrained=True)
    check_pretrained(Config(dict(model=dict(backbone=timm))))
