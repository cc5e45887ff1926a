from __future__ import annotations

import asyncio
import base64
import hmac
import queue

import pytest

from hypercare.adapters.mailer import SmtpMailer
from hypercare.ports import Mail, MailResult, Tls


class SmtpServer:
    """Enough of an SMTP server to be served by a real client."""

    def __init__(self, *, context=None, offer_tls=False, auth="", refuse=(), greeting="220 here") -> None:
        self.context, self.offer_tls, self.auth = context, offer_tls, auth
        self.refuse, self.greeting = refuse, greeting
        self.mails: list[tuple[str, list[str], bytes]] = []
        self.logins: list[tuple[str, str]] = []
        self.hellos: list[str] = []

    async def __call__(self, reader, writer) -> None:
        self.r, self.w, self.secure = reader, writer, writer.get_extra_info("ssl_object") is not None
        try:
            await self.say(self.greeting)
            while line := (await self.r.readline()).decode().strip():
                if not await self.command(line):
                    break
        except ConnectionError:
            pass
        finally:
            self.w.close()

    async def say(self, *lines: str) -> None:
        self.w.write("".join(line + "\r\n" for line in lines).encode())
        await self.w.drain()

    async def ask(self, prompt: str = "") -> str:
        await self.say("334 " + base64.b64encode(prompt.encode()).decode())
        return base64.b64decode(await self.r.readline()).decode()

    async def command(self, line: str) -> bool:
        verb, _, rest = line.partition(" ")
        match verb.upper():
            case "EHLO":
                self.hellos.append(rest)
                offers = ["8BITMIME"]
                if self.offer_tls and not self.secure:
                    offers.append("STARTTLS")
                if self.auth:
                    offers.append(f"AUTH {self.auth}")
                await self.say("250-here", *(f"250-{o}" for o in offers[:-1]), f"250 {offers[-1]}")
            case "STARTTLS":
                await self.say("220 go")
                await self.w.start_tls(self.context)
                self.secure = True
            case "AUTH":
                await self.login(rest)
            case "MAIL":
                self.sender, self.recipients = rest[6:].split(">")[0], []
                await self.say("250 ok")
            case "RCPT":
                who = rest[4:].split(">")[0]
                if who in self.refuse:
                    await self.say("550 no such user")
                else:
                    self.recipients.append(who)
                    await self.say("250 ok")
            case "DATA":
                await self.say("354 go")
                body = await self.r.readuntil(b"\r\n.\r\n")
                self.mails.append((self.sender, self.recipients, body[:-5]))
                await self.say("250 queued")
            case "QUIT":
                await self.say("221 bye")
                return False
            case _:
                await self.say("250 ok")
        return True

    async def login(self, rest: str) -> None:
        method, _, initial = rest.partition(" ")
        if method == "PLAIN":
            _, user, password = base64.b64decode(initial).decode().split("\0")
        elif method == "LOGIN":
            user = base64.b64decode(initial).decode() if initial else await self.ask("Username:")
            password = await self.ask("Password:")
        else:
            user, _, digest = (await self.ask("<1@here>")).partition(" ")
            right = hmac.new(b"secret", b"<1@here>", "md5").hexdigest()
            password = "secret" if hmac.compare_digest(digest, right) else "wrong"
        self.logins.append((user, password))
        await self.say("235 welcome" if password == "secret" else "535 5.7.8 wrong password")


@pytest.fixture
def send(servers):
    mailer = SmtpMailer()

    def deliver(server: SmtpServer, **fields) -> MailResult:
        host, _, port = servers.raw(server).partition(":")
        return deliver_to(host, int(port), **fields)

    def deliver_to(host: str, port: int, **fields) -> MailResult:
        replies: queue.Queue[MailResult] = queue.Queue()
        message = b"Subject: hello\r\n\r\n.dot\r\nbody\r\n"
        fields = {"require_tls": False, "timeout": 30_000, **fields}
        mailer.submit(Mail(host, port, "me@x", ("you@y", "them@z"), message, **fields), replies.put)
        result = replies.get(timeout=60)
        assert replies.empty()
        return result

    deliver.to = deliver_to
    yield deliver
    mailer.close()


