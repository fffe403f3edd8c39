"""Every error Freehold raises, in one tree.

    FreeholdError                    something failed                         exit 3, HTTP 500
    ├── CallError                    the call was wrong                       exit 2, HTTP 400
    │   ├── BadReferenceError        a reference cannot be parsed
    │   ├── SettingsError            freehold.toml or FREEHOLD_* is wrong, every problem listed
    │   ├── DescriptionError         the description of a machine cannot be understood (names the word)
    │   ├── RequestError             a request's field is wrong (names the field)
    │   │   ├── ContextLengthError   the prompt is longer than the context    (both counts)
    │   │   └── UnsupportedError     the engine or endpoint cannot do that
    │   ├── TooLargeError            a body is over the limit                 HTTP 413
    │   ├── MediaTypeError           a body is not what the route reads       HTTP 415
    │   ├── MethodError              the route has no such method             HTTP 405
    │   ├── KeyRefusedError          a key is missing or wrong                HTTP 401
    │   ├── SignInError              a sign-in at the issuer came to nothing  HTTP 400
    │   └── ForbiddenError           Host, Origin or address is not allowed   HTTP 403
    ├── NotFoundError                no such thing; carries the nearest names exit 1, HTTP 404
    ├── PolicyError                  the house's policy refuses a model       exit 1, HTTP 403
    │   └── PolicyReviewError        whether it may be used is an open question  exit 4
    ├── DoesNotFitError              weights that this machine cannot run     exit 1
    ├── SourceError                  a source of builds failed                exit 3, HTTP 502
    │   ├── SourceUnreachableError   it does not answer                       retryable
    │   ├── GatedError               it wants an accepted license or a token  HTTP 403
    │   └── HashMismatchError        the bytes are not the bytes named        (file, expected, found)
    ├── StoreError                   the store on disk failed                 exit 3, HTTP 507
    │   ├── NoSpaceError             not enough room                          (needed, free)
    │   ├── ReadOnlyError            the store cannot be written
    │   ├── BuildChangedError        the files are not what their deed says   HTTP 500
    │   ├── HouseKeyError            a key of the house's own cannot be used   HTTP 500
    │   ├── KeyBookError             the file of API keys cannot be used      HTTP 500
    │   ├── BundleError              a bundle is damaged, or nobody's whom the house trusts
    │   └── DeedError                a deed is damaged or another build's     HTTP 500
    │       ├── DeedChangedError     it is not what it was when written
    │       ├── DeedUnreadableError  this account may not read it             exit 4
    │       └── DeedSignatureError   its signature is missing, wrong or a stranger's
    ├── CatalogError                 rows of the catalog are wrong, every one listed
    ├── WeightsError                 a weight file is damaged or not one      exit 3, HTTP 422
    ├── EngineError                  an engine failed                         exit 3, HTTP 502
    │   ├── NoEngineError            no engine here is known to run a build   HTTP 501
    │   ├── WorkerStartError         a worker did not start (carries its log) HTTP 503
    │   │   └── WorkerGivenUpError   it kept ending, and is not tried again by itself
    │   ├── WorkerLostError          a worker ended while it was answering    retryable
    │   └── UpstreamError            an engine answered with an error         its own status
    ├── LoadingError                 the build is not ready yet               retryable, HTTP 503
    │   └── MemoryHeldError          others hold the memory that it needs
    ├── HouseClosingError            the house is ending                      retryable, HTTP 503
    ├── BusyError                    more is asked than can be done in time   retryable, HTTP 503
    ├── DeadlineError                a request's time is over                 HTTP 504
    ├── LimitError                   a key has used what it may               exit 1, HTTP 429
    ├── EgressError                  the policy lets no connection go there   exit 1, HTTP 403
    ├── LedgerError                  the ledger cannot be written or read     retryable, HTTP 503
    ├── NewerFormatError             a file was written by a newer Freehold   exit 3
    ├── SignOnError                  the issuer of tokens cannot be asked     retryable, HTTP 503
    ├── StoppedError                 whoever runs the house ended the request HTTP 503
    └── AddressInUseError            the port is taken                        exit 3

Every error carries a message (what happened, to which thing), a hint (what to do next, often a command),
a stable `code`, `data` for programs, `retryable`, an exit code and an HTTP status. Foreign errors are
translated where their library is used, never here. A bug stays a Python exception.
"""

from __future__ import annotations

from typing import Any

