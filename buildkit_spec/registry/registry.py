"""`Registry`: what a registry has, in three answers: there, surely absent, cannot be told."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

from buildkit_spec.errors import ImageNotFoundError, RegistryError
from buildkit_spec.registry.api import DistributionApi
from buildkit_spec.registry.logins import Logins
from buildkit_spec.registry.manifests import INDEX_TYPES, Descriptor, join
from buildkit_spec.registry.transport import Transport
from buildkit_spec.values import Digest, Platform, Reference, RegistryConfig, ResolvedImage

_MAX_THREADS = 16
_BY_NAME = RegistryConfig()


class Registry:
    """Asks registries about images. Safe to use from several threads at once.

    All questions share one pool of connections, one memory of tokens and one of what each host
    speaks. https is the rule; http is for loopback and for hosts allowed by name.

    Args:
        logins: This machine's logins; by default those of Docker and podman.
        insecure_hosts: Hosts (with port) that may be spoken to over plain http, or over TLS
            without checking their certificate.
        ca_file: Certificates (PEM) trusted beside the system's.
        timeout_s: How long one answer may take, in seconds.
        retry_delays_s: Pauses before a question is put again after 429, 5xx or a broken
            connection, in seconds; their number is the number of retries.
        env: Logins, proxies and certificates are read from it.
        config: Registries that are reached in another way than by their name, over TLS. Mirrors
            are not asked: they may have what the registry has no more, and not yet what it has.
    """

    def __init__(
        self,
        logins: Logins | None = None,
        *,
        insecure_hosts: Iterable[str] = (),
        ca_file: str | Path | None = None,
        timeout_s: float = 20.0,
        retry_delays_s: Sequence[float] = (0.25, 1.0),
        env: Mapping[str, str] = os.environ,
        config: RegistryConfig = _BY_NAME,
    ) -> None:
        self._transport = Transport(
            insecure_hosts=insecure_hosts,
            ca_file=ca_file,
            timeout_s=timeout_s,
            retry_delays_s=retry_delays_s,
            env=env,
            config=config,
        )
        self._logins = (logins or Logins.load(env)).over(self._transport)
        self._api = DistributionApi(self._transport, self._logins)

    @property
    def logins(self) -> Logins:
        """The logins, fetching tokens over this registry client's connections."""
        return self._logins

    def close(self) -> None:
        """Close the idle connections. The registry client can be used again."""
        self._transport.close()

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def exists(self, reference: Reference, *, platforms: Sequence[Platform] = ()) -> bool:
        """Whether the registry has the image: True there, False surely absent.

        Args:
            reference: The image; its digest counts when it has one, else its tag.
            platforms: An index must list them all. A manifest of one platform answers for any
                one: a spec's tag covers its platform.

        Raises:
            RegistryAuthError: It cannot be told without another login. Most registries answer so
                for a private image and for none at all.
            RegistryUnavailableError: It cannot be told: no answer, too many requests, a fault.
            RegistryError: It cannot be told: TLS, proxy, or an answer that no registry gives.
        """
        return self.digest(reference, platforms=platforms) is not None

    def digest(self, reference: Reference, *, platforms: Sequence[Platform] = ()) -> Digest | None:
        """Return the digest of the image's manifest or index; None when it is surely absent.

        Args:
            reference: As for `exists`.
            platforms: As for `exists`.

        Raises:
            RegistryError: It cannot be told; as for `exists`.
        """
        try:
            descriptor = self.resolve(reference)
        except ImageNotFoundError:
            return None
        if platforms and descriptor.is_index:
            listed = self._api.manifest(reference.with_digest(descriptor.digest)).platforms
            return descriptor.digest if set(platforms) <= set(listed) else None
        return descriptor.digest if len(set(platforms)) <= 1 else None

    def common_digest(
        self, references: Iterable[Reference], *, platforms: Sequence[Platform] = ()
    ) -> Digest | None:
        """Return the digest that all of *references* have; None when there is none.

        Args:
            references: At least one.
            platforms: As for `exists`.

        Raises:
            RegistryError: It cannot be told; as for `exists`.
        """
        found: set[Digest | None] = set()
        for reference in dict.fromkeys(references):
            found.add(self.digest(reference, platforms=platforms))
            if None in found or len(found) > 1:
                return None
        return next(iter(found), None)

    def exists_many(
        self, references: Iterable[Reference], *, platforms: Sequence[Platform] = ()
    ) -> dict[Reference, bool | RegistryError]:
        """Ask for many images at once; what cannot be told is the error that says why.

        Args:
            references: The images.
            platforms: As for `exists`, for all of them.
        """
        found = self.digests(references, platforms=platforms)
        return {
            reference: answer if isinstance(answer, RegistryError) else answer is not None
            for reference, answer in found.items()
        }

    def digests(
        self, references: Iterable[Reference], *, platforms: Sequence[Platform] = ()
    ) -> dict[Reference, Digest | RegistryError | None]:
        """Ask for the digests of many images at once, in one burst over reused connections.

        Args:
            references: The images.
            platforms: As for `exists`, for all of them.

        Returns:
            For each image, in the order asked: its digest, None when it is surely absent, or
            the error that says why it cannot be told.
        """
        asked = list(dict.fromkeys(references))
        answers: dict[Reference, Digest | RegistryError | None] = {}
        faults: list[BaseException] = []
        pending = iter(asked)
        lock = threading.Lock()

        def work() -> None:
            while not faults:
                with lock:
                    reference = next(pending, None)
                if reference is None:
                    return
                try:
                    answers[reference] = self.digest(reference, platforms=platforms)
                except RegistryError as error:
                    answers[reference] = error
                except BaseException as error:  # noqa: BLE001 - raised again below
                    faults.append(error)

        count = min(len(asked), _MAX_THREADS)
        threads = [
            threading.Thread(target=work, name=f"registry-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if faults:
            raise faults[0]
        return {reference: answers[reference] for reference in asked}

    def resolve(self, reference: Reference) -> Descriptor:
        """Return what the reference stands for, by one HEAD where the registry says enough.

        Raises:
            ImageNotFoundError: It is surely absent.
            RegistryError: It cannot be told; as for `exists`.
        """
        return self._api.head(reference) or self._api.manifest(reference).descriptor

    def join(
        self,
        names: Sequence[Reference],
        parts: Mapping[Platform, Digest],
        annotations: Mapping[str, str] = MappingProxyType({}),
    ) -> Digest:
        """Put the index of images that were pushed by digest, one per platform, under *names*.

        Args:
            names: Each with a tag; the images are in the repositories of all of them.
            parts: Digest of the image of each platform, or of the index of it and what attests it.
            annotations: Of the index.

        Raises:
            RegistryError: An image is not there, or the index is not taken.
        """
        first = names[0]
        read = [
            (platform, self._api.manifest(first.with_digest(digest)))
            for platform, digest in parts.items()
        ]
        index = join(read, annotations)
        for name in names:
            self._api.put_manifest(name, index, INDEX_TYPES[0])
        return Digest.of(index)

    def try_push(self, reference: Reference) -> None:
        """Find out whether an image may be pushed, and leave nothing behind.

        Raises:
            RegistryAuthError: This login may not.
            RegistryError: There is no such repository, or it cannot be told; as for `exists`.
        """
        self._api.try_upload(reference)

    def image(self, reference: Reference, platform: Platform) -> ResolvedImage:
        """Return the image's digest and its config for one platform.

        Raises:
            ImageNotFoundError: It is surely absent, or not for this platform.
            RegistryError: It cannot be told; as for `exists`.
        """
        manifest = self._api.manifest(reference)
        digest = manifest.descriptor.digest
        if manifest.descriptor.is_index:
            listed = manifest.platforms
            if platform not in listed:
                names = ", ".join(map(str, listed)) or "none"
                raise ImageNotFoundError(
                    f"{reference} is not for {platform}, only for {names}",
                    reference=str(reference),
                    status=404,
                    remedy=f"choose another image, or one of its platforms: {names}",
                )
            manifest = self._api.manifest(reference.with_digest(listed[platform]))
        assert manifest.config is not None
        config = self._api.config(reference, manifest.config)
        return ResolvedImage(reference.with_digest(digest), digest, config)

    def labels(self, reference: Reference, platform: Platform) -> dict[str, str]:
        """Return the labels of an image for one platform.

        Raises:
            ImageNotFoundError: It is surely absent, or not for this platform.
            RegistryError: It cannot be told; as for `exists`.
        """
        import json

        data: Any = json.loads(self.image(reference, platform).config)
        return dict((data.get("config") or {}).get("Labels") or {})
