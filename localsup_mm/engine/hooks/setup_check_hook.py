"""Checks that need the Runner."""

from typing import Any, Optional

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch.utils.hooks import RemovableHandle

from ...hosts import check_labels
from ...supervision import find_supervised_backbones, learns
from ..checks.batch_size import check_as_many_batches
from ..checks.empty_check import check_not_empty
from ..checks.norm_check import check_norms
from ..checks.setup_check import check_batches, check_classes, check_model
from ..explained_pipeline import name_files_in_errors
from ..model_wrapper import unwrap_model

__all__ = ['SetupCheckHook']


@HOOKS.register_module()
class SetupCheckHook(Hook):
    """Check heads against data set and batches before iteration 0.

    It looks at the labels of the first batch, which costs nothing. The
    optimizer wrapper checks the model itself. This hook also logs where
    the backbone is cut, and what follows for its neck, and lets errors in
    loading name the file.
    """

    def __init__(self) -> None:
        self._is_first = True
        self._handles: list[RemovableHandle] = []

    def before_train(self, runner: Runner) -> None:
        """Raise an error if wrapper, heads, norms or batches do not fit."""
        model = unwrap_model(runner.model)
        backbones = find_supervised_backbones(model)
        if backbones:
            # before the first iteration, which an engine may run its own way
            check_model(runner.model)
        loader = runner.train_dataloader
        check_not_empty(loader)
        check_classes(model, getattr(loader.dataset, 'metainfo', {}))
        check_batches(model, loader)
        check_as_many_batches(runner.train_loop)
        name_files_in_errors(loader.dataset)
        iters_left = getattr(runner.train_loop, 'max_iters', 0) - runner.iter
        self._handles = check_norms(model, loader, iters_left)
        self._is_first = True
        for backbone in filter(learns, backbones):
            partition = backbone.local_supervision.partition
            runner.logger.info(partition.describe())

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Look at the labels of the first batch."""
        # some processes read no data
        if self._is_first and data_batch is not None:
            model = unwrap_model(runner.model)
            check_labels(model, data_batch, runner.cfg.get('default_scope'))
        self._is_first = False

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Optional[dict] = None,
    ) -> None:
        """Let the norms be what they were."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
