"""A message comes out as it went in."""

import torch
from mmengine.structures import BaseDataElement, InstanceData

from localsup_mm.engine.module_parallel.packet import pack, unpack


def send(message):
    return unpack(pack(message), 'cpu')


def test_tensors_keep_values_types_and_strides():
    message = dict(
        map=torch.rand(2, 8, 3, 5).to(memory_format=torch.channels_last),
        tokens=torch.rand(2, 5, 8).transpose(1, 2),
        half=torch.rand(7).bfloat16(),
        flags=torch.tensor([True, False, True]),
        number=torch.tensor(3),
        empty=torch.empty(0, 4),
        part=torch.rand(9)[2:5],
    )
    found = send(message)
    for name, tensor in message.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name
        if tensor.numel() > 1:
            assert found[name].stride() == tensor.stride(), name


def test_labels_of_hosts():
    sample = BaseDataElement(metainfo=dict(img_shape=(3, 4)))
    sample.instances = InstanceData(boxes=torch.rand(2, 4), ids=['a', 'b'])
    (found,) = send([sample])
    assert found.img_shape == (3, 4)
    assert found.instances.ids == ['a', 'b']
    assert torch.equal(found.instances.boxes, sample.instances.boxes)


def test_one_tensor_twice_is_sent_once():
    tensor = torch.rand(1000)
    packet = pack([tensor, dict(again=tensor)])
    assert packet.on_cpu.numel() < 2 * tensor.nbytes
    first, second = unpack(packet, 'cpu')
    assert first is second['again']


def test_a_packet_is_a_copy():
    tensor = torch.zeros(3, requires_grad=True)
    packet = pack(tensor)
    tensor.detach().add_(1)
    found = unpack(packet, 'cpu')
    assert not found.any()
    assert not found.requires_grad


def test_a_change_in_place_counts_for_one_tensor():
    """Context encoders are told by it that their source has changed."""
    first, second = send([torch.rand(3), torch.rand(3)])
    version = second._version
    first.relu_()
    assert second._version == version
