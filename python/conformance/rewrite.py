"""Imports of a test file are replaced: what the peer's users import comes from Partita."""

from __future__ import annotations

import ast
from collections.abc import Collection

__all__ = ["CHECKS", "HELPERS", "USERS_NAMES", "blank_tests", "choose_branches", "replace_imports", "stand_of"]

_STANDS = "conformance.stands"
#: Modules of Dask, each with the module that stands for it. All other modules stay the peer's.
_MODULES = {
    "dask": "dask",
    "dask.array": "array",
    "dask.array.core": "array",
    "dask.array.fft": "array",
    "dask.array.gufunc": "array",
    "dask.array.image": "array",
    "dask.array.lib.stride_tricks": "array",
    "dask.array.linalg": "array",
    "dask.array.overlap": "overlap",
    "dask.array.stats": "array",
    "dask.array.ufunc": "array",
    "dask.array.wrap": "array",
    "dask.bag": "bag",
    "dask.bag.core": "bag",
    "dask.bag.text": "bag",
    "dask.bag.avro": "bag",
    "dask.dataframe": "dataframe",
    "dask.dataframe.core": "dataframe",
    "dask.dataframe.dask_expr": "dataframe",
    "dask.dataframe.dask_expr._collection": "dataframe",
    "dask.dataframe.dask_expr.datasets": "datasets",
    "dask.dataframe.io.sql": "dataframe",
    "dask.datasets": "datasets",
    "dask.delayed": "delayed",
    "dask.base": "base",
    "dask.tokenize": "base",
    "dask.threaded": "threaded",
    "dask.distributed": "distributed",
    "distributed": "distributed",
    "distributed.utils_test": "utils_test",
}
#: Modules whose other names are internals of the peer.
_WITH_INTERNALS = (
    "dask.array",
    "dask.array.core",
    "dask.array.fft",
    "dask.array.gufunc",
    "dask.array.image",
    "dask.array.lib.stride_tricks",
    "dask.array.linalg",
    "dask.array.overlap",
    "dask.array.stats",
    "dask.array.ufunc",
    "dask.array.wrap",
    "dask.bag.core",
    "dask.base",
    "dask.dataframe",
    "dask.dataframe.core",
    "dask.dataframe.dask_expr",
    "dask.dataframe.dask_expr._collection",
    "dask.dataframe.dask_expr.datasets",
    "dask.dataframe.io.sql",
    "dask.delayed",
    "dask.tokenize",
    "distributed",
)
#: Comparisons of the peer's tests that have a replacement, by their module: the module of it, and its names.
CHECKS = {
    "dask.array": ("array_checks", frozenset(("assert_eq",))),
    "dask.array.utils": ("array_checks", frozenset(("assert_eq", "same_keys", "meta_from_array"))),
    "dask.bag.utils": ("checks", frozenset(("assert_eq",))),
    "dask.dataframe.dask_expr.tests._util": ("frame_checks", frozenset(("assert_eq",))),
    "dask.dataframe.tests.test_multi": ("frame_checks", frozenset(("list_eq",))),
    "dask.dataframe.utils": ("frame_checks", frozenset(("assert_eq", "has_known_categories", "make_meta"))),
}
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
        "fft_wrap",
        "from_func",
        "normalize_chunks",
        "overlap",
        "sliding_window_view",
        "trim_internal",
    )
)
#: Functions with which tests ask for the implementation of the peer, and the answers of its packages.
_SWITCHES = {"_array_expr_enabled": False, "_dask_expr_enabled": True}
#: Modules that tests import only if they exist.
_IMPORTED = ("dask.array", "dask.bag", "dask.dataframe", "distributed")
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
    if module in CHECKS and name in CHECKS[module][1]:
        return f"{_STANDS}.{CHECKS[module][0]}"
    if module == "distributed.utils_test":
        return f"{_STANDS}.{stand}" if name in HELPERS else None
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
            if isinstance(module, ast.Constant) and module.value in _IMPORTED:
                stand = f"{_STANDS}.{_MODULES[module.value]}"
                node.args[0] = ast.copy_location(ast.Constant(value=stand), module)
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


class _Branches(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = getattr(node.func, "attr", getattr(node.func, "id", None))
        return ast.copy_location(ast.Constant(_SWITCHES[name]), node) if name in _SWITCHES else node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        is_known = isinstance(node.op, ast.Not) and isinstance(node.operand, ast.Constant)
        return ast.copy_location(ast.Constant(not node.operand.value), node) if is_known else node  # type: ignore[attr-defined]

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        if not isinstance(node.test, ast.Constant):
            return node
        return (node.body if node.test.value else node.orelse) or ast.copy_location(ast.Pass(), node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt | None:
        # The answers are known: the functions are not needed.
        node.names = [one for one in node.names if one.name not in _SWITCHES]
        return node if node.names else None


def choose_branches(tree: ast.Module) -> ast.Module:
    """Return the tree of a test file without what is for another implementation of the peer."""
    return ast.fix_missing_locations(_Branches().visit(tree))


def blank_tests(tree: ast.Module, names: Collection[str]) -> ast.Module:
    """Return the tree of a test file in which some tests are empty: what does not count cannot keep a file from being read."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in names:
            node.decorator_list, node.body = [], [ast.Pass()]
            taken = [one for one in node.args.args if one.arg == "self"]
            node.args = ast.arguments(posonlyargs=[], args=taken, kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.fix_missing_locations(tree)


def replace_imports(tree: ast.Module, users: frozenset[str]) -> ast.Module:
    """Return the tree of a test file with its imports replaced."""
    return ast.fix_missing_locations(_Imports(users).visit(tree))
