"""Checks that need the Runner."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...models import LocalSupervision
from ..setup_check import check_batches, check_classes

__all__ = ['SetupCheckHook']


@HOOKS.register_module()
class SetupCheckHook(Hook):
    """Check heads against data set and batches before iteration 0.

    What can be checked from the model alone, the optimizer wrapper checks.
    Logs where the backbone is cut and what follows for its neck.
    """

    def before_train(self, runner: Runner) -> None:
        """Raise a ValueError if a head does not fit the data."""
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        loader = runner.train_dataloader
        check_classes(model, getattr(loader.dataset, 'metainfo', {}))
        check_batches(model, loader)
        for module in model.modules():
            if isinstance(module, LocalSupervision):
                runner.logger.info(module.partition.describe())
