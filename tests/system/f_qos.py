"""QoSOptions: the mark that packets of control and data connections carry; read from the packets themselves."""
import ctypes
import select
import socket
import struct

import pytest

from ftpclient import Ftp
from servers import PATIENCE_S

pytestmark = pytest.mark.root  # raw sockets


def modules(s):
    return "LoadModule mod_qos.c\n" if s.kind == "proftpd" else ""


def only_from(port):
    """Filter of the packet socket: TCP from that port, the first 100 bytes; other traffic would fill it."""
    steps = [(0x30, 0, 0, 9), (0x15, 0, 4, socket.IPPROTO_TCP), (0xb1, 0, 0, 0), (0x48, 0, 0, 0), (0x15, 0, 1, port),
             (0x06, 0, 0, 100), (0x06, 0, 0, 0)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    return program, struct.pack("HL", len(steps), ctypes.addressof(program))


def marks(port, work):
    """Bytes of the type of service in the packets with data that come from the TCP port while work() runs."""
    seen = set()
    program, filter_ = only_from(port)
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as raw:  # which gets nothing before it is bound
        raw.setsockopt(socket.SOL_SOCKET, 26, filter_)  # SO_ATTACH_FILTER
        raw.bind(("lo", 0x0800))
        work()
        while select.select([raw], [], [], 0 if seen else PATIENCE_S)[0]:
            packet = raw.recv(100)
            head = (packet[0] & 15) * 4
            if struct.unpack("!H", packet[2:4])[0] > head + (packet[head + 12] >> 4) * 4:
                seen.add(packet[1])
    return seen


def passive_port(c):
    reply = c.cmd("PASV").text
    numbers = [int(n) for n in reply[reply.index("(") + 1:reply.index(")")].split(",")]
    return numbers[4] * 256 + numbers[5]


def read_from(c, port):
    with socket.create_connection(("127.0.0.1", port)) as data:
        c.cmd("RETR f")
        while data.recv(65536):
            pass
    c.reply()


def data_marks(c):
    c.cmd("TYPE I")
    port = passive_port(c)
    return marks(port, lambda: read_from(c, port))


@pytest.mark.parametrize("kind", ["wherry", "proftpd"])
def test_control_and_data_connections_carry_their_marks(start, kind):
    """The reference marks no passive data connection, whatever it is told."""
    s = start.prepare(kind)
    s.put("f", b"x" * 5000)
    s.configure(modules(s) + "QoSOptions ctrlqos cs2\nQoSOptions dataqos af41\n")
    s.start()
    with Ftp(s.port, user="alice") as c:
        assert marks(s.port, lambda: c.expect(257, "PWD")) == {0x40}
        assert kind == "proftpd" or data_marks(c) == {0x88}


@pytest.mark.ours
def test_without_the_directive_the_marks_are_those_of_RFC_1349(start):
    s = start()
    s.put("f", b"x" * 5000)
    with Ftp(s.port, user="alice") as c:
        assert marks(s.port, lambda: c.expect(257, "PWD")) == {0x10}
        assert data_marks(c) == {0x08}


@pytest.mark.ours
def test_the_control_connection_is_marked_before_the_login(start):
    s = start("QoSOptions ctrlqos ef\n")
    with Ftp(s.port, user=None) as c:
        assert marks(s.port, lambda: c.expect(200, "NOOP")) == {0xb8}


def test_mistakes_are_named(start):
    s = start.prepare()
    for line in ("QoSOptions dataqos foo", "QoSOptions foo cs1", "QoSOptions dataqos", "<Global>\nQoSOptions dataqos cs1\n</Global>"):
        s.configure(modules(s) + line)
        done = s.check()
        assert done.returncode == 1 and "fatal: QoSOptions: " in done.stderr and "server.conf'" in done.stderr, done.stderr
