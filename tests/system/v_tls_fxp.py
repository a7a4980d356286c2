"""Transfers between two servers over TLS: SSCN and CPSV, where one server is the client of TLS (secured FXP).

The client has 127.0.0.1, the servers 127.0.0.3 and 127.0.0.4, as in c_fxp.py.
"""
import os
import re

import pytest

from c_fxp import LEFT, PARTNERS, RIGHT, stored
from ftpclient import Ftp
from ftpsclient import Ftps, make_certificate, tls_conf
from servers import wait_until

pytestmark = pytest.mark.ours

CONTENT = os.urandom(300_000)


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("fxp"))
    made = {"ca": make_certificate(folder, "ca", subject="ca")}
    for name, names in (("left", (LEFT,)), ("right", (RIGHT,)), ("wrong", ("127.0.0.9", "right.test"))):
        made[name] = make_certificate(folder, name, subject=name, names=names, authority=made["ca"])
    made["own"] = make_certificate(folder, "own", names=(RIGHT,))
    return made


@pytest.fixture
def pair(start, pki):
    """pair(extra configuration, certificate of the right one) -> two servers, and a client at each."""
    clients = []

    def make(extra="", right="right", version=None, allow="partners"):
        servers = []
        for address, name in ((LEFT, "left"), (RIGHT, right)):
            s = start(PARTNERS + tls_conf(*pki[name]) + extra, DefaultAddress=address, AllowForeignAddress=allow, TimeoutStalled="5")
            s.put("f", CONTENT)
            clients.append(Ftps(s.port, host=address, source="127.0.0.1", user="alice", version=version))
            servers.append(s)
        return servers + clients
    yield make
    for c in clients:
        c.close()


def passive(c, verb="PASV"):
    return re.search(r"\((.*)\)", c.expect(227, verb).text).group(1)


def transfer(sender, receiver, codes=(226, 226)):
    receiver.send("STOR copy")
    sender.send("RETR f")
    for c, code in zip((receiver, sender), codes):
        c.expect(150)
        c.expect(code)


def stop_waiting(*clients):
    for c in clients:
        c.expect(150)
        c.expect((425, 426))


TRUST = "TLSCACertificateFile {ca}\n"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("sends", ["passive", "active"])
@pytest.mark.parametrize("how", ["CPSV", "SSCN passive", "SSCN active"])
def test_one_of_two_servers_begins_the_handshake(pair, pki, how, sends, version):
    left, right, a, b = pair(f"TLSCACertificateFile {pki['ca'][0]}\n", version=version)
    if how == "SSCN passive":
        assert a.expect(200, "SSCN ON").text == "200 SSCN:CLIENT METHOD"
    elif how == "SSCN active":
        b.expect(200, "SSCN on")
    b.expect(200, "PORT " + passive(a, "CPSV" if how == "CPSV" else "PASV"))
    transfer(*((a, b) if sends == "passive" else (b, a)))
    target = right if sends == "passive" else left
    wait_until(lambda: stored(target) == CONTENT, "the copy")
    for c in (a, b):  # and the next one is with the client again
        c.expect(200, "SSCN OFF")
        assert c.read("RETR f") == CONTENT


def test_without_either_both_wait_and_nothing_is_stored(pair, pki):
    left, right, a, b = pair("TLSTimeoutHandshake 2\n")
    b.expect(200, "PORT " + passive(a))
    b.send("STOR copy")
    a.send("RETR f")
    stop_waiting(a, b)
    assert stored(right) in (None, b"")


@pytest.mark.parametrize("certificate, extra, good", [
    ("right", TRUST, True), ("right", TRUST + "TLSVerifyServer NoReverseDNS\n", True), ("wrong", TRUST, False), ("right", "", False),
    ("own", TRUST, False), ("own", "TLSVerifyServer off\n", True), ("wrong", TRUST + "TLSVerifyServer off\n", True)])
def test_the_other_servers_certificate_is_verified(pair, pki, certificate, extra, good):
    left, right, a, b = pair(extra.format(ca=pki["ca"][0]), right=certificate)
    a.expect(200, "SSCN ON")
    b.expect(200, "PORT " + passive(a))
    b.send("RETR f")
    a.send("STOR copy")
    a.expect(150)
    if good:
        a.expect(226)
        b.expect(150)
        b.expect(226)
        assert stored(left) == CONTENT
    else:
        a.expect(425)
        assert stored(left) in (None, b"")
        text = left.text("system.log")
        assert "certificate verify failed" in text or "does not name its address" in text


def test_who_may_be_the_other_server_is_said_by_allowforeignaddress(pair, pki):
    _, _, a, b = pair(f"TLSCACertificateFile {pki['ca'][0]}\n", allow="others")
    b.expect(500, "PORT " + passive(a, "CPSV"))


def test_answers(pair, pki):
    _, right, a, _ = pair()
    assert a.expect(200, "SSCN").text == "200 SSCN:SERVER METHOD"
    assert a.expect(200, "SSCN ON").text == "200 SSCN:CLIENT METHOD"
    assert a.expect(200, "SSCN").text == "200 SSCN:CLIENT METHOD"
    assert a.expect(200, "SSCN off").text == "200 SSCN:SERVER METHOD"
    a.expect(501, "SSCN MAYBE")
    lines = a.expect(211, "FEAT").lines
    assert " SSCN" in lines and " CPSV" in lines
    with Ftp(right.port, host=RIGHT, user="alice") as clear:
        clear.expect(504, "SSCN ON")
        clear.expect(504, "CPSV")


def test_after_cpsv_a_pasv_is_the_clients_again(pair, pki):
    _, _, a, _ = pair()
    a.expect(227, "CPSV")
    assert a.read("RETR f") == CONTENT  # by EPSV, as the server of TLS
