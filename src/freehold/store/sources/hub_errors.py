"""What every error of huggingface_hub means here: the one seam through which that library's errors pass.

Classes are named, not imported, because importing the library is slow; a test holds the table complete against the
installed version. Messages never repeat the library's own, which may quote the headers that were sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from freehold.core.errors import FreeholdError, GatedError, NotFoundError, SourceError, SourceUnreachableError
from freehold.core.refs import HubRef

Meaning = Literal["repository", "gated", "revision", "refused", "status", "offline", "silent", "foreign"]

# The narrowest class of an error's ancestry decides. "foreign": calls of other services, which are not made here.
MEANINGS: Mapping[str, Meaning] = {
    "RepositoryNotFoundError": "repository",
    "GatedRepoError": "gated",
    "DisabledRepoError": "refused",
    "RevisionNotFoundError": "revision",
    "RevisionResolutionError": "revision",
    "EntryNotFoundError": "revision",
    "RemoteEntryNotFoundError": "revision",
    "BadRequestError": "refused",
    "HFValidationError": "refused",
    "HfUriError": "refused",
    "OfflineModeIsEnabled": "offline",
    "HfHubHTTPError": "status",
    "CacheNotFound": "foreign",
    "CachedRepoTreeNotFoundError": "foreign",
    "CorruptedCacheException": "foreign",
    "LocalEntryNotFoundError": "foreign",
    "IncompleteSnapshotError": "foreign",
    "FileMetadataError": "foreign",
    "DryRunError": "foreign",
    "FileDuplicationError": "foreign",
    "XetDownloadError": "foreign",
    "LocalTokenNotFoundError": "foreign",
    "OIDCError": "foreign",
    "DeviceCodeError": "foreign",
    "BucketNotFoundError": "foreign",
    "BucketBatchError": "foreign",
    "JobNotFoundError": "foreign",
    "SandboxError": "foreign",
    "SandboxCommandError": "foreign",
    "InferenceTimeoutError": "foreign",
    "InferenceEndpointError": "foreign",
    "InferenceEndpointTimeoutError": "foreign",
    "TextGenerationError": "foreign",
    "ValidationError": "foreign",
    "GenerationError": "foreign",
    "OverloadedError": "foreign",
    "IncompleteGenerationError": "foreign",
    "UnknownError": "foreign",
    "SafetensorsParsingError": "foreign",
    "NotASafetensorsRepoError": "foreign",
    "DDUFError": "foreign",
    "DDUFCorruptedFileError": "foreign",
    "DDUFExportError": "foreign",
    "DDUFInvalidEntryNameError": "foreign",
    "StrictDataclassError": "foreign",
    "StrictDataclassDefinitionError": "foreign",
    "StrictDataclassFieldValidationError": "foreign",
    "StrictDataclassClassValidationError": "foreign",
    "CLIError": "foreign",
    "ConfirmationError": "foreign",
    "CLIExtensionInstallError": "foreign",
}  # fmt: skip
# Of the HTTP library underneath (httpx's names), whose errors huggingface_hub lets through.
TRANSPORT: Mapping[str, Meaning] = {
    "HTTPError": "refused",
    "RequestError": "silent",
    "InvalidURL": "refused",
}


def meaning(error: Exception) -> Meaning | None:
    """What `error` means, None for one that is neither of the hub's library nor of the transport under it."""
    for kind in type(error).__mro__:
        family = kind.__module__.partition(".")[0]
        table = MEANINGS if family == "huggingface_hub" else TRANSPORT if family.startswith("httpx") else {}
        if kind.__name__ in table:
            return table[kind.__name__]
    return None


def translated(error: Exception, ref: HubRef, endpoint: str, *, has_token: bool) -> FreeholdError | None:
    """The error of our tree that says the same, or None where `error` is a bug rather than an answer."""
    found = meaning(error)
    if found is None or found == "foreign":
        return None
    status: int | None = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401 and has_token and found in {"repository", "status"}:
        return _refused_token(ref, endpoint)
    if found == "status":
        return _by_status(error, ref, endpoint, status)
    return _BUILDERS[found](ref, endpoint, has_token)


