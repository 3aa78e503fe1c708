"""A real child process that speaks the backend's events, well or badly. Run by test_jobs.py."""

import json
import os
import signal
import subprocess
import sys
import time

VERSION = os.environ.get("CHILD_VERSION", "0.1.0")


def say(**event) -> None:
    print(json.dumps(event), flush=True)


def started(version: str = VERSION) -> None:
    say(event="started", version=version, stages=["video", "people"])


def report(folder: str) -> None:
    started()
    for done in range(1, 6):
        say(event="progress", stage="people", done=done, total=5, left_s=5.0 - done, fraction=done / 5)
    say(event="note", text="The second person is seen briefly.")
    say(event="finished", takes=[folder], report={"frames": 5})


def fail(code: str) -> None:
    started()
    say(event="failed", code=int(code), message="Nobody was found; choose another range.")
    sys.exit(int(code))


def refuse() -> None:
    print("sinew: The video is missing; check the path.", file=sys.stderr)
    sys.exit(2)


def hang() -> None:
    started()
    while True:
        time.sleep(60)


def obey() -> None:
    """Ends with the code for a stop when its standard input closes, as the command line does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(4))
    started()
    sys.stdin.read()
    sys.exit(4)


def deaf() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    hang()


def die() -> None:
    started()
    os.kill(os.getpid(), signal.SIGKILL)


def crash() -> None:
    started()
    raise RuntimeError("inside")


def garbage() -> None:
    out = sys.stdout.buffer
    out.write(b"\xff\xfe\x00 no event\n{\n[]\nnull\n{\"event\": 3}\n{\"event\": \"progress\"}\n")
    out.write(b"{\"event\": \"progress\", \"stage\": 1, \"done\": \"x\", \"total\": {}, \"left_s\": [], \"fraction\": 0}\n")
    out.write(b"x" * (3 << 20) + b"\n")
    out.flush()
    started()
    say(event="progress", stage="people", done=1, total=2, left_s=None, fraction=0.5)
    out.write(b"half a li")
    out.flush()


def flood() -> None:
    started()
    line = json.dumps({"event": "progress", "stage": "people", "done": 1, "total": 2, "left_s": None, "fraction": 0.4})
    for _ in range(100):
        print("\n".join([line] * 1000))
    say(event="finished", takes=[], report={})


def family(pid_file: str) -> None:
    """Starts a grandchild that ignores terminate and keeps the pipe open, then hangs or ends."""
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    grandchild = subprocess.Popen([sys.executable, "-c", code])
    with open(pid_file, "w") as file:
        file.write(f"{grandchild.pid}")
    started()
    if os.path.basename(pid_file) == "ends":
        say(event="finished", takes=[], report={})
        return
    hang()


def linger() -> None:
    started()
    say(event="finished", takes=["x"], report={})
    time.sleep(600)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
