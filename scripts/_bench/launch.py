"""pyflyte in a process of the bench: the peer's template without its frontend image.

The template names a frontend on a public registry; the daemon's own reads the rest all the same.
"""

from __future__ import annotations

if __name__ == "__main__":
    from flytekit.clis.sdk_in_container.pyflyte import main
    from flytekit.image_spec import default_builder

    template = default_builder.DOCKER_FILE_TEMPLATE
    text = template.template.replace("#syntax=docker/dockerfile:1.5\n", "")
    default_builder.DOCKER_FILE_TEMPLATE = type(template)(text)
    main()
