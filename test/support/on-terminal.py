"""Runs a command on a pseudo terminal and follows a script.

Usage: on-terminal.py SCRIPT COMMAND [ARG...], SCRIPT a JSON list of ["expect", TEXT], ["send", TEXT], ["resize", ROWS, COLUMNS],
["sleep", SECONDS]. Prints {"output", "status", "failure", "restored"} as JSON: what the terminal showed, the command's exit
status, the step that did not come to pass (or null), and whether the terminal's settings are as before.
"""
import errno, fcntl, json, os, select, struct, sys, termios, time

PATIENCE = 60  # seconds for one expectation: far above what any step takes


def main():
    script, command = json.loads(sys.argv[1]), sys.argv[2:]
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(slave)
    pid = os.fork()
    if pid == 0:
        os.close(master)
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for fd in (0, 1, 2):
            os.dup2(slave, fd)
        os.execvp(command[0], command)
    output, seen, failure = b"", 0, None

    def read(seconds):
        nonlocal output
        ready, _, _ = select.select([master], [], [], seconds)
        if not ready:
            return True
        try:
            data = os.read(master, 65536)
        except OSError as error:
            if error.errno == errno.EIO:
                return False
            raise
        output += data
        return bool(data)

    status = None

    def ended():
        nonlocal status
        if status is None:
            done, code = os.waitpid(pid, os.WNOHANG)
            if done:
                status = os.waitstatus_to_exitcode(code)
        return status is not None

    for step in script:
        if step[0] == "expect":
            wanted, end = step[1].encode(), time.monotonic() + PATIENCE
            while wanted not in output[seen:]:
                if time.monotonic() > end or (ended() and not select.select([master], [], [], 0.1)[0]):
                    failure = step
                    break
                read(0.1)
            if failure:
                break
            seen = output.index(wanted, seen) + len(wanted)
        elif step[0] == "send":
            os.write(master, step[1].encode())
        elif step[0] == "sleep":
            end = time.monotonic() + step[1]
            while time.monotonic() < end:
                read(0.05)
        elif step[0] == "resize":
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", step[1], step[2], 0, 0))
    end = time.monotonic() + (PATIENCE if failure is None else 1)
    while not ended() and time.monotonic() < end:
        read(0.05)
    if status is None:
        failure = failure or ["exit"]
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    while select.select([master], [], [], 0.1)[0] and read(0):
        if len(select.select([master], [], [], 0)[0]) == 0:
            break
    restored = termios.tcgetattr(slave) == before
    print(json.dumps({"output": output.decode(errors="replace"), "status": status, "failure": failure, "restored": restored}))


main()
