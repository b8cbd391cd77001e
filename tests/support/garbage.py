"""What scanners and broken clients send to an HTTP server."""

import asyncio

#: by what is wrong with it; HOST stands for the server's own name
GARBAGE = {
    "no HTTP": b"garbage\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "every byte": bytes(range(256)) + b"\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "a long path": b"GET /%s HTTP/1.1\r\nHost: HOST\r\n\r\n" % (b"a" * 20_000),
    "a long header": b"GET / HTTP/1.1\r\nHost: HOST\r\nA: %s\r\n\r\n" % (b"a" * 20_000),
    "bad escapes": b"GET /page/%zz%ff%00 HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "a path that is no UTF-8": b"GET /page/\xff\xfe HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "a name that is too long": b"GET /page/%s.js HTTP/1.1\r\nHost: HOST\r\n\r\n" % (b"a" * 300),
    "a port that is none": b"GET http://a:99999/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "a negative length": b"GET / HTTP/1.1\r\nHost: HOST\r\nContent-Length: -1\r\n\r\n",
}
#: heads that end in another body than they promise, and that body
BODIES = {
    "no gzip": (b"Content-Encoding: gzip\r\nContent-Length: 4", b"abcd"),
    "no chunk": (b"Transfer-Encoding: chunked", b"zz\r\nabc\r\n"),
    "a bottomless one": (b"Content-Length: 100000", b"[" * 100_000),
}


def posted(path: str, head: bytes, body: bytes) -> bytes:
    """A post of the page itself, as far as its head tells."""
    own = b"Host: HOST\r\nOrigin: http://HOST\r\nContent-Type: application/json"
    return b"POST %s HTTP/1.1\r\n%s\r\n%s\r\n\r\n%s" % (path.encode(), own, head, body)


async def status_of(port: int, sent: bytes) -> int:
    """Send bytes as they are; returns the status that they are answered with."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent.replace(b"HOST", b"127.0.0.1:%d" % port))
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()


async def hang_up_amid(port: int, path: str) -> None:
    """Begin a post whose body never ends."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = posted(path, b"Content-Length: 100", b"{")
    writer.write(sent.replace(b"HOST", b"127.0.0.1:%d" % port))
    await writer.drain()
    writer.close()
    await writer.wait_closed()
