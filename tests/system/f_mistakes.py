"""`wherryd -t` says for each kind of mistake what is wrong, in which file and in which line; and refuses the file."""
import os
import re

import pytest

pytestmark = pytest.mark.ours

# (text whose line marked with ! is the guilty one, words of the message). @DIR@ is the server's folder.
KINDS = [
    # words and lines
    ('!ServerAdmin "no end', "quote"),
    ("!NoSuchDirective on", "unknown configuration directive 'NoSuchDirective'"),
    ("!TimeoutIdel 5", "Did you mean: TimeoutIdle"),
    ("!Time\u00a0outIdle 5", "ASCII"),
    ("!" + "ServerAdmin " + "x" * 70000, "long"),
    # sections
    ("!<Directory /x>\nAllowOverwrite on", "Directory"),
    ("!</Directory>", "Directory"),
    ("<Limit STOR>\n!</Directory>\n</Limit>", "Directory"),
    ("<Directory /x>\n!<Directory /y>\n</Directory>\n</Directory>", "Directory"),
    ("<Limit STOR>\n!<Directory /y>\n</Directory>\n</Limit>", "Directory"),
    ("!<NoSuchSection x>\n</NoSuchSection>", "NoSuchSection"),
    ("!<Directory>\n</Directory>", "Directory"),
    ("!<Directory relative>\n</Directory>", "absolute"),
    ("!<Directory /a/../b>\n</Directory>", r"\.\."),
    ("<Directory /x>\n</Directory>\n!<Directory /x/>\n</Directory>", "already"),
    ("!<Anonymous ~>\nUser nobody\n</Anonymous>", "name of a user"),
    ("<Class c>\nFrom all\n</Class>\n!<Class c>\nFrom all\n</Class>", "exists already"),
    ("!<Limit>\nDenyAll\n</Limit>", "Limit"),
    ("!<Limit A/B>\nDenyAll\n</Limit>", "no command"),
    ("!<VirtualHost nosuch.invalid>\n</VirtualHost>", "resolve"),
    ("DefaultServer on\n!<VirtualHost 127.0.0.9>\nPort 2\nDefaultServer on\n</VirtualHost>", "default"),
    ("!<IfDefine X>\nPort 1", "IfDefine"),
    ("!<IfModule mod_nosuch.c>\nPort 1", "IfModule"),
    # contexts
    ("<VirtualHost 127.0.0.9>\nPort 2\n!PidFile /x\n</VirtualHost>", "not allowed in <VirtualHost>"),
    ("<Directory /x>\n!TimeoutIdle 5\n</Directory>", "not allowed in <Directory>"),
    ("<Anonymous /x>\nUser nobody\n!Port 5\n</Anonymous>", "not allowed in <Anonymous>"),
    ("<Limit STOR>\n!Umask 022\n</Limit>", "not allowed in <Limit>"),
    ("<Class c>\n!Allow all\n</Class>", "not allowed in <Class>"),
    ("<Global>\n!ServerName x\n</Global>", "not allowed in <Global>"),
    ("!AllowAll", "not allowed in server config"),
    ("!HideFiles x", "not allowed in server config"),
    # numbers of parameters
    ("!Port", "parameters"),
    ("!TimeoutIdle 1 2", "parameters"),
    ("!MaxStoreFileSize 5 Kb user", "parameters"),
    # values
    ("!UseGlobbing maybe", "Boolean"),
    ("!Port 70000", "too large"),
    ("!CommandBufferSize 100", "too small"),
    ("!TimeoutIdle abc", "abc"),
    ("!TimeoutIdle -1", "-1"),
    ("!Umask 089", "octal"),
    ("!Umask 1777", "777"),
    ("!DirFakeMode 9", "octal"),
    ("!PassivePorts 3000 2000", "above the last"),
    ("!PassivePorts 80 90", "below 1024"),
    ("!MaxClients many", "neither a number"),
    ("!MaxStoreFileSize 0 Kb", "bad size"),
    ("!MaxStoreFileSize 5 Q", "parse"),
    ("!MaxStoreFileSize 5 Kb host x", "host"),
    ("!UseSendfile 101%", "percentage"),
    ("!TransferRate LIST 5", "LIST"),
    ("!TransferRate RETR -5", "rate"),
    ("!TransferRate RETR 5:x", "free bytes"),
    ("!TransferRateTotal RETR 5 group x", "group"),
    ("!MaxTransfersPerHost RETR none", "at least 1"),
    ("!ListOptions -l maxfiles 0", "maxfiles"),
    ("!ListOptions -l nosuchword", "nosuchword"),
    ("!SocketOptions speed 5", "socket option"),
    ("!SyslogFacility nosuch", "nosuch"),
    ("!SyslogLevel nosuch", "nosuch"),
    ("!AuthOrder mod_nosuch.c", "mod_nosuch.c"),
    ("!LoadModule mod_bogus.c", "mod_bogus.c"),
    ("!TransferOptions Fast", "Fast"),
    ("!DigestAlgorithms md5 sha3", "sha3"),
    ("!TLSProtocol TLSv9", "TLSv9"),
    ("!TLSOptions NoSuchOption", "NoSuchOption"),
    ("!TLSRequired sometimes", "sometimes"),
    ("!AuthUserFile relative", "absolute"),
    ("!AuthUserFile /p id 9-1", "range"),
    ("!DefaultRoot home", "absolute"),
    ("!HiddenStores a/b", "cannot contain"),
    ("!StoreUniquePrefix a/b", "cannot contain"),
    ("!TransferLog x", "absolute"),
    ("!ScoreboardFile /tmp/", "directory"),
    ("!MasqueradeAddress nosuch.invalid", "resolve"),
    ('!LogFormat x "%{nope}"', "nope|LogFormat"),
    ("!ExtendedLog /tmp/x ALL nope", "no LogFormat"),
    ("!ExtendedLog /tmp/x BOGUS", "BOGUS|no LogFormat"),
    ("!PathDenyFilter (", "regular expression"),
    ("!AllowFilter [a", "regular expression"),
    ("<Directory /x>\n!HideFiles *x\n</Directory>", "regular expression"),
    ("<Limit ALL>\n!AllowUser regex (\n</Limit>", "regular expression"),
    ("<Limit ALL>\n!Allow from 1.2.3\n</Limit>", "no address"),
    ("<Limit ALL>\n!Allow from 10.0.0.0/99\n</Limit>", "10.0.0.0/99"),
    ("<Limit ALL>\n!Order deny\n</Limit>", "unknown order"),
    ("<Class c>\n!From 300.1.1.1/8\n</Class>", "300.1.1.1"),
    # modules that are not there
    ("!QuotaEngine on", "not supported by this version"),
    ("!QuotaLimitTable file:/x", "mod_quotatab"),
    # files
    ("!Include @DIR@/nosuch.conf", "nosuch.conf"),
    ("!Include relative.conf", "absolute"),
    ("!Include @DIR@/cycle.conf", None),
    # what only -t and a start look at
    ("!User nosuchuser", "unknown user"),
    ("!Group nosuchgroup", "unknown group"),
    ("!AuthUserFile @DIR@/nosuch", "No such file"),
    ("!AuthUserFile @DIR@/open", "written by everyone"),
    ("!AuthUserFile @DIR@/home", "file"),
    ("!TransferLog @DIR@/nosuch/log", "No such file"),
    ("!ExtendedLog @DIR@/home", "directory"),
    ("!SystemLog @DIR@/home", "directory"),
    ("TLSEngine on\nTLSRSACertificateFile @DIR@/nosuch.pem\n!TLSRSACertificateKeyFile @DIR@/nosuch.key", "nosuch.key"),
    ("TLSEngine on\nTLSRSACertificateFile @DIR@/open\n!TLSRSACertificateKeyFile @DIR@/open", "private key"),
    ("!TLSCipherSuite NOSUCH-CIPHER", "NOSUCH"),
    ("!TransferMMapFile @DIR@/nosuch.bin", "nosuch.bin"),
]


