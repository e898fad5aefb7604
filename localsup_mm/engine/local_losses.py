"""The local losses of an iteration, for the log."""

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ['LocalLosses']


class LocalLosses:
    """Keeps what local modules log until the end of an iteration."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], list[Tensor]] = {}

    def add(self, name: str, log_vars: Mapping[str, Tensor]) -> None:
        """Add the losses of one local module.

        Args:
            name (str): Its name.
            log_vars (Mapping[str, Tensor]): Values that the host logs of them.
        """
        for key, value in log_vars.items():
            values = self._values.setdefault((name, key), [])
            values.append(value.detach().float())

    def take(self) -> dict[tuple[str, str], float]:
        """Hand the values over, each term before the sum of the terms.

        Returns:
            dict[tuple[str, str], float]: By local module and key; the mean
            where a backbone has run several times.
        """
        if not self._values:
            return {}
        means = [torch.stack(v).mean() for v in self._values.values()]
        # one transfer for all, not one each
        found = zip(self._values, torch.stack(means).tolist())
        self._values = {}
        return dict(sorted(found, key=lambda item: item[0][1] == 'loss'))
