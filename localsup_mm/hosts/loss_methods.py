"""Methods of heads that compute a loss."""

__all__ = ['LOSS_METHODS']

# methods in which the hosts' heads turn outputs into losses, beside forward
LOSS_METHODS = ('loss_by_feat',)
