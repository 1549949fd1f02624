"""The one root of what the node raises where no request is there to be answered."""


class NodeError(Exception):
    """A node that cannot be made or started. `advice` says what its operator can do."""

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.advice = advice


class SettingsError(NodeError):
    """A setting that does not fit; `key` names it as the file or the environment does."""

    def __init__(self, key: str, what: str) -> None:
        super().__init__(f"{key}: {what}", "docs/node.md lists every setting")
        self.key = key


class BackupDamaged(NodeError):
    """A backup whose files are not what was written, or do not make a ledger."""

    def __init__(self, what: str) -> None:
        super().__init__(what, "take another backup; of this one nothing was used")
