"""A file system for tests that can hang: FUSE spoken directly over /dev/fuse (linux/fuse.h), no library needed.

    fs = HoldFs(mountpoint, {"slow/f": b"content", "dir/g": b"..."})
    fs.hold("slow/f", "read")       # reads of it wait from now on ...
    fs.wait_held(3)                 # ... until three of them do
    fs.release()                    # and all go on

Operations that can be held: lookup (of a name), getattr, open, read, flush, opendir, readdir, readlink, statfs (path
"" is the root). Nothing is remembered by the kernel (timeouts are 0) unless `remember` is given in seconds. Needs
root and /dev/fuse: reason() says why it cannot be used here.
"""
import ctypes
import errno
import os
import stat
import struct
import threading

LOOKUP, FORGET, GETATTR, READLINK, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 5, 14, 15, 17, 18
GETXATTR, LISTXATTR, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR = 22, 23, 25, 26, 27, 28, 29
ACCESS, INTERRUPT, DESTROY, BATCH_FORGET = 34, 36, 38, 42
NAMES = {LOOKUP: "lookup", GETATTR: "getattr", OPEN: "open", READ: "read", FLUSH: "flush", OPENDIR: "opendir",
         READDIR: "readdir", READLINK: "readlink", STATFS: "statfs"}
HEADER = struct.Struct("<IIQQIIII")
MNT_DETACH = 2
libc = ctypes.CDLL(None, use_errno=True)


def reason():
    """Why this cannot be used here, or None."""
    if os.geteuid() != 0:
        return "needs root to mount a FUSE file system"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as problem:
        return f"no /dev/fuse: {problem.strerror}"
    return None


class Link(str):
    """Content of a symbolic link."""


class Node:
    def __init__(self, number, path, content=None):
        self.number, self.path, self.content = number, path, content
        self.children = {} if content is None else None

    def attr(self):
        if isinstance(self.content, Link):
            mode, size = stat.S_IFLNK | 0o777, len(self.content)
        elif self.content is None:
            mode, size = stat.S_IFDIR | 0o755, 4096
        else:
            mode, size = stat.S_IFREG | 0o644, len(self.content)
        when = 1700000000
        return struct.pack("<QQQQQQIIIIIIIIII", self.number, size, (size + 511) // 512, when, when, when, 0, 0, 0,
                           mode, 1, 0, 0, 0, 4096, 0)


