"""Ways in which a deployment refuses to go on; every message is one sentence."""


class DeploymentError(Exception):
    """A deployment cannot start or go on; the message says why and what to do."""


class ParameterError(DeploymentError):
    """A parameter is missing, malformed or out of its range."""


class SendError(DeploymentError):
    """A transaction reverted; the message holds the reason that the contract gave."""


def file_failure(error: OSError) -> str:
    """Return one sentence about a file that cannot be read or written."""
    why = error.strerror or type(error).__name__
    return f"{error.filename or 'a file'}: {why}; give this user access to it, then run this again"
