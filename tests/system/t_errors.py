"""Every result that sendfile(2) can give in the middle of a download."""
import errno
import random

import pytest

from ftpclient import Ftp, read_all
from inject import Inject
from servers import wait_until

pytestmark = pytest.mark.ours

CONTENT = random.Random(4).randbytes(9_000_000)
SMALL = CONTENT[:20_000]
CANNOT = ["EINVAL", "ENOSYS", "EOPNOTSUPP", "EOVERFLOW", "ENOTSOCK", "ESPIPE"]
LOST = ["EPIPE", "ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH", "ECONNABORTED", "EBADF",
        "ENOTCONN"]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return str(tmp_path_factory.mktemp("inject"))


class Site:
    """A server with the library, alice logged in, and her file."""

    def __init__(self, start, library, extra=""):
        self.inject = Inject(library)
        self.server = start.prepare()
        self.server.configure("DebugLevel 10\n" + extra)
        self.server.put("big", CONTENT)
        self.server.put("small", SMALL)
        self.server.start(env=self.inject.env())
        self.client = Ftp(self.server.port, user="alice").binary()

    def get(self, name="big"):
        return self.client.read("RETR " + name)

    def logged(self, words):
        return self.server.text("system.log").count(words)

    def xferlog(self, lines):
        """Waits until the xferlog has so many lines; returns the last one's fields."""
        wait_until(lambda: self.server.text("xferlog").count("\n") == lines, "the record of the transfer")
        return self.server.text("xferlog").splitlines()[-1].split()


@pytest.fixture
def site(start, library):
    site = Site(start, library)
    yield site
    site.client.close()


@pytest.mark.parametrize("name", CANNOT)
def test_a_device_that_cannot_is_copied_from_and_remembered(site, name):
    site.inject.sendfile(error=getattr(errno, name))
    assert site.get() == CONTENT
    assert site.inject.calls == 1
    assert site.logged("copying from byte 0 on") == 1
    site.inject.reset()
    assert site.get() == CONTENT
    assert site.inject.calls == 0
    assert site.logged("reason: badfs") == 1


@pytest.mark.parametrize("after", [1, 2])
@pytest.mark.parametrize("name", [n for n in CANNOT if n != "ENOSYS"])
def test_one_that_stops_in_the_middle_goes_on_at_that_byte_and_is_tried_again(site, name, after):
    site.inject.sendfile(after=after, error=getattr(errno, name))
    assert site.get() == CONTENT
    assert site.inject.calls == after + 1
    assert site.logged("copying from byte 0 on") == 0 and site.logged("copying from byte ") == 1
    site.inject.reset()
    assert site.get() == CONTENT
    assert site.inject.calls > 1 and site.logged("reason: badfs") == 0


STORMS = {
    "EAGAIN": {"error": errno.EAGAIN, "times": 2000},
    "EINTR": {"error": errno.EINTR, "times": 2000},
    "one byte": {"most": 1, "times": 5000},
    "odd bytes": {"most": 4097},
    "no memory for a while": {"error": errno.ENOMEM, "times": 5},
    "no buffers for a while": {"error": errno.ENOBUFS, "times": 3},
}


@pytest.mark.parametrize("storm", STORMS)
@pytest.mark.parametrize("after", [0, 1])
def test_storms_change_nothing(site, storm, after):
    site.inject.sendfile(after=after, **STORMS[storm])
    assert site.get() == CONTENT
    assert site.logged("copying") == 0
    assert site.xferlog(1)[-1] == "c"


def test_a_file_byte_by_byte(site):
    site.inject.sendfile(most=1)
    assert site.get("small") == SMALL
    assert site.inject.calls == len(SMALL)


def test_memory_that_does_not_come_back_ends_in_copying(site):
    site.inject.sendfile(error=errno.ENOMEM)
    assert site.get() == CONTENT
    assert site.inject.calls == 21  # 20 times again
    assert site.logged("copying from byte 0 on") == 1
    site.inject.reset()
    assert site.get() == CONTENT and site.inject.calls > 0  # no fault of the device


