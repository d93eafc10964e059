"""Ports for sites that a test starts more than once."""

import random
import socket


def free_port() -> int:
    """A free port below the range that the kernel hands to outgoing connections, so that it stays free."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):  # nobody answers
                return port
