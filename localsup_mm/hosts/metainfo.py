"""The metainfo of a data sample: the size of its image."""

from typing import Any

__all__ = ['make_metainfo']


def make_metainfo(size: tuple[int, int]) -> dict[str, Any]:
    """Make the metainfo of an image that is neither resized nor padded.

    Args:
        size (tuple[int, int]): H and W of the image, in pixels.

    Returns:
        dict[str, Any]: The metainfo, as pipelines of mmseg and mmdet write it.
    """
    return dict(
        img_shape=size,
        ori_shape=size,
        pad_shape=size,
        batch_input_shape=size,
        scale_factor=(1.0, 1.0),
    )
