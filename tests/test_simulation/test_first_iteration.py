"""What a Runner tells losses, outside of one."""

from mmengine.logging import MessageHub

from localsup_mm.simulation import in_first_iteration


def read():
    hub = MessageHub.get_current_instance()
    return hub.get_info('epoch'), hub.get_info('iter')


def test_losses_may_read_the_epoch():
    """The head of TOOD asks for it to choose how to assign boxes."""
    MessageHub.get_instance('outside')
    assert read() == (None, None)
    with in_first_iteration():
        assert read() == (0, 0)
    assert read() == (None, None)


def test_that_of_a_runner_stays():
    hub = MessageHub.get_instance('runs')
    hub.update_info('epoch', 3)
    with in_first_iteration():
        assert read() == (3, 0)
    assert read() == (3, None)
    hub.pop_info('epoch')
