"""Accept: a session's work arrives on a branch of the user's, whole or not at all.

| the session's mode, and the branch             | what arrives                                  |
|------------------------------------------------|-----------------------------------------------|
| bind, and the branch that is checked out there | its commits; the files are there already, and |
|                                                | what it left uncommitted stays so             |
| any other                                      | its commits, and one of what it left          |
|                                                | uncommitted                                   |
| without git                                    | its files, into the directory it began with   |

Of some paths only, it is one commit; the session stays open while it holds more than that.

1. The work is gathered and merged aside. A conflict, or a path of the user's own in the way, is
   found before anything of the user's has changed, objects included.
2. The record says which commit is about to land where, then it lands, then the record says that
   it has: who dies in between is believed by the branch.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outrig.core import outcome
from outrig.core.frozen import frozen, replace
from outrig.core.session import with_fields
from outrig.errors import OutrigError, WorkspaceError
from outrig.runner import delivery, pins, unversioned
from outrig.runner import work as works
from outrig.runner.accepted import Accepted
from outrig.workspace import landing, merge, resolving
from outrig.workspace.landing import Landing
from outrig.workspace.merge import ConflictError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from outrig.core.session import Session
    from outrig.runner.accepted import Wish
    from outrig.runner.work import Work
    from outrig.store.finding import Found
    from outrig.workspace.landing import Checkout
    from outrig.workspace.merge import Signature
    from outrig.workspace.repository import Repository


def accept(found: Found, wish: Wish, *, signature: Signature, env: Mapping[str, str]) -> Accepted:
    """Take it over. Raises what says why not, and then nothing of the user's has changed."""
    with works.held(found) as session:
        outcome.refuse(session, "accepted")
        home = works.home_of(session, env)
        if home is None:
            return unversioned.into_directory(found, session, wish, env)
        landing.settle(home)
        landed = _landed(found, session, home)
        if landed is not None:
            return landed
        with works.gathered(session, found.directory, home, env) as work:
            return _Acceptance(found, session, wish, signature, home, work).go()


