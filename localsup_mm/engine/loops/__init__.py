"""Loops of mmengine's Runner."""

from .asynchronous_train_loop import AsynchronousTrainLoop
from .feature_cache import FeatureCache

__all__ = ['AsynchronousTrainLoop', 'FeatureCache']
