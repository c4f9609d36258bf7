"""Prints two free ports of this machine. They lie below those that the system gives to outgoing connections, one of which could
otherwise take the port of a server that was killed before the server is back."""
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
