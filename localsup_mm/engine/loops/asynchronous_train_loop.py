"""Local modules trained one after the other."""

import copy
from collections.abc import Sequence
from functools import partial
from typing import Any, Optional, Union

from mmengine.dataset import InfiniteSampler
from mmengine.dist import broadcast, is_distributed
from mmengine.model import is_model_wrapper
from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn
from torch.utils.data import DataLoader

from ...errors import SetupError
from ...supervision import (
    LocalStep,
    find_supervised_backbones,
    learns,
    local_parameters,
)
from ...upstream import ParamScheduler
from ..model_wrapper import LocalDistributedDataParallel, unwrap_model
from ..optim_wrapper import LocalBackwardMixin
from .single_module_step import SingleModuleStep

__all__ = ['AsynchronousTrainLoop']


@LOOPS.register_module()
class AsynchronousTrainLoop(EpochBasedTrainLoop):
    """Train each local module to its end before the next one begins.

    A run has K phases of ``max_epochs`` epochs; epochs are counted through,
    from 0 to ``K * max_epochs - 1``. In phase k

    1. the parameters of all other local modules, neck and heads are frozen;
    2. the optimizer, the schedules of learning rate and others and the log
       start anew, as for a training of ``max_epochs`` epochs;
    3. local modules 0 to k - 1 run in evaluation mode, local module k learns
       from its local loss, and what lies behind it does not run;
    4. in phase K - 1 the last local module, neck and heads learn from the
       loss of the host, with validation.

    A run resumed at the end of any epoch is bit by bit the uninterrupted
    one, under :class:`SafeCheckpointHook`. AMP, gradient accumulation and
    clipping work, and so does :class:`LocalDistributedDataParallel`; other
    wrappers for distribution are refused.

    Source: `InfoPro <https://openreview.net/forum?id=fAbkE6ant2>`_, ICLR
    2021, Table 2, "Asy-InfoPro". The authors published no code for it: that
    each phase has a schedule of its own, that earlier modules run in
    evaluation mode, and the rest, is our reading.

    Args:
        runner (Runner): The runner.
        dataloader (DataLoader | dict): The training data.
        max_epochs (int): Epochs of each local module.
        val_begin (int): Epoch of the last phase that begins validation.
            Defaults to 1.
        **kwargs: Further arguments of :class:`EpochBasedTrainLoop`.

    Raises:
        SetupError: If the model or the data loader does not fit; the message
            says what to change.
        TypeError: If a wrapper or a schedule does not fit.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: Union[DataLoader, dict],
        max_epochs: Optional[int] = None,
        val_begin: int = 1,
        **kwargs: Any,
    ) -> None:
        if max_epochs is None or 'max_iters' in kwargs:
            raise SetupError(
                '`train_cfg` of AsynchronousTrainLoop should have max_epochs,'
                f' but got {kwargs!r}. It trains by epochs: set max_epochs to'
                ' those of one local module.'
            )
        model = runner.model
        self._model = unwrap_model(model)
        self._local_modules = _find_local_modules(self._model)
        self.num_local_modules = len(self._local_modules) + 1
        self.epochs_per_module = int(max_epochs)
        before = (self.num_local_modules - 1) * self.epochs_per_module
        super().__init__(
            runner,
            dataloader,
            before + max_epochs,
            before + val_begin,
            **kwargs,
        )
        self._phase: Optional[int] = None
        self._own: list[set[nn.Parameter]] = []
        self._schedules = self._limit_schedules(runner.param_schedulers)
        runner.param_schedulers = copy.deepcopy(self._schedules)

    def run(self) -> nn.Module:
        """Train; every parameter is as frozen afterwards as before."""
        self._check_setup()
        trainable = [p for p in self._model.parameters() if p.requires_grad]
        parameters = local_parameters(self._model)
        self._own = [
            set(trainable).intersection(parameters[local_module])
            for local_module in self._local_modules
        ]
        self._own.append(set(trainable).difference(*self._own))
        try:
            return super().run()
        finally:
            self._phase = None
            self.runner.optim_wrapper.make_step = LocalStep
            for parameter in trainable:
                parameter.requires_grad_(True)

    def run_epoch(self) -> None:
        """Train an epoch, in its phase."""
        phase = self.epoch // self.epochs_per_module
        if phase != self._phase:
            self._start(phase)
        super().run_epoch()

    def _start(self, phase: int) -> None:
        """Begin a phase, or go on within it after a resume."""
        wrapper = self.runner.optim_wrapper
        for k, parameters in enumerate(self._own):
            for parameter in parameters:
                parameter.requires_grad_(k == phase)
        if is_distributed():
            for buffer in self._model.buffers():
                broadcast(buffer)  # the features are then alike everywhere
        # accumulation ends with the phase
        iters = self.epochs_per_module * len(self.dataloader)
        wrapper.initialize_count_status(
            self.runner.model, self.iter - phase * iters, iters
        )
        if self.epoch % self.epochs_per_module == 0:
            self._start_anew()
        self.runner.logger.info(
            f'Phase {phase + 1} of {self.num_local_modules}: local module '
            f'{phase} is trained.'
        )
        wrapper.make_step = partial(SingleModuleStep, only=phase)
        self._phase = phase

    def _start_anew(self) -> None:
        runner, wrapper = self.runner, self.runner.optim_wrapper
        wrapper.zero_grad()
        wrapper.optimizer.state.clear()
        for group in wrapper.param_groups:
            for key in [k for k in group if k.startswith('initial_')]:
                group[key.removeprefix('initial_')] = group[key]
        if self._schedules is not None:
            runner.param_schedulers = runner.build_param_scheduler(
                self._schedules
            )
        # else every line of the log would repeat the last module's losses
        scalars = runner.message_hub.log_scalars
        for key in [k for k in scalars if k.startswith('train/')]:
            del scalars[key]

    def _limit_schedules(self, schedules: Any) -> Any:
        """Let schedules end with a phase where they do not say when."""
        if schedules is None:
            return None
        if not isinstance(schedules, (list, tuple)):
            schedules = [schedules]
        limited = []
        for schedule in schedules:
            if isinstance(schedule, ParamScheduler):
                raise TypeError(
                    '`param_scheduler` should be a config, which can be built'
                    f' anew for each local module, but got {schedule!r}. '
                    'Write it as a dict.'
                )
            end = self.epochs_per_module
            if not schedule.get('by_epoch', True):
                end *= len(self.dataloader)
            limited.append({'end': end, **schedule})
        return limited

    def _check_setup(self) -> None:
        wrapper, model = self.runner.optim_wrapper, self.runner.model
        if not isinstance(wrapper, LocalBackwardMixin):
            raise TypeError(
                '`optim_wrapper` should be local for AsynchronousTrainLoop, '
                f'but got {type(wrapper).__name__}. Set optim_wrapper='
                "dict(type='LocalOptimWrapper')."
            )
        if is_model_wrapper(model) and not isinstance(
            model, LocalDistributedDataParallel
        ):
            raise TypeError(
                '`model_wrapper_cfg` should be '
                "dict(type='LocalDistributedDataParallel') for "
                f'AsynchronousTrainLoop, but got {type(model).__name__}. Set '
                'it in the config, without a runner_type.'
            )
        if isinstance(self.dataloader.sampler, InfiniteSampler):
            raise SetupError(
                '`train_dataloader.sampler` should end with the data set, but'
                ' got InfiniteSampler. AsynchronousTrainLoop trains by '
                "epochs: set sampler=dict(type='DefaultSampler')."
            )
        if self.iter != self.epoch * len(self.dataloader):
            raise ValueError(
                '`resume` should be from the end of an epoch of '
                f'{len(self.dataloader)} iterations, but got epoch '
                f'{self.epoch} and iteration {self.iter}. Save checkpoints '
                'by epoch, and resume with the same batch size.'
            )


def _find_local_modules(model: nn.Module) -> Sequence[nn.Module]:
    backbones = [*filter(learns, find_supervised_backbones(model))]
    found = [m for b in backbones for m in b.local_supervision.local_modules]
    if len(backbones) != 1 or not found:
        raise SetupError(
            '`model` should have one LocalBackbone with local_modules for '
            f'AsynchronousTrainLoop, but got {type(model).__name__} with '
            f'{len(backbones)} LocalBackbone and {len(found)} local_modules. '
            'Add local_modules, or set train_cfg=dict(by_epoch=True, ...).'
        )
    return found
