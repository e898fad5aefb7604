"""Blocks of the next local module that aux nets follow."""

from collections import deque
from collections.abc import Iterable, Mapping

import torch
from torch import nn

from ...errors import SetupError
from ...supervision import LocalModule

__all__ = ['FollowedBlocks']


class FollowedBlocks:
    """Parameters of the next local module that an aux net averages (MAN).

    The process that trains them sends them back after each step. The average
    follows each version once: at iteration t the one of the steps before t,
    as in one process. So a process waits until the next one has done the
    iteration before, and its own backward runs meanwhile.

    Args:
        backbone (nn.Module): Locally supervised.
        owners (Mapping[str, int]): Owners of what is in the backbone, see
            :meth:`LocalStretches.find_owners`.

    Raises:
        SetupError: If an aux net does not say which block it follows, or
            follows one of another local module than the next.
    """

    def __init__(self, backbone: nn.Module, owners: Mapping[str, int]) -> None:
        self._parameters: list[dict[str, nn.Parameter]] = []
        local_modules = backbone.local_supervision.local_modules
        last = len(local_modules)
        for k, module in enumerate(local_modules):
            names = list(_find_followed(module))
            found = {
                f'{name}.{key}': parameter
                for name in names
                for key, parameter in backbone.get_submodule(
                    name
                ).named_parameters()
            }
            others = {owners.get(name, last) for name in found} - {k + 1}
            if others:
                raise SetupError(
                    '`shared_neck` should follow a block of the next local '
                    f'module for ModuleParallelRunner, but got {names} of '
                    f'local module {min(others)} in local module {k}. Choose '
                    'boundaries around whole blocks.'
                )
            self._parameters.append(found)
        self._versions: deque[dict] = deque()
        self._is_first = True

    def find_versions(self, k: int) -> dict[str, torch.Tensor]:
        """Return what the process before has to get of local module k."""
        return dict(self._parameters[k - 1]) if k else {}

    def keep_version(self, version: dict) -> None:
        """Keep what came back until it is followed."""
        if version:
            self._versions.append(version)

    def needs_version(self, k: int) -> bool:
        """Tell whether local module k has to wait for a version.

        Args:
            k (int): Index of the local module.

        Returns:
            bool: Whether one is missing; before the first step none is.
        """
        if not self._parameters[k]:
            return False
        return not (self._is_first or self._versions)

    @torch.no_grad()
    def take_version(self, k: int) -> None:
        """Put the next version into the backbone, where aux nets read it.

        Args:
            k (int): Index of the local module whose aux nets do.
        """
        if self._is_first:
            self._is_first = False
        elif self._parameters[k]:
            for name, value in self._versions.popleft().items():
                self._parameters[k][name].copy_(value)


def _find_followed(local_module: LocalModule) -> Iterable[str]:
    for module in local_module.modules():
        if module is local_module or not hasattr(module, 'follow'):
            continue
        name = getattr(module, 'block_name', None)
        if not isinstance(name, str):
            raise SetupError(
                f'`follow` of {type(module).__name__} should come with the '
                'block_name of the submodule that it reads for '
                f'ModuleParallelRunner, but got {name!r}. Set it, or leave '
                'runner_type out.'
            )
        yield name
