"""Directives of other modules: each has its effect, or is accepted or refused with the reason."""
import pytest

pytestmark = pytest.mark.ours

REFUSED = [
    ("ExecOnConnect /bin/true", "the server never starts another program"),
    ("RewriteRule ^x y", "rewriting of commands is not in this version"),
    ("TCPAccessFiles /a /b", "access files of tcp wrappers"),
    ("Protocols ftp sftp", "protocol 'sftp' is not spoken by this server"),
    ("Protocols ftps", "use TLSRequired on"),
    ("AuthUnixOptions MagicTokenChroot", "use DefaultRoot"),
    ("BanCache redis", "not shared"),
    ("ExecEngine on", "programs are never started"),
]


@pytest.mark.parametrize("line, reason", REFUSED)
def test_a_directive_that_cannot_be_obeyed_is_refused_with_its_reason(start, line, reason):
    s = start.prepare()
    s.configure(line)
    done = s.check()
    assert done.returncode == 1
    assert f"fatal: {line.split()[0]}: " in done.stderr and reason in done.stderr, done.stderr
    assert f"{line.split()[0]}: refused (" in done.stdout or line.split()[0] in ("Protocols", "AuthUnixOptions")


def test_directives_without_effect_say_why(start):
    s = start.prepare()
    lines = ["Protocols ftp ftps", "AuthUnixOptions NoGetgrset", "ControlsACLs all allow user root", "FSOptions IgnoreExtendedAttributes",
             "LogOptions +ConnectionID", "TraceOptions -Timestamp", "ScoreboardOptions AllowMissing",
             "StatCacheEngine on", "LoadFile /x.so", "LangPath /usr/share/locale", "AuthPAMOptions NoTTY"]
    s.configure("\n".join(lines))
    done = s.check()
    assert done.returncode == 0, done.stderr
    for line in lines:
        assert f": {line.split()[0]}: accepted without effect (" in done.stdout, done.stdout
