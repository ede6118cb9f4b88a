"""What a stand-in of `warm_commands` runs: `warm_client.py SOCKET COMMAND [argument ...]`.

It starts without `site` and imports next to nothing.
"""

import json
import os
import socket
import sys


def main() -> int:
    """Have a command run in a copy of the warm process; return how it ended."""
    address, script, *arguments = sys.argv[1:]
    if os.path.basename(script) == "python":
        if arguments[:1] == ["-u"]:
            del arguments[0]
        if not arguments or arguments[0].startswith("-"):
            os.execv(script, [script, *arguments])
        script, *arguments = arguments
    request = {
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "command": [script, *arguments],
        "python": os.path.join(os.path.dirname(address), "python"),
    }
    with socket.socket(socket.AF_UNIX) as warm:
        os.chdir(os.path.dirname(address))
        warm.connect(os.path.basename(address))
        socket.send_fds(warm, [b"."], [0, 1, 2])
        warm.sendall(json.dumps(request).encode() + b"\n")
        code = int(warm.recv(16) or 1)
    if code < 0:
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main())
