"""Ports that nobody listens on, and addresses to listen at."""

import socket


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listenable(*hosts: str) -> list[str]:
    """Those at which this machine can listen: a container may lack IPv6, and macOS 127.0.0.2."""
    return [host for host in hosts if _can_listen(host)]


def _can_listen(host: str) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, 0), family=family).close()
    except OSError:
        return False
    return True
