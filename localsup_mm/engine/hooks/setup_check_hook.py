"""Checks that need the Runner."""

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...supervision import find_supervised_backbones, learns
from ..checks.setup_check import check_batches, check_classes, check_model
from ..local_backward import LocalBackwardMixin
from ..model_wrapper import unwrap_model

__all__ = ['SetupCheckHook']


@HOOKS.register_module()
class SetupCheckHook(Hook):
    """Check heads against data set and batches before iteration 0.

    The optimizer wrapper checks the model itself. This hook also logs where
    the backbone is cut, and what follows for its neck.
    """

    def before_train(self, runner: Runner) -> None:
        """Raise a ValueError if a head does not fit the data."""
        if isinstance(runner.optim_wrapper, LocalBackwardMixin):
            check_model(runner.model)
        model = unwrap_model(runner.model)
        loader = runner.train_dataloader
        check_classes(model, getattr(loader.dataset, 'metainfo', {}))
        check_batches(model, loader)
        for backbone in find_supervised_backbones(model):
            if not learns(backbone):
                continue
            partition = backbone.local_supervision.partition
            runner.logger.info(partition.describe())
