"""A job for the tests of GPU leases: `python -I -S gpu_holder.py FOLDER SECONDS LINGER`.

Takes a lock of its own for every device that it was given, writes what happens to FOLDER/events, and ends. The lock
dies with the process, so "COLLISION" means that two living processes hold one device. LINGER: seconds that it goes on
after SIGTERM, as a training does that stores its state.
"""

import fcntl
import os
import signal
import sys
import time

folder, seconds, linger = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
devices = os.environ["CUDA_VISIBLE_DEVICES"]
events = os.open(os.path.join(folder, "events"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)  # noqa: PTH118


def tell(what: str) -> None:
    os.write(events, f"{time.monotonic_ns()} {what} {os.getpid()} {os.getppid()} {devices}\n".encode())


def stop(*_: object) -> None:
    time.sleep(linger)
    tell("stopped")
    sys.exit(143)


if linger:
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGUSR1, stop)
held = []
for device in devices.split(","):
    places = int(os.environ.get("PLACES", "1"))
    for place in range(places):
        held.append(os.open(os.path.join(folder, f"probe-{device}-{place}"), os.O_RDWR | os.O_CREAT))  # noqa: PTH118
        try:
            fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if place + 1 == places:
                tell("COLLISION")
tell("begin")
time.sleep(seconds)
tell("end")
