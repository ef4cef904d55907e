"""BuildKit's messages and services, in a descriptor pool of our own.

One module per file of ``protos/``, each with its typed ``.pyi``, written by ``scripts/gen-protos``.
By hand are only the underscored ones, ``rpc`` and ``timestamp``. Import the module that is needed::

    from buildkit_spec._pb import control, ops

    op = ops.Op(source=ops.SourceOp(identifier="docker-image://…"))
    channel.unary_unary(
        control.Control.Info.path,
        request_serializer=control.Control.Info.request.SerializeToString,
        response_deserializer=control.Control.Info.response.FromString,
    )

Names are upstream's; a field named by a Python keyword has an underscore added (``def_``).
Enum fields are plain ints; ``ops.HOST`` and ``ops.NetMode.HOST`` are the same constant.
"""
