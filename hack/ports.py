"""Prints two free ports of this machine.

The ports are below the range that the system gives to outgoing connections. Otherwise such a connection could get the
port of a server that was killed, and the server could not start again.
"""

import random
import socket

held = []
while len(held) < 2:
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", random.randrange(20000, 32768)))
        held.append(s)
    except OSError:
        pass
print(*(s.getsockname()[1] for s in held))
