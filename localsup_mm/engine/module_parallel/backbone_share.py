"""The share of a backbone that one process runs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Optional

from mmengine.logging import print_log
from torch import Tensor, nn

from ...replaced_method import replaced_method
from ...tracing import LocalStretches, trace_backbone
from ...upstream import hooks_removed
from .stand_ins import StandIns

__all__ = ['BackboneShare']


class BackboneShare:
    """A local module of a backbone, as the process has it that trains it.

    What lies before it and behind it returns zeros of the right shape at
    once, see :class:`StandIns`.

    Args:
        backbone (nn.Module): Locally supervised.
        k (int): Index of the local module.
        inputs (Tensor): A batch of images.

    Attributes:
        outputs (tuple[int]): Outputs of the backbone that the local module
            computes for neck and heads, by index.
        taps (tuple[str]): Taps whose input it computes, by name.
        owners (dict[str, int]): See :meth:`LocalStretches.find_owners`.
    """

    def __init__(self, backbone: nn.Module, k: int, inputs: Tensor) -> None:
        partition = backbone.local_supervision.partition
        names = [boundary.name for boundary in partition.boundaries]
        with hooks_removed(backbone):
            trace = trace_backbone(backbone, inputs.shape[2:], True)
        stretches = LocalStretches(trace, names)
        sources = {
            name: stretches.find_source(name) for name in partition.taps
        }
        self.taps = tuple(name for name, s in sources.items() if s == k)
        self.outputs = tuple(
            i
            for i, owner in stretches.find_outputs().items()
            if owner == k and i not in partition.tapped_outputs
        )
        self.owners = stretches.find_owners()
        self._stand_ins = StandIns(backbone, stretches.find_idle(k))
        self._start = backbone.get_submodule(names[k - 1]) if k else None
        if k and not stretches.starts_at_cut(k):
            print_log(
                f'Process {k} runs what lies before boundary '
                f'{names[k - 1]!r}, too, since something leads around it, of '
                'the images or of frozen layers. It is right, but takes '
                'time; choose another boundary if there is one.',
                logger='current',
                level=logging.WARNING,
            )

    @contextmanager
    def placed(
        self, backbone: nn.Module, inputs: Tensor, h: Optional[Tensor]
    ) -> Iterator[None]:
        """Let the backbone begin and end with the local module.

        Args:
            backbone (nn.Module): The backbone.
            inputs (Tensor): The images that it is about to get.
            h (Tensor, optional): The features that enter the local module;
                None where it is the first.

        Yields:
            None: While it does so.
        """

        def forward(*args: Any, **kwargs: Any) -> Optional[Tensor]:
            return h

        start: Any = nullcontext()
        if self._start is not None:
            start = replaced_method(self._start, 'forward', forward)
        with self._stand_ins.placed(backbone, inputs), start:
            yield