def test_a_mail_is_delivered(send):
    server = SmtpServer()
    assert send(server, hello="box.example.org") == MailResult(ok=True, code=250, message="accepted")
    assert server.mails == [("me@x", ["you@y", "them@z"], b"Subject: hello\r\n\r\n..dot\r\nbody")]
    assert server.hellos[0] == "box.example.org"


def test_starttls_is_used_and_verified(send, server_context, ca_pem):
    server = SmtpServer(context=server_context, offer_tls=True)
    assert send(server, require_tls=True, tls=Tls(ca_pem=ca_pem)).ok
    assert server.secure
    assert not send(SmtpServer(context=server_context, offer_tls=True)).ok, "an unknown authority"
    named = Tls(ca_pem=ca_pem, server_name="localhost")
    assert send(SmtpServer(context=server_context, offer_tls=True), tls=named).ok
    wrong = Tls(ca_pem=ca_pem, server_name="elsewhere")
    assert not send(SmtpServer(context=server_context, offer_tls=True), tls=wrong).ok


def test_require_tls_demands_it(send):
    server = SmtpServer()
    result = send(server, require_tls=True)
    assert not result.ok
    assert "STARTTLS" in result.message
    assert server.mails == []


def test_implicit_tls(servers, send, server_context, ca_pem):
    server = SmtpServer()

    async def start():
        made = await asyncio.start_server(server, "127.0.0.1", 0, ssl=server_context)
        return made.sockets[0].getsockname()[1]

    port = servers.do(start())
    assert send.to("127.0.0.1", port, implicit_tls=True, tls=Tls(ca_pem=ca_pem)).ok
    assert not send.to("127.0.0.1", port, implicit_tls=True).ok


@pytest.mark.parametrize("auth", ["PLAIN", "LOGIN", "CRAM-MD5", "LOGIN PLAIN CRAM-MD5"])
def test_log_in(send, auth):
    server = SmtpServer(auth=auth)
    assert send(server, username="me", password="secret").ok
    assert server.logins == [("me", "secret")]


def test_a_wrong_password_is_told(send):
    result = send(SmtpServer(auth="PLAIN"), username="me", password="wrong")
    assert (result.ok, result.code) == (False, 535)


def test_a_server_without_log_in_is_no_place_for_a_password(send):
    server = SmtpServer()
    assert "AUTH" in send(server, username="me", password="secret").message
    assert server.mails == []


def test_refused_recipients(send):
    some = send(SmtpServer(refuse=("them@z",)))
    assert some.ok
    assert "them@z was refused: 550" in some.message
    every = send(SmtpServer(refuse=("them@z", "you@y")))
    assert (every.ok, every.code) == (False, 550)


def test_a_server_that_is_not_well(send):
    assert send(SmtpServer(greeting="421 come back later")).code == 421
    assert not send(SmtpServer(greeting="junk")).ok
    assert send.to("127.0.0.1", 1).code == 0


def test_silence_ends_with_the_timeout(servers, send):
    async def silent(reader, writer):
        await reader.read()
        writer.close()

    host, _, port = servers.raw(silent).partition(":")
    assert not send.to(host, int(port), timeout=300).ok


def test_shutdown_gives_a_reply(servers):
    async def silent(reader, writer):
        await reader.read()
        writer.close()

    host, _, port = servers.raw(silent).partition(":")
    mailer = SmtpMailer()
    replies: queue.Queue[MailResult] = queue.Queue()
    for _ in range(10):
        mailer.submit(Mail(host, int(port), "me@x", ("you@y",), b"", timeout=30_000), replies.put)
    mailer.close()
    mailer.submit(Mail(host, int(port), "me@x", ("you@y",), b"", timeout=30_000), replies.put)
    assert {replies.get(timeout=20).message for _ in range(11)} == {"shutting down"}