def kind_id(value):
    return re.sub(r"[^A-Za-z0-9]+", "-", value)[:40] if isinstance(value, str) else ""


def check(start, text):
    """The output and status of -t, and the folder."""
    s = start.prepare()
    with open(s.path("open"), "w") as f:
        f.write("bob:x:1:1::/:/bin/sh\n")
    os.chmod(s.path("open"), 0o666)
    with open(s.path("cycle.conf"), "w") as f:
        f.write(f"# again\nInclude {s.path('cycle.conf')}\n")
    first = text.lstrip("!").replace("\n!", "\n")
    names = {line.split()[0].strip("<>") for line in first.split("\n") if line and line[0] != "<"}
    with open(s.path("more.conf"), "w", encoding="utf-8") as f:
        f.write("# a file of its own\n\n" + first.replace("@DIR@", s.dir) + "\n")
    # what it says anew must not stand in the main file as well
    s.configure("Include @DIR@/more.conf", **dict.fromkeys(n for n in s.defaults() if n in names))
    return s, s.check()


@pytest.mark.parametrize("text, words", KINDS, ids=kind_id)
def test_a_mistake_is_named_with_file_and_line(start, text, words):
    number = 3 + next(i for i, line in enumerate(text.split("\n")) if line.startswith("!"))
    s, done = check(start, text)
    assert done.returncode == 1 and "Syntax check complete" not in done.stdout
    if words is None:
        assert re.search(r"fatal: .*on line 2 of '.*/cycle.conf'", done.stderr), done.stderr
        return
    fatal = [line for line in done.stderr.split("\n") if line.startswith("fatal: ") and re.search(words, line)]
    assert fatal, done.stderr[-2000:]
    assert f"line {number} of '{s.path('more.conf')}'" in fatal[0], fatal


def test_there_are_many_kinds():
    assert len({text for text, _ in KINDS}) == len(KINDS) >= 60
