"""How many workers train a run, and on which servers."""

from dataclasses import dataclass

from ms_gan.errors import UserError


@dataclass(frozen=True)
class Launch:
    """How many workers, and where; the names are those of `msrun`'s options."""

    worker_num: int
    """Workers on all servers together."""
    local_worker_num: int | None = None
    """Those on this server; None: all."""
    master_addr: str | None = None
    """Address of the server that the workers meet at; None: this one."""
    master_port: int | None = None
    """Its port; None: one that is free."""
    node_rank: int | None = None
    """Number of this server, from 0."""

    @property
    def local(self) -> int:
        """Workers on this server."""
        return self.local_worker_num or self.worker_num

    @property
    def first(self) -> int:
        """Number of the first of them."""
        return (self.node_rank or 0) * self.local

    def check(self) -> None:
        """Raise UserError where the numbers do not go together."""
        several = self.local != self.worker_num
        if self.worker_num < 1 or self.local < 1 or self.worker_num % self.local:
            raise UserError(
                f"--workers {self.worker_num} --local_worker_num {self.local}: need whole numbers from 1, and as many "
                "workers on each server"
            )
        if several and None in (self.master_addr, self.master_port, self.node_rank):
            raise UserError(
                f"--workers {self.worker_num}, {self.local} of them here: on several servers each needs --master_addr, "
                "--master_port and --node_rank"
            )
        if not several and self.node_rank:
            raise UserError(f"--node_rank {self.node_rank}: all workers are on this server; add --local_worker_num")
        if self.node_rank is not None and not 0 <= self.node_rank < self.worker_num // self.local:
            raise UserError(f"--node_rank {self.node_rank}: there are {self.worker_num // self.local} servers, from 0")
        if self.master_port is not None and not 1024 <= self.master_port <= 65535:
            raise UserError(f"--master_port {self.master_port}: give a free port from 1024 to 65535")
