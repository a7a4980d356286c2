#!/usr/bin/python3
"""What sessions notice of a file system that takes 2 s for each read, while others of the same user (so of the same
process) download from it: latency of NOOP, of a small RETR and of a LIST. Needs root and /dev/fuse.

    bench/stall.py [--build FOLDER] [--seconds N] [--slow SESSIONS] [--sessions N]
"""
import argparse
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "system"))
import holdfs  # noqa: E402
import servers  # noqa: E402
from ftpclient import Ftp  # noqa: E402


def timed(samples, action):
    begin = time.monotonic()
    action()
    samples.append((time.monotonic() - begin) * 1000)


def show(what, samples):
    samples.sort()
    if samples:
        print(f"{what:24} {len(samples):6}   p50 {samples[len(samples) // 2]:8.2f} ms   "
              f"p99 {samples[int(len(samples) * .99)]:8.2f} ms   max {samples[-1]:8.2f} ms")


def phase(server, clients, seconds, title):
    noop, retr, lists = [], [], []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for i, c in enumerate(clients):
            timed(noop, lambda: c.expect(200, "NOOP"))
            if i == 0:
                timed(retr, lambda: c.read("RETR small"))
                timed(lists, lambda: c.read("LIST dir"))
    print(title)
    show("  NOOP", noop)
    show("  RETR of 10 KiB", retr)
    show("  LIST of 10 files", lists)


def download(server, name, stop):
    with Ftp(server.port, user="alice", timeout=60) as c:
        c.binary()
        while not stop.is_set():
            c.read("RETR slow/" + name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--slow", type=int, default=24)
    parser.add_argument("--sessions", type=int, default=50)
    args = parser.parse_args()
    if holdfs.reason():
        sys.exit(holdfs.reason())
    server = servers.Wherry(args.build)
    server.configure("MaxInstances none")
    server.put("small", os.urandom(10240))
    for i in range(10):
        server.put(f"dir/{i}", b"x")
    fs = holdfs.HoldFs(server.mkdir("slow"), {f"f{i}": os.urandom(300_000) for i in range(args.slow)})
    stop, threads = threading.Event(), []
    try:
        server.start()
        clients = [Ftp(server.port, user="alice", timeout=60).binary() for _ in range(args.sessions)]
        phase(server, clients, args.seconds / 2, "alone")
        for i in range(args.slow):
            fs.hold(f"f{i}", "read", seconds=2)
            threads.append(threading.Thread(target=download, args=(server, f"f{i}", stop)))
            threads[-1].start()
        fs.wait_held(4)
        phase(server, clients, args.seconds, f"with {args.slow} sessions that wait 2 s for each read")
    finally:
        stop.set()
        fs.release()
        for t in threads:
            t.join()
        server.stop()
        fs.unmount()
        server.remove()


if __name__ == "__main__":
    main()
