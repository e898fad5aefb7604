"""Names in a state dict of what local supervision adds to a backbone."""

__all__ = ['AUX_NETS', 'CONTEXT', 'is_aux_net', 'is_context_encoder']

# children of a locally supervised backbone
AUX_NETS = 'local_supervision'
CONTEXT = 'context_supply'


def is_aux_net(key: str) -> bool:
    """Tell whether a key belongs to an aux net, which inference drops.

    Args:
        key (str): Key of a state dict, or name of a parameter or submodule.

    Returns:
        bool: Whether it lies below ``local_supervision``.
    """
    return f'{AUX_NETS}.' in key


def is_context_encoder(key: str) -> bool:
    """Tell whether a key belongs to a context encoder, which inference needs.

    Args:
        key (str): Key of a state dict, or name of a parameter or submodule.

    Returns:
        bool: Whether it lies below ``context_supply``.
    """
    return f'{CONTEXT}.' in key
