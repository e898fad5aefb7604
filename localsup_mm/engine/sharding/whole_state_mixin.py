"""Optimizer wrappers whose state dict is that of one process."""

from typing import TYPE_CHECKING

from .whole_state import find_whole_state, shard_state

__all__ = ['WholeStateMixin']


if TYPE_CHECKING:
    from mmengine.optim import OptimWrapper as _Base
else:
    _Base = object


class WholeStateMixin(_Base):
    """Lets an optimizer wrapper save and load as without shards."""

    def state_dict(self) -> dict:
        """Return the whole state; where there are shards, all call it."""
        return find_whole_state(super().state_dict())

    def load_state_dict(self, state_dict: dict) -> None:
        """Load a whole state, of which each process keeps its part.

        Args:
            state_dict (dict): The result of :meth:`state_dict`.
        """
        super().load_state_dict(shard_state(state_dict, self.optimizer))
