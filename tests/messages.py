"""What mmengine's current logger says."""

import logging

from mmengine.logging import MMLogger


class _Collector(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


def collect_warnings():
    """Start to collect warnings; the list grows with them."""
    collector = _Collector()
    MMLogger.get_current_instance().addHandler(collector)
    return collector.messages