def offline(ref: HubRef, endpoint: str, has_token: bool) -> FreeholdError:
    del has_token
    return SourceError(
        f"{ref} was not asked for at {endpoint}: HF_HUB_OFFLINE is set.",
        hint="What is held still works: see `freehold list`. To pull, unset HF_HUB_OFFLINE.",
    )


def gated(ref: HubRef, endpoint: str, has_token: bool) -> FreeholdError:
    page = f"{endpoint}/{ref.repository}"
    if has_token:
        return GatedError(
            f"{ref.repository} is gated, and the account of your token has no access to it.",
            hint=f"Accept its terms at {page} with that account; some publishers answer by hand. Then pull again.",
            url=page,
        )
    return GatedError(
        f"{ref.repository} is gated: its publisher wants its terms accepted, and no token is set.",
        hint=f"Accept them at {page}, make a read token in your account's settings there, and set HF_TOKEN to it.",
        url=page,
    )


def _refused_token(ref: HubRef, endpoint: str) -> FreeholdError:
    return GatedError(
        f"{endpoint} refuses the token in HF_TOKEN (401), asked for {ref.repository}.",
        hint="Make a new one in your account's settings there, or unset HF_TOKEN for public repositories.",
        url=f"{endpoint}/{ref.repository}",
    )


def _repository(ref: HubRef, endpoint: str, has_token: bool) -> FreeholdError:
    private = "" if has_token else " A private one is only shown with a token: set HF_TOKEN."
    return NotFoundError("repository", ref.repository, hint=f"Asked at {endpoint}. Check its spelling.{private}")


def _revision(ref: HubRef, endpoint: str, has_token: bool) -> FreeholdError:
    del has_token
    named = ref.revision or "main"
    return NotFoundError(
        "revision", f"{ref.repository}@{named}", hint=f"Branches and tags: {endpoint}/{ref.repository}/tree/main."
    )


def _refused(ref: HubRef, endpoint: str, has_token: bool) -> FreeholdError:
    del has_token
    return SourceError(
        f"{endpoint} does not give out {ref}.", hint=f"Its page may say why: {endpoint}/{ref.repository}."
    )


def _silent(ref: HubRef, endpoint: str, has_token: bool) -> FreeholdError:
    del has_token
    return SourceUnreachableError(
        f"The hub at {endpoint} does not answer, asked for {ref.repository}.",
        hint="Check the network and its proxy. HF_ENDPOINT names a mirror; what is held still works.",
        url=endpoint,
    )


def _by_status(error: Exception, ref: HubRef, endpoint: str, status: int | None) -> FreeholdError:
    answered = f"The hub at {endpoint} answers {status}, asked for {ref.repository}."
    if status == 429:
        wait_s = getattr(error, "response").headers.get("Retry-After")  # noqa: B009 -- the class is not imported here
        wait = f" in {wait_s} s" if wait_s else " in some minutes"
        return SourceUnreachableError(
            f"{answered} It limits requests.", hint=f"Try again{wait}; a token (HF_TOKEN) raises the limit."
        )
    if status in {401, 403}:
        return GatedError(
            answered, hint="Set HF_TOKEN to a token that may read it.", url=f"{endpoint}/{ref.repository}"
        )
    if status is not None and status >= 500:
        return SourceUnreachableError(
            answered, hint="Try again later, or name a mirror with HF_ENDPOINT.", url=endpoint
        )
    return SourceError(answered, hint="If HF_ENDPOINT names a mirror, it may not speak the hub's API.")


_BUILDERS: Mapping[Meaning, Callable[[HubRef, str, bool], FreeholdError]] = {
    "repository": _repository,
    "gated": gated,
    "revision": _revision,
    "refused": _refused,
    "offline": offline,
    "silent": _silent,
}
