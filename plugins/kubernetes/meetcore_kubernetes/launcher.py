"""The launcher `kubernetes` as it is registered; its client is loaded when one is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from meetcore import ClusterLauncher
from meetcore_kubernetes.options import KubernetesOptions

if TYPE_CHECKING:
    from meetcore_kubernetes.pod_launcher import PodLauncher

__all__ = ["KubernetesLauncher"]


class KubernetesLauncher(ClusterLauncher):
    """A Pod for each bot.

    Who has the plugin and no cluster does not load a client of one: what comes of this class is a
    `PodLauncher`, from a module that is imported then.

    Args:
        options: As in `[plugins.kubernetes]`.
    """

    name: ClassVar[str] = "kubernetes"
    how_to_share: ClassVar[str] = "name a volume_claim in [plugins.kubernetes]"
    Options = KubernetesOptions

    def __new__(cls, *_: object) -> PodLauncher:
        """Return the launcher."""
        from meetcore_kubernetes.pod_launcher import PodLauncher

        return super().__new__(cls if issubclass(cls, PodLauncher) else PodLauncher)
