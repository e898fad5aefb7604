"""Local modules trained one after the other."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional, Union

from mmengine.dataset import InfiniteSampler
from mmengine.dist import broadcast, is_distributed
from mmengine.model import is_model_wrapper
from mmengine.optim import _ParamScheduler
from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop, Runner, set_random_seed
from torch import nn
from torch.utils.data import DataLoader

from ...supervision import (
    find_supervised_backbones,
    local_parameters,
)
from ..model_wrapper import LocalDistributedDataParallel, unwrap_model
from ..optim_wrapper import LocalBackwardMixin
from ..random_states import get_random_states, set_random_states
from .feature_cache import FeatureCache

__all__ = ['AsynchronousTrainLoop']


@LOOPS.register_module()
class AsynchronousTrainLoop(EpochBasedTrainLoop):
    """Train each local module to its end before the next one begins.

    A run has K phases of ``max_epochs`` epochs; epochs are counted through,
    from 0 to ``K * max_epochs - 1``. In phase k

    1. the parameters of all other local modules, neck and heads are frozen,
       and with ``cache`` the training set passes once through local modules
       0 to k - 1;
    2. the optimizer, the schedules of learning rate and others and the log
       start anew, as for a training of ``max_epochs`` epochs;
    3. local modules 0 to k - 1 run in evaluation mode (or come from the
       cache), local module k learns from its local loss, and what lies
       behind it does not run;
    4. in phase K - 1 the last local module, neck and heads learn from the
       loss of the host, with validation.

    A run resumed at the end of any epoch is bit by bit the uninterrupted
    one, under :class:`SafeCheckpointHook`. AMP, gradient accumulation and
    clipping work, and so does :class:`LocalDistributedDataParallel` without
    a cache; other wrappers for distribution are refused.

    With ``cache`` the augmentation of a sample is drawn once a phase, from
    the seed of the run, and so again when the run is resumed; the order of
    the samples is drawn every epoch as without.

    Source: `InfoPro <https://openreview.net/forum?id=fAbkE6ant2>`_, ICLR
    2021, Table 2, "Asy-InfoPro". The authors published no code for it: that
    each phase has a schedule of its own, that earlier modules run in
    evaluation mode, and the rest, is our reading.

    Args:
        runner (Runner): As the host.
        dataloader (DataLoader | dict): As the host.
        max_epochs (int): Epochs of each local module.
        val_begin (int): Epoch of the last phase that begins validation.
            Defaults to 1.
        cache (bool): Whether to keep what reaches a local module in CPU
            memory for the time of its phase: features, preprocessed inputs
            and data samples. For one process and backbones that hand on
            nothing else, so without ``context_supply``. Defaults to False.
        **kwargs: As the host.

    Raises:
        ValueError: If the model, the data loader or ``cache`` does not fit;
            the message says what to change.
        TypeError: If a wrapper or a schedule does not fit.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: Union[DataLoader, dict],
        max_epochs: Optional[int] = None,
        val_begin: int = 1,
        cache: bool = False,
        **kwargs: Any,
    ) -> None:
        if max_epochs is None or 'max_iters' in kwargs:
            raise ValueError(
                '`train_cfg` of AsynchronousTrainLoop should have max_epochs,'
                f' but got {kwargs!r}. It trains by epochs: set max_epochs to'
                ' those of one local module.'
            )
        model = runner.model
        self._model = unwrap_model(model)
        self._backbone = _find_backbone(self._model)
        self._partition = self._backbone.local_supervision.partition
        self.num_local_modules = len(self._partition.boundaries) + 1
        self.epochs_per_module = int(max_epochs)
        self.cache = cache
        before = (self.num_local_modules - 1) * self.epochs_per_module
        super().__init__(
            runner,
            dataloader,
            before + max_epochs,
            before + val_begin,
            **kwargs,
        )
        self._full_dataloader = self.dataloader
        self._phase: Optional[int] = None
        self._feature_cache: Optional[FeatureCache] = None
        self._schedules = self._limit_schedules(runner.param_schedulers)
        runner.param_schedulers = copy.deepcopy(self._schedules)

    def run(self) -> nn.Module:
        """As the host; every parameter is as frozen after as before."""
        self._check_setup()
        trainable = [p for p in self._model.parameters() if p.requires_grad]
        self._own = [
            set(trainable).intersection(parameters)
            for parameters in local_parameters(self._model).values()
        ]
        self._own.append(set(trainable).difference(*self._own))
        try:
            return super().run()
        finally:
            self._phase = self._feature_cache = None
            self.runner.optim_wrapper.only = None
            self.dataloader = self._full_dataloader
            for parameter in trainable:
                parameter.requires_grad_(True)

    def run_epoch(self) -> None:
        """As the host, in the phase of this epoch."""
        phase = self._epoch // self.epochs_per_module
        if phase != self._phase:
            self._start(phase)
        super().run_epoch()

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """As the host; a batch of the cache comes with its features.

        Args:
            idx (int): Index of the batch in the epoch.
            data_batch (Any): Batch of the data loader.
        """
        if self._feature_cache is None:
            super().run_iter(idx, data_batch)
            return
        data_batch, feats = data_batch
        with self._feature_cache.skip(feats):
            super().run_iter(idx, data_batch)

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
        iters = self.epochs_per_module * len(self._full_dataloader)
        wrapper.initialize_count_status(
            self.runner.model, self._iter - phase * iters, iters
        )
        if self._epoch % self.epochs_per_module == 0:
            self._start_anew()
        self.dataloader = self._full_dataloader
        self._feature_cache = wrapper.only = None
        self.runner.logger.info(
            f'Phase {phase + 1} of {self.num_local_modules}: local module '
            f'{phase} is trained.'
        )
        if self.cache and phase:
            self._fill_cache(self._partition.boundaries[phase - 1].name)
        self._phase = wrapper.only = phase

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

    def _fill_cache(self, boundary: str) -> None:
        loader = self._full_dataloader
        cache = FeatureCache(self._model, self._backbone, boundary)
        in_order = DataLoader(
            loader.dataset,
            loader.batch_size or loader.batch_sampler.batch_size,
            num_workers=loader.num_workers,
            collate_fn=loader.collate_fn,
            worker_init_fn=loader.worker_init_fn,
        )
        with (
            _seeded(self.runner.seed),
            self.runner.optim_wrapper.optim_context(self.runner.model),
        ):
            cache.fill(in_order)
        if hasattr(loader.dataset, 'metainfo'):
            cache.metainfo = loader.dataset.metainfo
        self._feature_cache = cache
        self.dataloader = DataLoader(
            cache,
            batch_sampler=loader.batch_sampler,
            collate_fn=cache.collate,
        )

    def _limit_schedules(self, schedules: Any) -> Any:
        """Schedules end with a phase where they do not say when."""
        if schedules is None:
            return None
        if not isinstance(schedules, (list, tuple)):
            schedules = [schedules]
        limited = []
        for schedule in schedules:
            if isinstance(schedule, _ParamScheduler):
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
                'it in the config.'
            )
        if isinstance(self.dataloader.sampler, InfiniteSampler):
            raise ValueError(
                '`train_dataloader.sampler` should end with the data set, but'
                ' got InfiniteSampler. AsynchronousTrainLoop trains by '
                "epochs: set sampler=dict(type='DefaultSampler')."
            )
        if self._iter != self._epoch * len(self.dataloader):
            raise ValueError(
                '`resume` should be from the end of an epoch of '
                f'{len(self.dataloader)} iterations, but got epoch '
                f'{self._epoch} and iteration {self._iter}. Save checkpoints '
                'by epoch, and resume with the same batch size.'
            )
        if self.cache and is_distributed():
            raise ValueError(
                '`cache` should be False in distributed training, where each '
                'process gets other samples in each epoch, but got True. Set '
                'cache=False.'
            )
        context = getattr(self._backbone, 'context_supply', None)
        if self.cache and context is not None:
            raise ValueError(
                '`cache` should be False with context_supply, whose encoders '
                'need more than the features at one boundary, but got True '
                f'with mode {context.mode!r}. Set cache=False.'
            )
        supervision = self._backbone.local_supervision
        deep = [m.name for m in supervision.local_modules if m.levels]
        if self.cache and deep:
            raise ValueError(
                '`cache` should be False with a pyramid, which needs more '
                f'than the features at one boundary, but got True with {deep} '
                'of pyramid=True. Set cache=False.'
            )
        closed = self._partition.closed_outputs
        if self.cache and closed:
            raise ValueError(
                '`cache` should be False where outputs of the backbone come '
                'from before the last boundary, but got True with outputs '
                f'{closed}. Set cache=False, or use the last output only.'
            )


def _find_backbone(model: nn.Module) -> nn.Module:
    backbones = find_supervised_backbones(model)
    number = sum(len(m.local_supervision.local_modules) for m in backbones)
    if len(backbones) != 1 or not number:
        raise ValueError(
            '`model` should have one LocalBackbone with local_modules for '
            f'AsynchronousTrainLoop, but got {type(model).__name__} with '
            f'{len(backbones)} LocalBackbone and {number} local_modules. Add '
            'local_modules, or set train_cfg=dict(by_epoch=True, ...).'
        )
    return backbones[0]


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw from a seed, and leave the random states as they are."""
    states = get_random_states()
    set_random_seed(seed)
    try:
        yield
    finally:
        set_random_states(states)
