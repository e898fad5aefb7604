"""A server on this machine, and a machine without a network."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import ProxyHandler, build_opener, install_opener

import pytest


class _NothingThere(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(404)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    """Address of a server; it answers, but has no file."""
    install_opener(build_opener(ProxyHandler({})))
    with ThreadingHTTPServer(('127.0.0.1', 0), _NothingThere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()
    install_opener(None)


@pytest.fixture
def no_network():
    """Requests go to a proxy that is not there."""
    nowhere = 'http://127.0.0.1:9'
    install_opener(
        build_opener(ProxyHandler(dict(http=nowhere, https=nowhere)))
    )
    yield
    install_opener(None)