@frozen(kw_only=False)
class _Acceptance:
    found: Found
    session: Session
    wish: Wish
    signature: Signature
    home: Checkout
    work: Work

    def go(self) -> Accepted:
        ref = self._ref()
        old = self.home.repository.commit(ref)
        here = landing.is_here(self.home, ref)
        if old is None and not here:
            raise WorkspaceError(
                f"there is no branch {delivery.short(ref)}",
                hint=f"outrig branch {self.session.id} {delivery.short(ref)}",
            )
        there = here and works.text(self.session, "mode") == "bind"
        commit = self._commit(old, there=there)
        order = Landing(
            ref=ref,
            old=old,
            new=commit,
            log=f"outrig accept {self.session.id}",
            identity=self.signature.identity,
            with_files=not there,
        )
        self._check(order)
        packs = delivery.packed(self.work, self.home, commit, old) if commit != old else ()
        done = self._summary(order, here=here, there=there)
        if self.wish.dry_run:
            return done
        if commit != old:
            self._land(order, packs)
        if done.open:
            return replace(done, session=self._note(None))
        return _recorded(self.found, done)

    def _lacks(self, commit: str) -> bool:
        """Whether the session holds more than the paths that were asked for."""
        result = self.work.result("all of it", self.signature) if self.wish.paths else None
        if result is None:
            return False
        merged = merge.merge(self.work.repository, commit, result)
        return bool(merged.conflicts) or merged.tree != self.work.repository.tree(commit)

    def _ref(self) -> str:
        name = self.wish.into or works.text(self.session, "branch")
        if name is None:
            raise WorkspaceError(
                f"session {self.session.id} began on no branch",
                hint=f"outrig accept {self.session.id} --into BRANCH",
            )
        return delivery.branch_ref(self.home.repository, name)

    def _commit(self, old: str | None, *, there: bool) -> str:
        """The commit that shall be the branch's."""
        said = self.wish.message or works.message(self.session)
        work = self.work
        result = work.head if there else work.result(said, self.signature)
        if result is None:
            raise works.NoWorkError(f"session {self.session.id} left nothing to take over")
        resolved = resolution(self.session, work.repository, old, result)
        try:
            return merge.joined(
                work.repository,
                target=old,
                result=resolved or result,
                how=self.wish.how,
                paths=self.wish.paths,
                message=self.wish.message or self._words(),
                signature=self.signature,
                scratch=work.scratch / "index",
            )
        except ConflictError as conflict:
            raise self._conflict(conflict, old or "", resolved or result) from conflict

    def _conflict(self, conflict: ConflictError, old: str, result: str) -> ConflictError:
        """The same, with what to do next; laid out if that was asked for."""
        accepting = f"outrig accept {self.session.id}"
        directory = self.wish.resolve
        if directory is None or self.wish.dry_run:
            hint = f"to resolve it in a working tree of its own: {accepting} --resolve"
            return ConflictError(conflict.message, conflict.paths, hint=hint)
        git = self.work.repository
        tree, entries = merge.stages(git, old, result)
        holding = merge.commit(git, tree, (old, result), "conflicts", self.signature)
        delivery.bring(self.work, self.home, holding, old)
        resolving.lay_out(
            self.home.repository, directory, target=old, result=result, tree=tree, stages=entries
        )
        assert self.found.store is not None
        self.found.store.update(
            self.session.id, lambda session: with_fields(session, resolving=str(directory))
        )
        place = shlex.quote(str(directory))
        return ConflictError(
            f"{conflict.message}; they are laid out in {directory}",
            conflict.paths,
            hint=f"cd {place}; resolve them; git add -A; git commit; then: {accepting}",
        )

    def _words(self) -> str:
        if self.wish.how == "squash" or self.wish.paths:
            return works.message(self.session)
        first = works.message(self.session).partition("\n")[0]
        return f"Merge outrig session {self.session.id}\n\n{first}\n"

    def _check(self, order: Landing) -> None:
        """What the user's own work would not allow, seen without a byte of theirs changed."""
        git = self.work.repository
        places = (git.objects, *git.alternates)
        reading = replace(
            self.home.repository,
            alternates=tuple(place for place in places if place is not None),
            as_owner=False,
        )
        landing.check(replace(self.home, repository=reading), order)

    def _summary(self, order: Landing, *, here: bool, there: bool) -> Accepted:
        git = self.work.repository
        before = order.old or git.empty_tree()
        counted = (order.new, order.old) if order.old else (order.new, None)
        return Accepted(
            session=self.session,
            into=delivery.short(order.ref),
            commit=order.new,
            commits=git.count(*counted),
            changes=git.changes(before, order.new),
            here=here,
            uncommitted=self._uncommitted() if there else 0,
            already=order.new == order.old,
            open=self._lacks(order.new),
        )

    def _uncommitted(self) -> int:
        work = self.work
        if work.end is None or work.start is None:
            return 0
        result = work.result("what is left", self.signature)
        if result is None or result == work.head:
            return 0
        return len(work.repository.changes(work.head or work.repository.empty_tree(), result))

    def _land(self, order: Landing, packs: Sequence[Path]) -> None:
        if not self.wish.paths:  # else an accept that died is none: the rest is still to come
            self._note({"commit": order.new, "ref": order.ref})
        try:
            delivery.deliver(packs, self.home)
            landing.land(self.home, order)
        except OutrigError:
            self._note(None)
            raise

    def _note(self, accepting: dict[str, Any] | None) -> Session:
        assert self.found.store is not None
        return self.found.store.update(
            self.session.id, lambda session: with_fields(session, accepting=accepting)
        )


def resolution(
    session: Session, repository: Repository, old: str | None, result: str
) -> str | None:
    """The commit by which the user resolved an earlier conflict, if it still holds this work."""
    path = session.fields.get("resolving")
    if not isinstance(path, str) or old is None:
        return None
    commit = resolving.resolved(Path(path))
    whole = commit is not None and repository.commit(commit) == commit
    if not whole or commit is None:
        return None
    return commit if repository.tree(result) in _merged_trees(repository, commit) else None


def _merged_trees(repository: Repository, commit: str) -> set[str]:
    """The trees of the parents of a merge."""
    said = repository.run("rev-list", "--parents", "-n", "1", commit).decode().split()
    return {repository.tree(parent) for parent in said[1:]}


def _landed(found: Found, session: Session, home: Checkout) -> Accepted | None:
    """An accept that died after its commit had landed is an accept."""
    noted = session.fields.get("accepting")
    if not isinstance(noted, dict):
        return None
    commit, ref = noted.get("commit"), noted.get("ref")
    if not isinstance(commit, str) or not isinstance(ref, str):
        return None
    now = home.repository.commit(ref)
    if now is None or home.repository.commit(commit) is None:
        return None
    if not home.repository.is_ancestor(commit, now):
        return None
    arrived = Accepted(
        session=session,
        into=delivery.short(ref),
        commit=commit,
        commits=0,
        changes=(),
        here=False,
        already=True,
    )
    return _recorded(found, arrived)


def _recorded(found: Found, done: Accepted) -> Accepted:
    """It has landed, and the record says so from now on."""
    session = works.moved(
        found,
        "accepted",
        commit=done.commit,
        into=done.into,
        also=lambda one: with_fields(one, accepting=None),
    )
    left = pins.forget_resolution(session, found.directory)
    return replace(done, session=session, left=left)
