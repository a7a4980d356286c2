"""What is measured: a row a work. Sizes are smaller in a quick run."""
import json
import os
import shutil
import subprocess
import threading

from .peers import PASSWORD, RATE, ROOT, UID, USER, Unable, pin, undisturbed

GIB = 1 << 30
MIB = 1 << 20
ENTRIES, ENTRY = 100_000, "entry number %06d.dat"


class Work:
    """One row of the plan.
    options(peer)  arguments of ftpload but the server and the path
    per            unit of the CPU figure: "GiB" of bytes moved, "op" (ms for each operation)
    extra          {name: (unit, function of ftpload's report)}: further figures, beside speed
    """

    def __init__(self, name, title, variant, mode, options, path=None, per="op", extra=None, speed=True, once=False):
        self.name, self.title, self.variant, self.mode = name, title, variant, mode
        self.options, self.path, self.per, self.extra, self.speed, self.once = options, path, per, extra or {}, speed, once

    def cpu_unit(self):
        return {"GiB": "CPU-s/GiB", "op": "CPU-ms", "run": "CPU-s"}[self.per]


def plan(quick):
    big = 256 * MIB if quick else GIB
    upload = 256 * MIB if quick else 512 * MIB
    many = 50 if quick else 200
    small, logins = (400, 64) if quick else (3000, 320)
    eight = ["-n8", f"-c{small}", "-f100"]
    tls_small = ["-s", "-n8", f"-c{small // 4}", "-f100"]
    idle = 4 if quick else 1

    def sessions(peer):
        return max(10, peer.idle_sessions // idle)
    return [
        # First: what other works leave of a process's memory would be used for the sessions.
        Work("idle", "idle sessions", "plain", "idle", lambda p: [f"-n{sessions(p)}", "-r500", "-d2" if quick else "-d5"], speed=False, once=True,
             extra={"PSS": ("KiB each", None), "NOOP p99": ("ms", lambda r: r["operation_ms"]["p99"])}),
        Work("get_big", "big download, 1 client", "plain", "get", lambda p: [f"-e{big}"], "big", "GiB"),
        Work("get_foreign", "the same, file of another user", "plain", "get", lambda p: [f"-e{256 * MIB}", "-c2"], "foreign", "GiB"),
        Work("get_many", f"{many} clients × 10 MB", "plain", "get", lambda p: [f"-n{many}", "-e10000000"], "10mb", "GiB"),
        Work("put_big", "big upload", "plain", "put", lambda p: [f"-b{upload}"], "up/big", "GiB"),
        Work("get_small", "10 KiB down, 8 clients", "plain", "get", lambda p: eight + ["-e10240"], "small/%d"),
        Work("put_small", "10 KiB up, 8 clients", "plain", "put", lambda p: ["-n8", f"-c{small // 2}", "-b10240"], "up/%d"),
        Work("login", "login + quit, 16 clients", "plain", "login", lambda p: ["-n16", f"-c{logins}"]),
        Work("mlsd", "MLSD of 100,000", "plain", "mlsd", lambda p: ["-t120"], "many"),
        Work("list", "LIST of 100,000", "plain", "list", lambda p: ["-t120"], "many"),
        Work("nlst", "NLST of 100,000", "plain", "nlst", lambda p: ["-t120"], "many"),
        Work("tls_get_big", "FTPS big download", "tls", "get", lambda p: ["-s", f"-e{big}"], "big", "GiB"),
        Work("tls_put_big", "FTPS big upload", "tls", "put", lambda p: ["-s", f"-b{upload}"], "up/big", "GiB"),
        Work("tls_get_small", "FTPS 10 KiB down, 8 clients", "tls", "get", lambda p: tls_small + ["-e10240"], "small/%d"),
        Work("tls_login", "FTPS login + quit, 8 clients", "tls", "login", lambda p: ["-s", "-n8", f"-c{logins // 2}"]),
        Work("tls_login_again", "FTPS login that resumes, 8 clients", "tls", "login", lambda p: ["-s", "-R", "-n8", f"-c{logins // 2}"]),
        Work("rate", "100 sessions at 1 MiB/s", "rate", "rate", lambda p: ["-n100", f"-r{RATE}", "-d4" if quick else "-d10"], "big", "GiB", speed=False,
             once=True, extra={"roughness": ("of 100 ms", lambda r: r["rate"]["roughness"]),
                               "deviation": ("% worst", lambda r: 100 * max(abs(r["rate"][k] / RATE - 1) for k in ("min", "max")))}),
        Work("z", "MODE Z, 64 MiB of text", "z", "get", lambda p: ["-z", f"-e{64 * MIB}"], "text", "run",
             extra={"size": ("% of the text", lambda r: 100 * r["wire_bytes"] / r["bytes"])}),
    ]


def text_of(size):
    """Text as people have it: the documents and headers of this machine, again and again until it is enough."""
    out = bytearray()
    for top in ("/usr/share/common-licenses", "/usr/include", "/usr/share/doc", "/usr/share/perl"):
        for folder, folders, names in os.walk(top):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(folder, name)
                if os.path.islink(path) or not os.path.isfile(path):
                    continue
                with open(path, "rb") as f:
                    data = f.read(MIB)
                if b"\0" not in data[:4096]:
                    out += data
                if len(out) >= size:
                    return bytes(out[:size])
    out = out or bytearray(b"some text, for want of better\n")
    return bytes((out * (size // len(out) + 1))[:size])


def make_tree(tree, quick):
    """The files that all servers share; those that are there already stay."""
    def put(name, size, content=None):
        path = os.path.join(tree, name)
        if not os.path.exists(path) or os.path.getsize(path) != size:
            with open(path, "wb") as f:
                if content is not None:
                    f.write(content())
                else:
                    for _ in range(0, size, MIB):
                        f.write(os.urandom(min(MIB, size - f.tell())))
    for folder in ("small", "many", "up"):
        os.makedirs(os.path.join(tree, folder), exist_ok=True)
    put("big", 256 * MIB if quick else GIB)
    put("10mb", 10_000_000)
    put("text", 64 * MIB, lambda: text_of(64 * MIB))
    for i in range(100):
        put(f"small/{i}", 10240)
    have = len(os.listdir(os.path.join(tree, "many")))
    for i in range(have, ENTRIES):
        with open(os.path.join(tree, "many", ENTRY % i), "wb"):
            pass
    put("foreign", 256 * MIB)  # the kernel tells only a file's owner which of its pages are in memory (cachestat(2))
    if os.geteuid() == 0:
        for path in [tree, *(os.path.join(tree, n) for n in ("up", "big", "10mb", "text", "small", *(f"small/{i}" for i in range(100))))]:
            os.chown(path, UID, UID)
    for name in ("big", "foreign", "10mb", "text"):  # into the page cache
        with open(os.path.join(tree, name), "rb") as f:
            while f.read(MIB):
                pass


def empty_uploads(tree):
    shutil.rmtree(os.path.join(tree, "up"), ignore_errors=True)
    os.makedirs(os.path.join(tree, "up"), exist_ok=True)
    if os.geteuid() == 0:
        os.chown(os.path.join(tree, "up"), UID, UID)


def run(work, peer, build):
    """Once. Returns {figure: value}; raises Unable with ftpload's message."""
    if work.mode == "put":
        empty_uploads(peer.tree)  # files are new for everybody: to truncate one and write it anew costs more
        os.sync()  # what others have uploaded is not written at this one's cost
    before_pss = peer.pss_kib() if work.name == "idle" else 0
    command = [os.path.join(ROOT, build, "src", "tools", "ftpload"), "-j", "-p", *work.options(peer), work.mode,
               f"{USER}:{PASSWORD}@127.0.0.1:{peer.port}"] + ([work.path] if work.path else [])
    load = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            preexec_fn=lambda: pin(1))
    watch = threading.Timer(240, load.kill)
    watch.start()
    figures, cpu = {}, 0
    try:
        if load.stdout.readline() == "ready\n":
            if work.name == "idle":
                count = int(next(o for o in command if o.startswith("-n"))[2:])
                figures["PSS"] = (peer.pss_kib() - before_pss) / count
                undisturbed([load.pid, *peer.accounting.pids(peer.proc.pid)], True)
            cpu = peer.cpu()
            load.stdin.write("\n")
            load.stdin.flush()
            load.stdout.readline()
            cpu = peer.cpu() - cpu
            if work.name == "idle":
                undisturbed([load.pid, *peer.accounting.pids(peer.proc.pid)], False)
            load.stdin.write("\n")
            load.stdin.flush()
        out, err = load.communicate()
    except BrokenPipeError:
        out, err = load.communicate()
    finally:
        watch.cancel()
    if load.returncode != 0:
        raise Unable(err.strip().splitlines()[0].split(": ", 2)[-1] if err.strip() else "ftpload was ended: too slow")
    report = json.loads(out)
    if work.path == "many" and report["bytes"] < ENTRIES * len(ENTRY % 0):
        raise Unable(f"lists {report['bytes']} bytes only: not all of the entries")
    figures.update({name: how(report) for name, (_, how) in work.extra.items() if how})
    units = {"GiB": report["bytes"] / GIB, "op": report["operations"] / 1000, "run": report["operations"]}[work.per]
    if work.name != "idle":
        figures["cpu"] = cpu / units
    if work.speed:
        figures["speed"] = report["bytes"] / MIB / report["seconds"] if work.per != "op" else report["operations"] / report["seconds"]
    return figures