from freehold.core.engine_errors import EngineError as EngineError
from freehold.core.engine_errors import NoEngineError as NoEngineError
from freehold.core.engine_errors import UpstreamError as UpstreamError
from freehold.core.engine_errors import WorkerGivenUpError as WorkerGivenUpError
from freehold.core.engine_errors import WorkerLostError as WorkerLostError
from freehold.core.engine_errors import WorkerStartError as WorkerStartError
from freehold.core.failure import FreeholdError as FreeholdError
from freehold.core.source_errors import GatedError as GatedError
from freehold.core.source_errors import HashMismatchError as HashMismatchError
from freehold.core.source_errors import SourceError as SourceError
from freehold.core.source_errors import SourceUnreachableError as SourceUnreachableError
from freehold.core.store_errors import BuildChangedError as BuildChangedError
from freehold.core.store_errors import BundleError as BundleError
from freehold.core.store_errors import DeedChangedError as DeedChangedError
from freehold.core.store_errors import DeedError as DeedError
from freehold.core.store_errors import DeedSignatureError as DeedSignatureError
from freehold.core.store_errors import DeedUnreadableError as DeedUnreadableError
from freehold.core.store_errors import HouseKeyError as HouseKeyError
from freehold.core.store_errors import KeyBookError as KeyBookError
from freehold.core.store_errors import NoSpaceError as NoSpaceError
from freehold.core.store_errors import ReadOnlyError as ReadOnlyError
from freehold.core.store_errors import StoreError as StoreError
from freehold.core.unavailable import AddressInUseError as AddressInUseError
from freehold.core.unavailable import BusyError as BusyError
from freehold.core.unavailable import DeadlineError as DeadlineError
from freehold.core.unavailable import EgressError as EgressError
from freehold.core.unavailable import HouseClosingError as HouseClosingError
from freehold.core.unavailable import LedgerError as LedgerError
from freehold.core.unavailable import LimitError as LimitError
from freehold.core.unavailable import LoadingError as LoadingError
from freehold.core.unavailable import MemoryHeldError as MemoryHeldError
from freehold.core.unavailable import NewerFormatError as NewerFormatError
from freehold.core.unavailable import SignOnError as SignOnError
from freehold.core.unavailable import StoppedError as StoppedError


class CallError(FreeholdError):
    code = "invalid_call"
    exit_code = 2
    status = 400


class BadReferenceError(CallError):
    code = "invalid_reference"


class SettingsError(CallError):
    code = "invalid_settings"


class DescriptionError(CallError):
    """A machine that is described in words cannot be understood. `word` is the part that is not."""

    code = "invalid_description"

    def __init__(self, message: str, *, word: str, hint: str = "", **data: Any) -> None:
        super().__init__(message, hint=hint, word=word, **data)
        self.word = word


class RequestError(CallError):
    """A request is wrong. `param` names the field as the client spelled it, dotted, or is None."""

    code = "invalid_request"

    def __init__(self, message: str, *, param: str | None = None, hint: str = "", **data: Any) -> None:
        super().__init__(message, hint=hint, param=param, **data)
        self.param = param


class ContextLengthError(RequestError):
    """The prompt alone leaves no room: `prompt_tokens` against `context_tokens`. It is never cut."""

    code = "context_length_exceeded"

    def __init__(self, prompt_tokens: int, context_tokens: int, *, trained_tokens: int | None = None) -> None:
        hint = "Shorten the prompt, or raise context_tokens in freehold.toml if the model was trained with more."
        if trained_tokens is not None and trained_tokens <= context_tokens:
            hint = f"Shorten the prompt: this model was trained with {trained_tokens:,} tokens and takes no more."
        elif trained_tokens is not None:
            hint = f"Shorten the prompt, or raise context_tokens in freehold.toml: {trained_tokens:,} at most."
        super().__init__(
            f"The prompt has {prompt_tokens} tokens and the context of this endpoint holds {context_tokens}.",
            hint=hint,
            param="messages",
            prompt_tokens=prompt_tokens,
            context_tokens=context_tokens,
        )


class UnsupportedError(RequestError):
    code = "unsupported"


class TooLargeError(CallError):
    code = "body_too_large"
    status = 413


class MediaTypeError(CallError):
    code = "unsupported_media_type"
    status = 415


class MethodError(CallError):
    code = "method_not_allowed"
    status = 405


class KeyRefusedError(CallError):
    code = "invalid_api_key"
    status = 401


class SignInError(CallError):
    """Somebody came back from the issuer's own sign-in, and is not signed in here by that."""

    code = "sign_in_failed"
    status = 400


class ForbiddenError(CallError):
    code = "forbidden"
    status = 403


class NotFoundError(FreeholdError):
    """`kind` is what was looked for ("model", "build"), `name` as given, `nearest` what is there."""

    code = "not_found"
    exit_code = 1
    status = 404

    def __init__(self, kind: str, name: str, *, nearest: tuple[str, ...] = (), hint: str = "", text: str = "") -> None:
        guess = f" Nearest: {', '.join(nearest)}." if nearest else ""
        super().__init__(text or f"There is no {kind} named {name!r}.{guess}", hint=hint, name=name, nearest=nearest)
        self.kind = kind
        self.name = name
        self.nearest = nearest


class PolicyError(FreeholdError):
    """The policy, or a license under it, refuses a model. `data["refused"]` has the verdict on each one refused."""

    code = "policy_denied"
    exit_code = 1
    status = 403


class PolicyReviewError(PolicyError):
    """A license asks for something that nobody stated or read, and the policy lets no open question pass."""

    code = "policy_review"
    exit_code = 4


class DoesNotFitError(FreeholdError):
    """Weights are larger than all memory there is. `instead` refers to a build that would fit, or is None."""

    code = "does_not_fit"
    exit_code = 1


class CatalogError(FreeholdError):
    code = "invalid_catalog"


class WeightsError(FreeholdError):
    """A weight file is truncated, not a weight file, or says something impossible of itself."""

    code = "invalid_weights"
    status = 422
