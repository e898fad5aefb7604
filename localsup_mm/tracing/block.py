"""One of the like parts that a backbone is a chain of."""

from dataclasses import dataclass

__all__ = ['Block']


@dataclass(frozen=True)
class Block:
    """A block of a backbone, as its trace saw it.

    Args:
        name (str): Name of the submodule.
        in_channels (int): Channels of its input.
        in_stride (int): Image pixels per feature pixel of its input.
        channels (int): Channels of its output.
        stride (int): Image pixels per feature pixel of its output.
        is_of_tokens (bool): Whether it takes tokens ``(B, L, C)`` instead of
            a feature map.
        takes_size (bool): Whether it is also called with ``(h, w)`` of its
            tokens, as Swin's blocks are.
        entry_convs (tuple[str]): Names, within the block, of the convs that
            its input enters; () if its input also goes around them. With
            other convs in their place it takes another width.
    """

    name: str
    in_channels: int
    in_stride: int
    channels: int
    stride: int
    is_of_tokens: bool
    takes_size: bool
    entry_convs: tuple[str, ...]
