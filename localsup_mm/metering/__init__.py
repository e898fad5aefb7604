"""Counting bytes and multiply-accumulates of whatever runs."""

from .byte_size import format_bytes, parse_bytes
from .live_bytes import LiveBytes
from .mac_counter import MacCounter, is_product

__all__ = [
    'LiveBytes',
    'MacCounter',
    'format_bytes',
    'is_product',
    'parse_bytes',
]
