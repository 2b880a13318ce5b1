"""Ways in which a deployment refuses to go on; every message is one sentence."""


class DeploymentError(Exception):
    """A deployment cannot start or go on; the message says why and what to do."""


class ParameterError(DeploymentError):
    """A parameter is missing, malformed or out of its range."""


class SendError(DeploymentError):
    """A transaction reverted; the message holds the reason that the contract gave."""