@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize("after", [0, 1])
def test_a_lost_connection_is_the_end(site, name, after):
    site.inject.sendfile(after=after, error=getattr(errno, name))
    with site.client.start("RETR big") as data:
        got = read_all(data)
    site.client.expect(426)
    assert CONTENT.startswith(got) and len(got) < len(CONTENT)
    assert site.inject.calls == after + 1 and site.logged("copying") == 0
    assert site.logged("is broken off after %d bytes, the connection failed" % len(got)) == 1
    fields = site.xferlog(1)
    assert fields[-1] == "i" and int(fields[7]) == len(got)
    site.inject.reset()
    assert site.get() == CONTENT


@pytest.mark.parametrize("name", ["EIO", "ESTALE", "ENXIO", "EFAULT"])
@pytest.mark.parametrize("after", [0, 1])
def test_a_read_error_is_tried_once_by_copying(site, name, after):
    site.inject.sendfile(after=after, error=getattr(errno, name))
    assert site.get() == CONTENT
    assert site.logged("reason: badfs") == 0
    site.inject.reset()
    assert site.get() == CONTENT and site.inject.calls > 0


@pytest.mark.parametrize("name, code", [("EIO", 451), ("ESTALE", 450), ("ENXIO", 451), ("EFAULT", 451)])
@pytest.mark.parametrize("after", [0, 1])
def test_a_file_that_cannot_be_read_either_way(site, name, code, after):
    site.inject.sendfile(after=after, error=getattr(errno, name))
    site.inject.pread(error=getattr(errno, name))
    with site.client.start("RETR big") as data:
        got = read_all(data)
    site.client.expect(code)
    assert CONTENT.startswith(got) and len(got) < len(CONTENT)
    assert site.xferlog(1)[-1] == "i"
    site.inject.reset()
    assert site.get() == CONTENT


@pytest.mark.parametrize("name", ["ETXTBSY", "EDOM", "EXDEV"])
def test_an_error_nobody_foresaw_is_logged_with_its_number(site, name):
    site.inject.sendfile(after=1, error=getattr(errno, name))
    assert site.get() == CONTENT
    assert site.logged("unexpected error %d" % getattr(errno, name)) == 1
    assert site.logged("copying from byte ") == 1


@pytest.mark.parametrize("after", [0, 1])
def test_an_end_of_file_that_is_none(site, after):
    site.inject.sendfile(after=after, times=1, most=0)
    assert site.get() == CONTENT  # asked once more
    assert site.logged("copying") == 0
    site.inject.reset()
    site.inject.sendfile(after=after, most=0)
    assert site.get() == CONTENT  # not believed
    assert site.inject.calls == after + 2
    assert site.logged("copying from byte ") == 1
    site.inject.reset()
    assert site.get() == CONTENT and site.inject.calls > 0  # the device is not blamed


@pytest.mark.parametrize("error", ["EINTR", "EAGAIN"])
def test_copying_survives_interruptions(start, library, error):
    site = Site(start, library, "UseSendfile off")
    site.inject.pread(times=500 if error == "EINTR" else 0, error=getattr(errno, error))
    assert site.get() == CONTENT
    assert site.inject.calls == 0
    site.inject.pread(most=1, times=3000)
    assert site.get() == CONTENT
    site.client.close()


@pytest.mark.parametrize("name, code", [("EIO", 451), ("ESTALE", 450), ("ENXIO", 451)])
@pytest.mark.parametrize("type_", ["I", "A"])
def test_a_read_error_while_copying(start, library, name, code, type_):
    site = Site(start, library, "UseSendfile off")
    site.client.expect(200, "TYPE " + type_)
    site.inject.pread(after=2, error=getattr(errno, name))
    with site.client.start("RETR big") as data:
        read_all(data)
    site.client.expect(code)
    assert site.xferlog(1)[-1] == "i"
    site.inject.reset()
    site.client.expect(200, "TYPE I")
    assert site.get() == CONTENT
    site.client.close()
