"""Checks that need the Runner."""

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...supervision import find_supervised_backbones, learns
from ..checks.setup_check import check_batches, check_classes, check_model
from ..model_wrapper import unwrap_model

__all__ = ['SetupCheckHook']


@HOOKS.register_module()
class SetupCheckHook(Hook):
    """Check heads against data set and batches before iteration 0.

    The optimizer wrapper checks the model itself. This hook also logs where
    the backbone is cut, and what follows for its neck.
    """

    def before_train(self, runner: Runner) -> None:
        """Raise an error if wrapper, heads or batches do not fit."""
        model = unwrap_model(runner.model)
        backbones = find_supervised_backbones(model)
        if backbones:
            # before the first iteration, which an engine may run its own way
            check_model(runner.model)
        loader = runner.train_dataloader
        check_classes(model, getattr(loader.dataset, 'metainfo', {}))
        check_batches(model, loader)
        for backbone in filter(learns, backbones):
            partition = backbone.local_supervision.partition
            runner.logger.info(partition.describe())
