"""Filters of arguments and names, and hiding (AllowFilter, PathDenyFilter, HideFiles, HideNoAccess, IgnoreHidden ...).

Tests without the mark `ours` pass with the reference server too (pytest --reference).
"""
import os

import pytest

from ftpclient import Ftp


@pytest.fixture
def at(start):
    """at(configuration) -> logged-in client and server."""
    clients = []

    def make(extra, prepare=None):
        server = start.prepare()
        if prepare:
            prepare(server)
        server.configure(extra)
        server.start()
        clients.append(Ftp(server.port))
        clients[-1].login()
        return clients[-1], server
    yield make
    for client in clients:
        client.close()


def some_files(server):
    for name in (".secret", "a.txt", "b.exe", "sub/.hidden", "sub/c.txt"):
        server.put(name, b"x")


def names(ftp, verb="NLST"):
    found = ftp.lines(verb)
    return sorted(line.split("; ")[-1].split()[-1] for line in found if line.split("; ")[-1] not in (".", ".."))


def test_a_denied_argument_is_refused_for_every_command(at):
    ftp, server = at(r"DenyFilter \*.*/", some_files)
    for line in ("RETR */../a.txt", "SIZE */x", "CWD */x", "MKD */x", "SITE CHMOD 600 */x"):
        reply = ftp.cmd(line)
        assert reply.code == 550 and "Forbidden command argument" in reply.text, line
    ftp.cmd("TYPE I")
    ftp.expect(213, "SIZE a.txt")


def test_arguments_must_match_an_allow_filter(at):
    ftp, server = at('AllowFilter "^[a-zA-Z0-9 ./_-]*$"', some_files)
    assert ftp.cmd("SIZE a?txt").code == 550
    ftp.cmd("TYPE I")
    ftp.expect(213, "SIZE a.txt")


@pytest.mark.ours
def test_a_filter_also_guards_the_login_but_never_looks_at_the_password(start):
    server = start.prepare()
    server.add_user("alice", "wher%ry")
    server.configure('DenyFilter "%"')
    server.start()
    with Ftp(server.port) as ftp:
        reply = ftp.cmd("USER al%ice")
        assert reply.code == 550 and "Forbidden command argument" in reply.text
        ftp.expect(331, "USER alice")
        ftp.expect(230, "PASS wher%ry")


@pytest.mark.ours
def test_filters_in_limit_decide_by_the_argument(at):
    ftp, server = at('<Limit STOR>\nDenyFilter "\\\\.exe$" nocase\n</Limit>\n<Limit SITE_CHMOD>\nOrder deny,allow\nAllowFilter "^CHMOD 6"\n'
                     "</Limit>", some_files)
    assert ftp.cmd("STOR new.EXE").code == 550
    ftp.write("STOR new.txt", b"1")
    ftp.expect(200, "SITE CHMOD 600 a.txt")
    assert ftp.cmd("SITE CHMOD 700 a.txt").code == 550


def test_names_that_a_path_filter_denies_cannot_be_made(at):
    ftp, server = at(r"PathDenyFilter \.exe$" + "\nAllowOverwrite on", some_files)
    for line in ("STOR x.exe", "MKD d.exe", "APPE x.exe"):
        ftp.cmd("EPSV")
        reply = ftp.cmd(line)
        assert reply.code == 550 and "Forbidden filename" in reply.text, line
    ftp.expect(350, "RNFR a.txt")
    reply = ftp.cmd("RNTO a.exe")
    assert reply.code == 550 and "Forbidden filename" in reply.text
    assert ftp.read("RETR b.exe") == b"x"  # reading is not making


@pytest.mark.ours
def test_a_path_filter_sees_the_whole_path_and_links_do_not_get_around_it(at):
    def prepare(server):
        some_files(server)
        server.mkdir("closed")
        os.symlink("closed", server.home("alice", "way"))

    ftp, server = at("PathDenyFilter ^/closed/", prepare)
    for line in ("STOR closed/x", "STOR way/x", "MKD way/d", "STOR ./closed//x", "SITE MKDIR way/e/f", "SITE SYMLINK a.txt way/l"):
        reply = ftp.cmd(line)
        assert reply.code == 550 and "Forbidden filename" in reply.text, line
    ftp.write("STOR open", b"1")


