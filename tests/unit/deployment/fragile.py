"""An executor whose connection a test cuts."""

from scripts.deployment.boa_executor import BoaExecutor


class Interrupted(Exception):
    """The connection that a test cuts."""


class FragileExecutor(BoaExecutor):
    """An executor that sends only so many transactions, and may lose the last one's receipt."""

    def __init__(self, sender, left=10**9, chain_id=31337):
        super().__init__(sender, chain_id)
        self.left = left
        self.sent = 0
        self.loses_receipt = False

    def _spend(self, transact, *given):
        if self.left == 0:
            raise Interrupted
        self.left -= 1
        self.sent += 1
        receipt = transact(*given)
        if self.left == 0 and self.loses_receipt:
            raise Interrupted
        return receipt

    def create(self, initcode):
        return self._spend(super().create, initcode)

    def send(self, to, data, value=0):
        return self._spend(super().send, to, data, value)
