"""What a network error of a foreign library means, in plain words: the one place, for every sentence that tells of one.

The library's own texts name its classes and objects, which help nobody at a terminal.
"""

from __future__ import annotations

import os
import socket
import ssl


def network_words(error: BaseException) -> str:
    """The end of a sentence such as "ADDRESS does not answer: …", without a full stop."""
    from aiohttp import client_exceptions as http

    if isinstance(error, http.ClientProxyConnectionError):
        return f"the proxy cannot be reached ({_of_system(error.os_error)})"
    if isinstance(error, http.ClientHttpProxyError):
        return f"the proxy answers {error.status} {error.message}".rstrip()
    if isinstance(error, http.ClientConnectorCertificateError):
        return _of_system(error.certificate_error)
    if isinstance(error, http.ClientConnectorError):
        return _of_system(error.os_error)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, http.ServerDisconnectedError | ConnectionResetError | BrokenPipeError):
        return "the connection was closed before an answer came"
    if isinstance(error, http.ClientPayloadError):
        return "the connection ended in the middle of the answer"
    if isinstance(error, http.InvalidURL):
        return "that is no address"
    if isinstance(error, http.ClientResponseError):
        return "what it answers is not sound HTTP"
    return _of_system(error)


def _of_system(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message or "its certificate is not valid"
    if isinstance(error, ssl.SSLError):
        return f"no encrypted connection came about ({(error.reason or 'TLS').replace('_', ' ').lower()})"
    if isinstance(error, socket.gaierror):
        return "no machine of that name is known"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there: connection refused"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return "the connection failed"
