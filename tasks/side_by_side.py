"""Side by side: work that mostly waits for a system goes on in threads, while the run prepares what comes next."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Meanwhile:
    """What is put off until the caller has nothing to do but wait: it would take the processor from what is urgent."""

    def __init__(self) -> None:
        self._put_off: list[Callable[[], object]] = []

    def later(self, job: Callable[[], object]) -> None:
        """Put something off."""
        self._put_off.append(job)

    def now(self) -> None:
        """Begin what was put off; the caller has come to wait."""
        put_off, self._put_off = self._put_off, []
        for job in put_off:
            job()


def side_by_side(jobs: Sequence[Callable[[], T]], at_once: int, meanwhile: Meanwhile) -> Iterator[T]:
    """Do jobs in threads, so many at once, and give their results in order, each as soon as it is there.

    What the caller does with one result, it does while the next jobs are under way.

    Args:
        jobs: What is to be done.
        at_once: How many are under way at the same time; with 1 each is done in the caller's own thread.
        meanwhile: Begun when the first jobs are under way.

    Raises:
        Exception: What the first job in order that failed has raised, after those under way have ended; no further job
            is begun.
    """
    if at_once == 1 or len(jobs) == 1:
        yield from (job() for job in jobs)
        return
    with ThreadPoolExecutor(at_once, thread_name_prefix="side by side") as threads:
        begun = [submit(threads, job) for job in jobs[:at_once]]
        meanwhile.now()
        for number in range(len(jobs)):
            result = begun[number].result()
            begun += [submit(threads, job) for job in jobs[number + at_once : number + at_once + 1]]
            yield result


def submit(threads: ThreadPoolExecutor, job: Callable[[], T]) -> Future[T]:
    """Begin a job that sees the run's logger and task as its caller does."""
    return threads.submit(contextvars.copy_context().run, job)


class Errand(Generic[T]):
    """One job at a time in a thread of its own, beside the caller.

    To be used as a context: leaving it waits for the job under way.

    Args:
        is_on: Whether to work in a thread; otherwise `begin` does the job at once.

    Example:
        ```python
        with Errand() as recording:
            for page in pages:
                written = write(page)
                recording.wait()
                recording.begin(partial(record, written))
        ```
    """

    def __init__(self, is_on: bool = True) -> None:
        self.is_on = is_on
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="errand") if is_on else None
        self._job: Future[T] | None = None

    def begin(self, job: Callable[[], T]) -> None:
        """Begin a job; the one before must have been waited for.

        Raises:
            Exception: What the job has raised, where it is done at once.
        """
        if self._threads is not None:
            self._job = submit(self._threads, job)
            return
        self._job = Future()
        self._job.set_result(job())

    def wait(self) -> T | None:
        """Wait for the job under way and give its result; None when there is none.

        Raises:
            Exception: What the job has raised.
        """
        job, self._job = self._job, None
        return None if job is None else job.result()

    def __enter__(self) -> Self:
        """The context itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the job under way; when the body failed, its error is the one that is raised."""
        try:
            if error is None:
                self.wait()
        finally:
            if self._threads is not None:
                self._threads.shutdown()
