"""Losses and parameters that come back from the processes behind."""

from collections.abc import Mapping
from typing import Any

from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from ...supervision import LocalModule
from .followed_blocks import FollowedBlocks
from .pipe import Pipe, Report

__all__ = ['Feedback']


class Feedback:
    """Losses for the log, and parameters that aux nets follow.

    Args:
        pipe (Pipe): The ways to the neighbours.
        backbone (nn.Module): Locally supervised.
        k (int): Index of the local module of this process.
        owners (Mapping[str, int]): Owners of what is in the backbone, see
            :meth:`LocalStretches.find_owners`.

    Raises:
        SetupError: See :class:`FollowedBlocks`.
    """

    def __init__(
        self,
        pipe: Pipe,
        backbone: nn.Module,
        k: int,
        owners: Mapping[str, int],
    ) -> None:
        self._pipe, self._k = pipe, k
        self._local_modules = backbone.local_supervision.local_modules
        self._followed = FollowedBlocks(backbone, owners)
        # of the local modules behind, and of neck and heads
        self._losses: dict[str, Any] = {}

    def before_follow(
        self, backbone: nn.Module, local_module: LocalModule
    ) -> None:
        """Wait for the parameters that aux nets are about to follow."""
        while self._followed.needs_version(self._k):
            self._take(waits=True)
        self._followed.take_version(self._k)

    def exchange(
        self, wrapper: OptimWrapper, log_vars: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Tell the process before, and take what has come meanwhile.

        Args:
            wrapper (OptimWrapper): The optimizer wrapper behind its update.
            log_vars (dict[str, Tensor]): The losses that the model's heads
                log; they count in the last process.

        Returns:
            dict[str, Tensor]: Those of later local modules and of the heads
            that are known, of this batch or of one shortly before.
        """
        self._take()
        own: dict[str, Any] = {}
        if self._k < len(self._local_modules):
            prefix = f'train/{self._local_modules[self._k].name}.'
            for key, buffer in wrapper.message_hub.log_scalars.items():
                if key.startswith(prefix):
                    own[key.removeprefix('train/')] = buffer.current()
        else:
            self._losses.update(log_vars)
        version: dict[str, Tensor] = {}
        if wrapper.should_update():
            version = self._followed.find_versions(self._k)
        self._pipe.report(Report({**own, **self._losses}, version))
        return dict(self._losses)

    def _take(self, waits: bool = False) -> None:
        for report in self._pipe.find_reports(waits):
            self._losses.update(report.losses)
            self._followed.keep_version(report.version)
