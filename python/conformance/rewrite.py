"""Imports of a test file are replaced: what the peer's users import comes from Partita."""

from __future__ import annotations

import ast

__all__ = ["HELPERS", "USERS_NAMES", "replace_imports", "stand_of"]

_STANDS = "conformance.stands"
#: Modules of Dask, each with the module that stands for it. All other modules stay the peer's.
_MODULES = {
    "dask": "dask",
    "dask.bag": "bag",
    "dask.bag.core": "bag",
    "dask.bag.text": "bag",
    "dask.bag.avro": "bag",
    "dask.bag.utils": "checks",
    "dask.dataframe": "dataframe",
    "dask.dataframe.utils": "checks",
    "dask.delayed": "delayed",
    "dask.base": "base",
    "dask.tokenize": "base",
    "dask.threaded": "threaded",
    "dask.distributed": "distributed",
    "distributed": "distributed",
    "distributed.utils_test": "utils_test",
}
#: Modules whose other names are internals of the peer.
_WITH_INTERNALS = ("dask.bag.core", "dask.base", "dask.delayed", "dask.tokenize", "distributed")
#: Names that users import from inner modules, although the packages do not list them.
USERS_NAMES = frozenset(
    (
        "ClosedClientError",
        "Delayed",
        "TokenizationError",
        "get_scheduler",
        "normalize_token",
        "FIRST_COMPLETED",
        "ALL_COMPLETED",
        "FutureCancelledError",
        "FuturesCancelledError",
        "FIRST_EXCEPTION",
        "ClientExecutor",
        "UploadDirectory",
        "UploadFile",
        "tokenize",
    )
)
#: Names of test helpers of the peer that have a replacement in ``conformance.stands.utils_test``.
HELPERS = frozenset(
    (
        "NO_AMM", "add", "async_poll_for", "asyncinc", "block_on_event", "captured_logger", "cleanup", "client", "cluster",
        "cluster_fixture", "dec", "div", "double", "gen_cluster", "gen_test", "inc", "loop", "loop_in_thread",
        "map_varying", "mul", "nodebug", "nodebug_setup_module", "nodebug_teardown_module", "poll_for", "randominc",
        "save_sys_modules", "slowadd", "slowdec", "slowidentity", "slowinc", "slowsum", "throws", "varying",
    )
)  # fmt: skip


def stand_of(module: str, name: str | None, users: frozenset[str]) -> str | None:
    """Return the module that stands for one of the peer, or None if the name stays the peer's.

    Parameters
    ----------
    module : str
        The module of the import.
    name : str or None
        The name that is imported from it; None if it is the module.
    users : frozenset of str
        The names that the peers' packages have for their users.
    """
    stand = _MODULES.get(module)
    if module == "distributed.utils_test":
        return f"{_STANDS}.{stand}" if name in HELPERS else None
    if module in ("dask.bag.utils", "dask.dataframe.utils"):
        return f"{_STANDS}.{stand}" if name == "assert_eq" else None
    if name is not None and module in _WITH_INTERNALS and name not in users and name not in USERS_NAMES:
        return None
    if module.startswith("distributed."):
        return f"{_STANDS}.distributed" if name in users or name in USERS_NAMES else None
    if stand is None or (name is not None and name.startswith("_")):
        return None
    return f"{_STANDS}.{stand}"


class _Imports(ast.NodeTransformer):
    def __init__(self, users: frozenset[str]) -> None:
        self._users = users

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for one in node.names:
            stand = stand_of(one.name, None, self._users)
            # `import a.b` binds `a`, whose attributes lead to the stand for `a.b`.
            bound = one.asname or one.name.partition(".")[0]
            if stand is not None and not one.asname and "." in one.name:
                stand = stand_of(bound, None, self._users)
            alias = one if stand is None else ast.alias(name=stand, asname=bound)
            made.append(ast.copy_location(ast.Import(names=[alias]), node))
        return made

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "importorskip" and node.args:
            module = node.args[0]
            if isinstance(module, ast.Constant) and module.value == "dask.dataframe":
                node.args[0] = ast.copy_location(ast.Constant(value=f"{_STANDS}.dataframe"), module)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, str):
            # Texts of errors that tell how to import the peer.
            text = node.value.replace("from distributed import", "from partita.distributed import")
            return ast.copy_location(ast.Constant(value=text, kind=node.kind), node)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for one in node.names:
            module = node.module or ""
            if not node.level:
                full = f"{module}.{one.name}"
                if full in _MODULES:
                    stand = f"{_STANDS}.{_MODULES[full]}" if one.name in _MODULES.values() else None
                    if stand is not None and one.name != "delayed":
                        alias = ast.alias(name=stand, asname=one.asname or one.name)
                        made.append(ast.copy_location(ast.Import(names=[alias]), node))
                        continue
                module = stand_of(module, one.name, self._users) or module
            made.append(ast.copy_location(ast.ImportFrom(module=module, names=[one], level=node.level), node))
        return made


def replace_imports(tree: ast.Module, users: frozenset[str]) -> ast.Module:
    """Return the tree of a test file with its imports replaced."""
    return ast.fix_missing_locations(_Imports(users).visit(tree))
