"""Label maps of a lower resolution."""

from collections.abc import Sequence

from mmengine.structures import BaseDataElement, PixelData

from .known_hosts import known_hosts

__all__ = ['subsample_labels']


def subsample_labels(
    data_samples: Sequence[BaseDataElement], stride: int
) -> Sequence[BaseDataElement]:
    """Take every stride-th pixel of label maps, the middle of each square.

    Args:
        data_samples (Sequence[BaseDataElement]): Labels of a batch; they are
            not changed.
        stride (int): The stride, in height and in width, in pixels.

    Returns:
        Sequence[BaseDataElement]: Data samples with their label maps only.

    Raises:
        ValueError: If a data sample has no field that a host names as a
            label map.
    """
    if stride == 1:
        return data_samples
    names = [n for host in known_hosts().values() for n in host.label_maps]
    return [_subsample(sample, stride, names) for sample in data_samples]


def _subsample(
    sample: BaseDataElement, stride: int, names: Sequence[str]
) -> BaseDataElement:
    found = [name for name in names if hasattr(sample, name)]
    if not found:
        raise ValueError(
            '`label_stride` should be 1 where labels are no label maps, '
            f'but got {stride} and {type(sample).__name__} without '
            f'{" or ".join(names)}. Leave it out.'
        )
    coarse = type(sample)(metainfo=sample.metainfo)
    for name in found:
        label = getattr(sample, name).data[..., stride // 2 :: stride, :]
        label = label[..., stride // 2 :: stride]
        setattr(coarse, name, PixelData(data=label))
    return coarse