def test_an_allow_filter_names_what_may_be_made(at):
    ftp, server = at("PathAllowFilter ^[A-Za-z0-9./_-]+$", some_files)
    assert "Forbidden filename" in ftp.cmd("MKD a+b").text
    ftp.expect(257, "MKD a_b")


@pytest.mark.ours
def test_filters_of_a_ftpaccess_and_of_a_directory_count_for_their_place(at):
    def prepare(server):
        some_files(server)
        server.put("sub/.ftpaccess", b"PathDenyFilter x\n")

    ftp, server = at("AllowOverride on\nPathDenyFilter y\n", prepare)
    assert ftp.cmd("MKD sub/ax").code == 550
    ftp.expect(257, "MKD ax")
    assert ftp.cmd("MKD ay").code == 550
    ftp.expect(257, "MKD sub/ay")


@pytest.mark.ours
@pytest.mark.parametrize("verb", ["NLST", "NLST -a", "LIST -a", "MLSD", "NLST *"])
def test_hidden_files_are_missing_from_listings(at, verb):
    ftp, server = at('<Directory />\nHideFiles "^\\\\.|\\\\.exe$"\n</Directory>', some_files)
    shown = [n for n in names(ftp, verb) if n not in (".", "..")]
    assert "a.txt" in shown and ".secret" not in shown and "b.exe" not in shown


@pytest.mark.ours
def test_none_takes_hiding_back_further_down(at):
    def prepare(server):
        some_files(server)
        server.put("sub/.ftpaccess", b"HideFiles none\n")

    ftp, server = at("AllowOverride on\n<Directory />\nHideFiles ^\\.\n</Directory>", prepare)
    assert ".secret" not in names(ftp, "NLST -a")
    ftp.expect(250, "CWD sub")
    assert ".hidden" in names(ftp, "NLST -a")


@pytest.mark.ours
def test_hiding_may_depend_on_the_user(at):
    ftp, server = at("<Directory />\nHideFiles txt$ user bob\nHideFiles exe$ user alice\n</Directory>", some_files)
    assert "a.txt" in names(ftp) and "b.exe" not in names(ftp)


@pytest.mark.ours
def test_ignored_hidden_entries_do_not_exist_for_those_commands(at):
    ftp, server = at("<Directory />\nHideFiles ^\\.\n<Limit RETR>\nIgnoreHidden on\n</Limit>\n</Directory>", some_files)
    ftp.cmd("TYPE I")
    reply = ftp.cmd("RETR .secret")
    assert reply.code == 550 and "No such file" in reply.text
    ftp.expect(213, "SIZE .secret")
    assert ftp.read("RETR a.txt") == b"x"


@pytest.mark.root
@pytest.mark.ours
def test_files_of_others_can_be_hidden_by_owner_group_and_access(at):
    def prepare(server):
        some_files(server)
        server.put("theirs", b"x")
        os.chown(server.home("alice", "theirs"), 20002, 20002)
        server.put("locked", b"x", mode=0o600)
        os.chown(server.home("alice", "locked"), 20002, 20002)
        server.mkdir("closed", mode=0o700)
        os.chown(server.home("alice", "closed"), 20002, 20002)

    ftp, server = at("<Directory />\nHideUser bob\n</Directory>", prepare)
    assert "theirs" not in names(ftp) and "a.txt" in names(ftp)
    ftp, server = at("<Directory />\nHideUser !~\n</Directory>", prepare)
    assert "theirs" not in names(ftp) and "a.txt" in names(ftp)
    ftp, server = at("<Directory />\nHideGroup gbob\n</Directory>", prepare)
    assert "theirs" not in names(ftp) and "a.txt" in names(ftp)
    ftp, server = at("<Directory />\nHideNoAccess on\n</Directory>", prepare)
    shown = names(ftp)
    assert "theirs" in shown and "locked" not in shown and "closed" not in shown and "sub" in shown
