"""The cuts of a backbone, found in its autograd graph."""

import difflib
import itertools
from collections.abc import Mapping, Sequence
from typing import Optional

from torch import nn

from ..errors import BoundaryError
from .autograd_graph import AutogradGraph, iterate
from .block_finder import BlockFinder
from .boundary import Boundary
from .partition import Partition
from .tap_finder import TapFinder

__all__ = ['BackboneTrace']


class BackboneTrace:
    """The autograd graph of one forward pass of a backbone.

    :func:`trace_backbone` makes it.

    Args:
        backbone_name (str): Class of the backbone, for messages.
        input_shape (tuple[int]): ``(B, C, H, W)`` of the traced images, or
            ``(B, C, T, H, W)`` of clips.
        calls (dict[str, ModuleCall]): The run of each submodule by its name,
            in order of completion.
        outputs (list): Autograd nodes of the backbone's outputs.
        parameters (dict[int, str]): Name of each parameter by its ``id``.
        submodules (Mapping[str, nn.Module]): All submodules, by name.

    Attributes:
        boundaries (dict[str, Boundary]): All cuts, by name.
        blocks (tuple[Block]): The blocks that follow one another.
        graph, outputs, inputs_of, outputs_of: Both are found in these; None
            in the place of a node is a tensor without a graph.
    """

    def __init__(
        self,
        backbone_name: str,
        input_shape: tuple[int, ...],
        calls: dict,
        outputs: list,
        parameters: dict,
        submodules: Mapping[str, nn.Module],
    ) -> None:
        self.backbone_name = backbone_name
        self.input_shape = input_shape
        self.calls = calls
        self._submodules = submodules
        nodes = [n for c in calls.values() for n in (*c.inputs, *c.outputs)]
        self.graph = graph = AutogradGraph([*outputs, *nodes], parameters)
        self.outputs: list = [graph.find(node) for node in outputs]
        self.inputs_of: dict[str, list] = {
            name: [graph.find(n) for n in call.inputs if n is not None]
            for name, call in calls.items()
        }
        self.outputs_of: dict[str, list] = {
            name: [graph.find(n) for n in call.outputs]
            for name, call in calls.items()
        }
        self.boundaries = {
            name: Boundary.of_shape(name, call.shape, input_shape[1:])
            for name, call in calls.items()
            if self._why_not(name) is None
        }
        self.blocks = BlockFinder(
            graph, self.inputs_of, self.outputs_of, calls, submodules
        ).find(self.boundaries, input_shape[1:])

    def partition(self, names: Sequence[str]) -> Partition:
        """Cut the backbone after the named submodules.

        Args:
            names (Sequence[str]): K - 1 submodules, in the order in which
                they run.

        Returns:
            Partition: The boundaries and what follows from them.

        Raises:
            BoundaryError: If a name is unknown, no cut or out of order.
        """
        for name in names:
            self._check_boundary(name)
        for first, second in itertools.pairwise(names):
            self._check_order(first, second)
        nodes = [self.outputs_of[name][0] for name in names]
        freed = self.graph.closure(nodes[-1]) if nodes else 0
        closed = tuple(
            i
            for i, node in enumerate(self.outputs)
            if nodes
            and node is not None
            and not self.graph.closure(node) >> nodes[-1] & 1
        )
        tapped = tuple(
            i for i in closed if self.graph.trains_in(self.outputs[i], freed)
        )
        taps = self._find_taps(names, tapped, freed)
        parameters, earlier = [], 0
        for node in nodes:
            inside = self.graph.closure(node)
            parameters.append(self.graph.parameters_in(inside & ~earlier))
            earlier |= inside
        every = 0
        for node in self.outputs:
            every |= self.graph.closure(node) if node is not None else 0
        parameters.append(self.graph.parameters_in(every & ~earlier))
        return Partition(
            tuple(self.boundaries[name] for name in names),
            closed,
            tapped,
            taps,
            tuple(parameters),
            self.blocks,
            tuple(map(self.count_blocks, names)),
        )

    def count_blocks(self, name: str) -> int:
        """Count the blocks that are through at a boundary."""
        node = self.outputs_of[name][0]
        return sum(
            self.graph.depends_on(node, self.outputs_of[block.name][0])
            for block in self.blocks
        )

    def _why_not(self, name: str) -> Optional[str]:
        """Say why a submodule that ran cannot end a local module, if so."""
        call = self.calls[name]
        node = self.outputs_of[name][0] if call.outputs else None
        if call.count > 1:
            return f'it runs {call.count} times in one forward pass'
        if not call.is_tensor:
            return 'it returns no single Tensor'
        if not self._is_of_images(call.shape):
            layouts = (
                'neither as feature maps (B, C, h, w) of the images nor as '
                'tokens (B, L, C)'
                if len(self.input_shape) == 4
                else 'not as feature maps (B, C, t, h, w) of the clips'
            )
            return f'its output {call.shape} is laid out {layouts}'
        if node is None:
            return (
                'nothing trainable lies before it: it is frozen, or only '
                'reshapes the image'
            )
        down, reached = 0, False
        for output in self.outputs:
            if output is not None and self.graph.closure(output) >> node & 1:
                down |= self.graph.closure(output)
                reached = output == self.outputs[-1] or reached
        if not reached:
            return 'the last output of the backbone does not depend on it'
        up = self.graph.ancestors(node)
        for other in iterate(down & ~self.graph.closure(node)):
            if self.graph.parents(other) & up:
                return 'another path leads around it'
        if call.is_batch_norm:
            return (
                'it is a batch norm, which a Runner replaces by another kind, '
                'SyncBN or not'
            )
        return None

    def _is_of_images(self, shape: tuple[int, ...]) -> bool:
        batch, _, *frames, height, width = self.input_shape
        if len(shape) == len(self.input_shape):
            h, w = shape[-2:]
            # convs without padding lose a few pixels
            if abs(w - h * width / height) > 2 + w / 4:
                return False
            return shape[0] == batch and all(shape[2] <= t for t in frames)
        # tokens of clips lie in no known order
        return len(shape) == 3 and shape[0] == batch and not frames

    def _check_boundary(self, name: str) -> None:
        if name in self.boundaries:
            return
        if name not in self._submodules:
            raise BoundaryError(
                f'`boundary` should name a submodule of {self.backbone_name},'
                f' but got {name!r}. Closest: {self._closest(name)}.'
            )
        if name not in self.calls:
            raise BoundaryError(
                f'`boundary` should name a submodule that runs in the forward'
                f' pass of {self.backbone_name}, but got {name!r}. Closest: '
                f'{self._closest(name)}.'
            )
        if not self.calls[name].is_tensor:
            inside = [b for b in self.boundaries if b.startswith(f'{name}.')]
            blocks = [b for b in inside if b[-1].isdigit()] or inside
            advice = (
                f'Choose a block inside it, e.g. {blocks[-1]!r}.'
                if blocks
                else f'Closest: {self._closest(name)}.'
            )
            raise BoundaryError(
                f'the module at boundary {name!r} should return one Tensor, '
                f'but got another type. {advice}'
            )
        raise BoundaryError(
            f'`boundary` should name a cut of {self.backbone_name}, but got '
            f'{name!r}: {self._why_not(name)}. Closest: '
            f'{self._closest(name)}.'
        )

    def _check_order(self, first: str, second: str) -> None:
        early = self.outputs_of[first][0]
        late = self.outputs_of[second][0]
        if late == early or not self.graph.depends_on(late, early):
            raise BoundaryError(
                '`boundary` should come after the one before it, but got '
                f'{second!r} after {first!r}. List each boundary once, in '
                'the order in which the modules run.'
            )

    def _closest(self, name: str) -> str:
        """Name cuts with a similar name; the outermost cuts if none is."""
        cuts = list(self.boundaries)
        close = difflib.get_close_matches(name, cuts, n=4, cutoff=0.5)
        if not close:
            close = sorted(cuts, key=lambda cut: cut.count('.'))[:4]
        return ', '.join(map(repr, close)) or 'none, it has no cut'

    def _find_taps(
        self, names: Sequence[str], tapped: Sequence[int], freed: int
    ) -> tuple[str, ...]:
        outputs = {i: self.outputs[i] for i in tapped}
        finder = TapFinder(self.graph, self.inputs_of, self.outputs_of, freed)
        taps = finder.find(names, outputs.values())
        for i, node in outputs.items():
            if not finder.is_separable(node, taps):
                raise BoundaryError(
                    f'`boundary` should leave output {i} of '
                    f'{self.backbone_name} separable, but got trainable '
                    'layers on the way from a freed stretch to it that are '
                    'no module of their own. Choose boundaries before the '
                    f'stage of output {i} ends.'
                )
        return taps
