"""Passes listening sockets to a command, as a service manager does (sd_listen_fds(3)).

Usage: activate.py ADDRESS... -- COMMAND [ARG...], an ADDRESS being the path of a unix socket or the number of a port on 127.0.0.1.
"""
import os, socket, sys

end = sys.argv.index("--")
addresses, command = sys.argv[1:end], sys.argv[end + 1 :]
listening = []
for address in addresses:
    if address.startswith("/"):
        one = socket.socket(socket.AF_UNIX)
        one.bind(address)
    else:
        one = socket.socket(socket.AF_INET)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("127.0.0.1", int(address)))
    one.listen()
    # Out of the way first: the descriptors from 3 on are the ones to be given.
    listening.append(os.dup2(one.fileno(), 100 + len(listening)))
for index, fd in enumerate(listening):
    os.dup2(fd, 3 + index)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(listening)))
os.execvp(command[0], command)
