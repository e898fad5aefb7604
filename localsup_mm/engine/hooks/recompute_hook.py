"""Recomputation by name in the Runner."""

import logging
from typing import Any, Optional

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...recomputation import find_recomputed, recompute_modules
from ..model_wrapper import unwrap_model

__all__ = ['RecomputeHook']


@HOOKS.register_module()
class RecomputeHook(Hook):
    """Do what ``recompute`` in a config says.

    It is a key at the top of the config, as mmengine's own
    ``activation_checkpointing`` is, with the arguments of
    :func:`recompute_modules`; names are those in the model. The model need
    not be locally supervised. ``localsup train`` adds this hook itself; for a
    host's own tool write ``default_hooks=dict(recompute=dict(type=
    'RecomputeHook'))``.
    """

    def __init__(self) -> None:
        self._is_first = True

    def before_train(self, runner: Runner) -> None:
        """Let the named modules compute again, from now on."""
        recompute = runner.cfg.get('recompute')
        if recompute:
            recompute_modules(unwrap_model(runner.model), recompute)
        self._is_first = True

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Optional[dict] = None,
    ) -> None:
        """Warn of modules that did not run in the first iteration."""
        if not self._is_first:
            return
        self._is_first = False
        idle = [
            forward.name
            for forward in find_recomputed(unwrap_model(runner.model))
            if not forward.has_run
        ]
        if idle:
            print_log(
                '`recompute` should name modules whose forward is called in '
                f'training, but got {idle[0]!r} and {len(idle) - 1} more, '
                'whose was not in the first iteration. Name their parts.',
                logger='current',
                level=logging.WARNING,
            )
