"""Decoders for the cheap aux nets of all hosts."""

from typing import Any, Union

__all__ = ['make_decoder', 'narrow']


def make_decoder(
    channels: tuple[int, ...], stride: Union[int, str], **kwargs: Any
) -> dict[str, Any]:
    """Make the config of a decoder that rebuilds a small image.

    Args:
        channels (tuple[int]): Channels of its hidden convs.
        stride (int | str): ``target_stride`` of the decoder.
        **kwargs (Any): Further arguments of :class:`ReconstructionDecoder`.

    Returns:
        dict[str, Any]: The config.
    """
    return dict(
        type='ReconstructionDecoder',
        channels=channels,
        target_stride=stride,
        **kwargs,
    )


def narrow(width: int) -> int:
    """Find the channels of a decoder's last hidden conv: 12 behind 32.

    Args:
        width (int): Channels of the conv before it.

    Returns:
        int: The channels, at least 8.
    """
    return max(12 * width // 32, 8)
