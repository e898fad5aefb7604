"""The learning rate of the published CIFAR settings."""

import math

from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin
from mmengine.optim.scheduler.param_scheduler import INF, OptimizerType
from mmengine.registry import PARAM_SCHEDULERS

from ..upstream import ParamScheduler

__all__ = ['WarmupCosineLR']


@PARAM_SCHEDULERS.register_module()
class WarmupCosineLR(LRSchedulerMixin, ParamScheduler):
    """Half a cosine to 0, with a warm-up that leads onto it.

    In epoch e = 1 .. E, with ``c(e) = lr / 2 * (1 + cos(pi * e / E))``, the
    learning rate is ``c(e)``; in the first W epochs it goes from
    ``warmup_lr`` to there: ``c(e) * (e - 1) / W + warmup_lr * (W + 1 - e) /
    W``. In the last epoch it is 0, as in the authors' code.

    Source: `InfoPro <https://openreview.net/forum?id=fAbkE6ant2>`_, ICLR
    2021; authors' code ``train.py``, ``adjust_learning_rate``.

    Args:
        optimizer (Optimizer | BaseOptimWrapper): The optimizer.
        end (int): E, in epochs (in iterations with ``by_epoch=False``).
        warmup (int): W. Defaults to 10.
        warmup_lr (float): The first learning rate. Defaults to 0.01.
        begin (int): Epochs before the first. Defaults to 0.
        last_step (int): The last step that is done. Defaults to -1: none.
        by_epoch (bool): Whether it changes by epochs. Defaults to True.
        verbose (bool): Whether each change is printed. Defaults to False.

    Raises:
        ValueError: If the warm-up is longer than the schedule, or ``end`` is
            not given.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.8)
        >>> schedule = WarmupCosineLR(optimizer, end=160)
        >>> optimizer.param_groups[0]['lr']
        0.01
    """

    def __init__(
        self,
        optimizer: OptimizerType,
        end: int = INF,
        warmup: int = 10,
        warmup_lr: float = 0.01,
        begin: int = 0,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        if end >= INF:
            raise ValueError(
                '`end` of WarmupCosineLR should be the number of epochs, but '
                f'got {end!r}. Set it to train_cfg.max_epochs.'
            )
        if not 0 <= warmup <= end - begin:
            raise ValueError(
                '`warmup` of WarmupCosineLR should be from 0 to the '
                f'{end - begin} epochs of the schedule, but got {warmup!r}. '
                'Change it or `end`.'
            )
        self.warmup = warmup
        self.warmup_lr = warmup_lr
        super().__init__(
            optimizer,
            begin=begin,
            end=end,
            last_step=last_step,
            by_epoch=by_epoch,
            verbose=verbose,
        )

    def _get_value(self) -> list[float]:
        step = self.last_step + 1
        cosine = (1 + math.cos(math.pi * step / (self.end - self.begin))) / 2
        if step > self.warmup:
            return [lr * cosine for lr in self.base_values]
        done = (step - 1) / self.warmup
        return [
            lr * cosine * done + self.warmup_lr * (1 - done)
            for lr in self.base_values
        ]