class HoldFs:
    def __init__(self, mountpoint, files, remember=0):
        self.mountpoint, self.remember = mountpoint, remember
        self.nodes = {1: Node(1, "")}
        self.by_path = {"": self.nodes[1]}
        for path, content in files.items():
            self.add(path, content)
        self.lock = threading.Condition()
        self.held, self.waiting, self.counts = {}, 0, {}
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self.fd},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
        if libc.mount(b"testfs", os.fsencode(mountpoint), b"fuse", 0, options.encode()) != 0:
            problem = ctypes.get_errno()
            os.close(self.fd)
            raise OSError(problem, os.strerror(problem), mountpoint)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def add(self, path, content):
        parent = self.by_path[""]
        parts = path.split("/")
        for i, name in enumerate(parts):
            here = "/".join(parts[:i + 1])
            if here not in self.by_path:
                number = len(self.nodes) + 1
                node = Node(number, here, content if i == len(parts) - 1 else None)
                self.nodes[number] = self.by_path[here] = parent.children[name] = node
            parent = self.by_path[here]

    # -- holding

    def hold(self, path, *operations, seconds=None):
        """seconds: only so long, each."""
        with self.lock:
            self.held.update({(path, op): seconds for op in operations})

    def release(self):
        with self.lock:
            self.held.clear()
            self.lock.notify_all()

    def wait_held(self, n, seconds=60):
        """Waits until n operations are held."""
        with self.lock:
            assert self.lock.wait_for(lambda: self.waiting >= n, seconds), f"only {self.waiting} of {n} are held"

    def count(self, operation):
        with self.lock:
            return self.counts.get(operation, 0)

    def unmount(self):
        self.release()
        libc.umount2(os.fsencode(self.mountpoint), MNT_DETACH)
        self.thread.join(10)
        os.close(self.fd)

    # -- the protocol

    def serve(self):
        while True:
            try:
                request = os.read(self.fd, 1 << 20)
            except OSError as problem:
                if problem.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                return  # ENODEV: unmounted
            _, op, unique, number, *_rest = HEADER.unpack_from(request)
            body = request[HEADER.size:]
            node = self.nodes.get(number)
            path = node.path if node else ""
            if op == LOOKUP:
                path = (path + "/" if path else "") + os.fsdecode(body[:-1])
            name = NAMES.get(op)
            with self.lock:
                self.counts[name] = self.counts.get(name, 0) + 1
                held = (path, name) in self.held
                seconds = self.held.get((path, name))
            if held:
                threading.Thread(target=self.later, args=(path, name, seconds, op, unique, node, body),
                                 daemon=True).start()
            else:
                self.answer(op, unique, node, body)

    def later(self, path, name, seconds, op, unique, node, body):
        with self.lock:
            self.waiting += 1
            self.lock.notify_all()
            self.lock.wait_for(lambda: (path, name) not in self.held, seconds)
            self.waiting -= 1
        self.answer(op, unique, node, body)

    def answer(self, op, unique, node, body):
        if op in (FORGET, BATCH_FORGET, INTERRUPT):
            return
        try:
            error, data = 0, self.perform(op, node, body)
        except OSError as problem:
            error, data = -problem.errno, b""
        try:
            os.write(self.fd, struct.pack("<IiQ", 16 + len(data), error, unique) + data)
        except OSError:
            pass  # nobody waits for it any more

    def perform(self, op, node, body):
        if op == INIT:
            _major, minor, readahead, _flags = struct.unpack_from("<IIII", body)
            return struct.pack("<IIIIHHIIHHI7I", 7, min(minor, 31), readahead, 1 | 1 << 18, 512, 512, 1 << 17, 1, 32, 0, 0,
                               *[0] * 7)
        if op == DESTROY:
            return b""
        if node is None:
            raise OSError(errno.ENOENT, "no such node")
        valid = struct.pack("<Q", self.remember)
        if op == LOOKUP:
            found = node.children and node.children.get(os.fsdecode(body[:-1]))
            if not found:
                raise OSError(errno.ENOENT, "no such file")
            return struct.pack("<QQ", found.number, 0) + valid + valid + struct.pack("<II", 0, 0) + found.attr()
        if op == GETATTR:
            return valid + struct.pack("<II", 0, 0) + node.attr()
        if op in (OPEN, OPENDIR):
            return struct.pack("<QII", node.number, 0, 0)
        if op == READ:
            _fh, offset, size = struct.unpack_from("<QQI", body)
            return bytes(node.content[offset:offset + size])
        if op == READDIR:
            return self.entries(node, *struct.unpack_from("<QQI", body))
        if op == READLINK:
            return os.fsencode(node.content)
        if op == STATFS:
            return struct.pack("<QQQQQIIII24x", 1 << 20, 1 << 20, 1 << 20, 1000, 1000, 4096, 255, 4096, 0)
        if op in (FLUSH, RELEASE, RELEASEDIR, ACCESS):
            return b""
        raise OSError(errno.ENOSYS, "not here")

    def entries(self, node, _fh, offset, size):
        out = b""
        for i, (name, child) in enumerate(node.children.items()):
            if i < offset:
                continue
            name = os.fsencode(name)
            kind = stat.S_IFMT(struct.unpack_from("<I", child.attr(), 60)[0]) >> 12
            entry = struct.pack("<QQII", child.number, i + 1, len(name), kind) + name
            entry += b"\0" * (-len(entry) % 8)
            if len(out) + len(entry) > size:
                break
            out += entry
        return out
