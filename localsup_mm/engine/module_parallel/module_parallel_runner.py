"""A Runner of which each process trains one local module."""

from typing import Any, Optional, Union

from mmengine.device import get_device
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, RUNNERS
from mmengine.runner import BaseLoop, Priority, Runner
from torch import nn

from ...errors import SetupError
from ...hosts import name_type
from ..norms_on_cpus import replace_sync_norms
from .as_one_process import as_one_process
from .check_parallel import check_model_and_number
from .idle_loader import make_idle
from .module_parallel import ModuleParallel

__all__ = ['ModuleParallelRunner']

# hooks of mmengine and mmdet that average buffers over processes
_AVERAGES = ('SyncBuffersHook', 'SyncNormHook')


@RUNNERS.register_module()
class ModuleParallelRunner(Runner):
    """mmengine's Runner, with one local module for each process.

    Set ``runner_type='ModuleParallelRunner'`` in a config with K local
    modules and start K processes, as for data parallel training. Process 0
    reads all data, see :class:`ModuleParallel` for the rest. Checkpoints are
    those of one process, and so is the log. For a validation each process
    gets all parameters, and takes its part of the images, as hosts do.

    ``model_wrapper_cfg=dict(type='ModuleParallel', ...)`` holds arguments of
    :class:`ModuleParallel`; one of another type is left out. In a single
    process it is mmengine's Runner.

    Args:
        *args: Arguments of mmengine's Runner.
        **kwargs: Its keyword arguments.

    Raises:
        SetupError: If the training cannot be divided; the message says what
            to change.
    """

    def wrap_model(
        self, model_wrapper_cfg: Optional[dict], model: nn.Module
    ) -> nn.Module:
        """Wrap the model in :class:`ModuleParallel`.

        Args:
            model_wrapper_cfg (dict, optional): That of the config.
            model (nn.Module): The model.

        Returns:
            nn.Module: The wrapped model; in a single process what mmengine's
            Runner makes of it.
        """
        if get_world_size() == 1 or isinstance(model, ModuleParallel):
            return super().wrap_model(model_wrapper_cfg, model)
        replace_sync_norms(model)  # each norm gets whole batches
        arguments = dict(model_wrapper_cfg or {})
        kind = arguments.pop('type', ModuleParallel)
        if kind not in (ModuleParallel, ModuleParallel.__name__):
            self.logger.info(
                f'The model_wrapper_cfg of {kind} is left out, since each '
                'process trains one local module.'
            )
            arguments = {}
        return ModuleParallel(model.to(get_device()), **arguments)

    def build_train_loop(self, loop: Any) -> BaseLoop:
        """Build a loop that reads all data in process 0, and none in others.

        Args:
            loop (BaseLoop | dict): See mmengine's Runner.

        Returns:
            BaseLoop: The loop.

        Raises:
            SetupError: If there are more or fewer processes than local
                modules, or a built sampler draws a part only.
        """
        if not isinstance(self.model, ModuleParallel):
            return super().build_train_loop(loop)
        check_model_and_number(self.model.module, self.world_size)
        with as_one_process():
            built: Any = super().build_train_loop(loop)
        if getattr(built.dataloader.sampler, 'world_size', 1) != 1:
            raise SetupError(
                '`train_dataloader` should be a config for '
                'ModuleParallelRunner, whose process 0 draws all of it, but '
                f'got {type(built.dataloader).__name__}. Write it as a dict.'
            )
        if get_rank() > 0:
            built.dataloader = make_idle(built.dataloader)
            if hasattr(built, 'dataloader_iterator'):
                iterator = type(built.dataloader_iterator)
                built.dataloader_iterator = iterator(built.dataloader)
        return built

    def scale_lr(
        self, optim_wrapper: Any, auto_scale_lr: Optional[dict] = None
    ) -> None:
        """Scale the learning rate by the batch, which all processes share.

        Args:
            optim_wrapper (OptimWrapper): Its learning rates are changed.
            auto_scale_lr (dict, optional): See mmengine's Runner.
        """
        if auto_scale_lr and isinstance(self.model, ModuleParallel):
            base = auto_scale_lr['base_batch_size'] * self.world_size
            auto_scale_lr = dict(auto_scale_lr, base_batch_size=base)
        super().scale_lr(optim_wrapper, auto_scale_lr)

    def save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        """Save what all processes have trained; all of them call it.

        Args:
            *args: Arguments of mmengine's ``save_checkpoint``.
            **kwargs: Its keyword arguments.
        """
        model = self.model
        if not isinstance(model, ModuleParallel):
            return super().save_checkpoint(*args, **kwargs)
        self._gather()
        with model.optimizer_gathered(self.optim_wrapper):
            super().save_checkpoint(*args, **kwargs)
        return None

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """Call all hooks, where a validation begins with the whole model.

        ``EMAHook`` then swaps the model with its average, and back.

        Args:
            fn_name (str): The name of the method of the hooks.
            **kwargs: Its keyword arguments.
        """
        if fn_name == 'before_val_epoch':
            self._gather()
        super().call_hook(fn_name, **kwargs)

    def register_hook(
        self,
        hook: Union[Hook, dict],
        priority: Union[str, int, Priority, None] = None,
    ) -> None:
        """Register a hook, unless it averages buffers over processes.

        Of those one process alone has been trained.

        Args:
            hook (Hook | dict): The hook.
            priority (str | int | Priority, optional): See mmengine's Runner.
        """
        is_built = isinstance(hook, Hook)
        name = type(hook).__name__ if is_built else name_type(hook, HOOKS)
        is_average = name.rpartition('.')[2] in _AVERAGES
        if is_average and isinstance(self.model, ModuleParallel):
            self.logger.info(
                f'{name} is left out, since each buffer is of one process.'
            )
            return
        super().register_hook(hook, priority)

    def train(self) -> nn.Module:
        """Train; all processes end with the whole model.

        Returns:
            nn.Module: The wrapped model.
        """
        try:
            trained = super().train()
            if isinstance(self.model, ModuleParallel):
                self.model.gather()
        except SystemExit:  # by a signal, in all processes alike
            self._close()
            raise
        self._close()
        return trained

    def _gather(self) -> None:
        if isinstance(self.model, ModuleParallel):
            averages = [getattr(h, 'ema_model', None) for h in self.hooks]
            self.model.gather(*(a.module for a in averages if a is not None))

    def _close(self) -> None:
        if isinstance(self.model, ModuleParallel):
            self.model.close()
