"""A raw FTP client for tests: sends exactly the bytes it is told to and reads replies as they come.

Nothing is hidden: there is no retry, no implicit TYPE, no waiting other than for the next reply line. Every wait is
bounded by the socket's timeout. A failed expectation shows the dialogue so far.
"""
import re
import select
import socket

from servers import PATIENCE_S


class Reply:
    """One reply: .code (int), .lines (str without CRLF, bytes kept as surrogates), .text (all lines joined by LF)."""

    def __init__(self, lines):
        self.lines = lines
        self.code = int(lines[0][:3])
        self.text = "\n".join(lines)
        self.last = lines[-1]

    def __repr__(self):
        return repr(self.text)


class Closed(Exception):
    """The server closed the control connection where a reply was expected."""


def text(data):
    return data.decode("utf-8", "surrogateescape")


def raw(line):
    return line if isinstance(line, bytes) else line.encode("utf-8", "surrogateescape")


class Ftp:
    def __init__(self, port, host="127.0.0.1", timeout=PATIENCE_S, user=None, password=None, greet=True, source=None):
        self.timeout = timeout
        self.host, self.port = host, port
        self.sock = socket.create_connection((host, port), timeout, (source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.dialogue = []
        if greet:
            self.expect(220)
        if user is not None:
            self.login(user, password)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    # -- control connection

    def send(self, line):
        """Sends one command line; CRLF is added."""
        self.dialogue.append("> " + text(raw(line))[:200])
        self.sock.sendall(raw(line) + b"\r\n")

    def send_raw(self, data):
        self.dialogue.append(f"> raw {data[:200]!r}")
        self.sock.sendall(data)

    def send_urgent(self, data):
        self.dialogue.append(f"> urgent {data!r}")
        self.sock.send(data, socket.MSG_OOB)

    def _line(self):
        while b"\n" not in self.buffer:
            try:
                more = self.sock.recv(65536)
            except ConnectionError:
                more = b""
            except socket.timeout:
                raise AssertionError("no reply within %d s\n%s" % (self.timeout, self.transcript())) from None
            if not more:
                raise Closed(self.transcript())
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        assert line.endswith(b"\r"), f"reply line without CR: {line!r}"
        line = text(line[:-1])
        self.dialogue.append("< " + line[:300])
        return line

    def reply(self):
        lines = [self._line()]
        assert re.match(r"[1-5]\d\d[ -]", lines[0]), f"not a reply: {lines[0]!r}\n{self.transcript()}"
        code = lines[0][:3]
        if lines[0][3] == "-":
            while not lines[-1].startswith(code + " ") or len(lines) == 1:
                lines.append(self._line())
        return Reply(lines)

    def cmd(self, line):
        self.send(line)
        return self.reply()

    def expect(self, code, line=None):
        """Reads a reply (to `line`, if given) and requires its code: one, or any of several."""
        reply = self.reply() if line is None else self.cmd(line)
        codes = code if isinstance(code, (tuple, list, set)) else (code,)
        assert reply.code in codes, f"expected {codes}, got {reply}\n{self.transcript()}"
        return reply

    def silent(self, seconds=0.3):
        """True if nothing more arrives within that time (for 'exactly N replies')."""
        if self.buffer:
            return False
        ready, _, _ = select.select([self.sock], [], [], seconds)
        return not ready

    def at_eof(self):
        """Waits for the end of the control connection; what is read before it is dropped."""
        while True:
            try:
                data = self.sock.recv(65536)
            except ConnectionError:
                return True
            if not data:
                return True

    def transcript(self):
        return "\n".join(self.dialogue[-40:])

    def login(self, user="alice", password=None):
        first = self.expect((331, 230), "USER " + user)
        if first.code == 331:
            self.expect(230, "PASS " + (password if password is not None else user + "-pw"))

    def quit(self):
        self.expect(221, "QUIT")
        self.at_eof()
        self.close()

    # -- data connection

    def pasv(self):
        reply = self.expect(227, "PASV")
        found = re.match(r"227 Entering Passive Mode \((\d+),(\d+),(\d+),(\d+),(\d+),(\d+)\)\.$", reply.text)
        assert found, reply
        n = [int(x) for x in found.groups()]
        return ".".join(map(str, n[:4])), n[4] * 256 + n[5]

    def epsv(self):
        reply = self.expect(229, "EPSV")
        found = re.match(r"229 Entering Extended Passive Mode \(\|\|\|(\d+)\|\)$", reply.text)
        assert found, reply
        return self.host, int(found.group(1))

    def listen(self, eprt=False):
        """Opens a listening socket and tells the server with PORT or EPRT; returns it."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.socket(family)
        listener.bind((self.sock.getsockname()[0], 0))
        listener.listen(1)
        listener.settimeout(self.timeout)
        addr, port = listener.getsockname()[:2]
        if eprt or family == socket.AF_INET6:
            self.expect(200, f"EPRT |{2 if family == socket.AF_INET6 else 1}|{addr}|{port}|")
        else:
            self.expect(200, "PORT %s,%d,%d" % (addr.replace(".", ","), port >> 8, port & 255))
        return listener

    def data(self, mode="epsv"):
        """A connected passive data socket."""
        host, port = self.epsv() if mode == "epsv" else self.pasv()
        return socket.create_connection((host, port), self.timeout)

    def start(self, line, mode="epsv", codes=(150, 125)):
        """Opens a data connection, sends the command, expects 150; returns the data socket."""
        data = self.data(mode)
        try:
            self.expect(codes, line)
        except BaseException:
            data.close()
            raise
        return data

    def read(self, line, mode="epsv"):
        """Runs a command that sends data; returns the bytes after a 226."""
        with self.start(line, mode) as data:
            content = read_all(data)
        self.expect(226)
        return content

    def write(self, line, content, mode="epsv", code=226):
        with self.start(line, mode) as data:
            data.sendall(content)
        return self.expect(code)

    def lines(self, line):
        """Runs a listing; returns its lines as text without CRLF."""
        content = self.read(line)
        assert content == b"" or content.endswith(b"\r\n"), content[-80:]
        return [text(x) for x in content.split(b"\r\n")[:-1]]

    def binary(self):
        self.expect(200, "TYPE I")
        return self


def read_all(sock, limit=None):
    """All bytes up to the end of the stream (or `limit` bytes)."""
    parts, size = [], 0
    while limit is None or size < limit:
        part = sock.recv(1 << 18 if limit is None else min(1 << 18, limit - size))
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)
