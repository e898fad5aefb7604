"""The consequences of a choice of boundaries."""

from dataclasses import dataclass

from .block import Block
from .boundary import Boundary

__all__ = ['Partition']


@dataclass(frozen=True)
class Partition:
    """A choice of boundaries and all that follows from it.

    Args:
        boundaries (tuple[Boundary]): The K - 1 boundaries, in order.
        closed_outputs (tuple[int]): Indices of the backbone's outputs whose
            graph a local backward frees; the neck gets them detached.
        tapped_outputs (tuple[int]): Closed outputs that are not detached
            themselves, since taps lie before them.
        taps (tuple[str]): Trainable modules between a freed stretch and a
            closed output, e.g. the norm that Swin puts behind a stage. They
            belong to the last local module; their input is detached.
        parameters (tuple[tuple[str]]): Names of the trainable parameters of
            each of the K local modules, without aux nets.
        blocks (tuple[Block]): The blocks of the backbone, in order. Defaults
            to ().
        num_blocks (tuple[int]): How many of them are through at each
            boundary. Defaults to ().
    """

    boundaries: tuple[Boundary, ...]
    closed_outputs: tuple[int, ...]
    tapped_outputs: tuple[int, ...]
    taps: tuple[str, ...]
    parameters: tuple[tuple[str, ...], ...]
    blocks: tuple[Block, ...] = ()
    num_blocks: tuple[int, ...] = ()

    def describe(self) -> str:
        """Say where the backbone is cut, and what that means for the neck.

        Returns:
            str: A line for each local module but the last, and one for what
            reaches the neck.
        """
        lines = [
            f'local_{k} ends at {b.name} ({b.channels} channels, stride '
            f'{b.stride}), {len(names)} trainable parameters'
            for k, (b, names) in enumerate(
                zip(self.boundaries, self.parameters)
            )
        ]
        if self.closed_outputs:
            lines.append(
                'outputs that reach the neck detached: '
                + ', '.join(map(str, self.closed_outputs))
                + (
                    '; learn from its loss with the last local module: '
                    + ', '.join(self.taps)
                    if self.taps
                    else ''
                )
            )
        return '\n'.join(lines)
