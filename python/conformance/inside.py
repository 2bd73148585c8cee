"""Finds the tests that look inside the peer: at its graphs, its scheduler, its workers, or private names.

They say nothing about what users see, and do not count.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .rewrite import stand_of

__all__ = ["LooksInside", "find_insiders"]

#: Modules of the peer whose names tests may use: helpers that work with anybody's objects.
_HARMLESS = ("dask.utils", "dask.utils_test", "dask._compatibility", "dask._pandas_compat", "dask.bytes", "dask.datasets",
             "dask.array.numpy_compat", "dask.dataframe._compat", "distributed.metrics", "distributed.compatibility",
             "distributed.utils", "distributed.sizeof")  # fmt: skip
#: Names of further modules of which the same is true.
_HARMLESS_NAMES = frozenset(
    (
        "dask.array.utils.allclose",
        "dask.dataframe.dask_expr.tests._util._backend_library",
        "dask.dataframe.dask_expr.tests._util.xfail_gpu",
        "dask.dataframe.utils.UNKNOWN_CATEGORIES",
        "dask.dataframe.utils.get_string_dtype",
        "dask.dataframe.utils.is_scalar",
        "dask.dataframe.utils.pyarrow_strings_enabled",
    )
)
#: Names of harmless modules that are internals nevertheless.
_INTERNAL_NAMES = frozenset(("dask.utils.get_default_shuffle_method",))
#: Private names of other packages than Dask.
_FOREIGN = frozenset(("_repr_html_", "_asdict", "_make", "_testing", "_compat"))
#: Attributes of Dask's collections that are its own representation.
_GRAPHS = frozenset(
    (
        "analyze",
        "dask",
        "dependencies",
        "expr",
        "find_operations",
        "fuse",
        "layers",
        "lower_completely",
        "lower_once",
        "operands",
        "pprint",
        "simplify",
        "tree_repr",
        "unique_partition_mapping_columns_from_shuffle",
        "walk",
    )
)
#: Attributes of distributed's clients, futures and clusters that lead into the scheduler, or to its event loop.
_ROOMS = frozenset(
    (
        "cluster",
        "dask_worker",
        "futures",
        "io_loop",
        "loop",
        "queue",
        "refcount",
        "run_on_scheduler",
        "transition_log",
        "get_events",
        "rpc",
        "scheduler",
        "scheduler_comm",
        "story",
    )
)
#: Classes of which distributed's tests start instances within the process of the test.
_IN_PROCESS = frozenset(("Nanny", "Scheduler", "Worker", "SpecCluster", "rpc", "connect", "sync", "Status", "Security"))
#: Arguments of commands with which its tests start programs of their own.
_PROGRAMS = frozenset(("scheduler", "worker"))
#: What the stand-ins of scheduler and workers have: what a user can learn from `Client.scheduler_info`.
PUBLIC = frozenset(("address", "worker_address"))
#: Options of `gen_cluster` that need another cluster than a plain one.
_OWN_CLUSTER = ("scheduler_kwargs", "worker_kwargs", "security", "scheduler", "active_rpc_timeout")


class LooksInside(BaseException):
    """A test used something of the scheduler or a worker that a user does not have."""


def find_insiders(tree: ast.Module, users: frozenset[str], is_distributed: bool) -> dict[str, str]:
    """Return the test functions of a file, as it was before imports are replaced, that do not count, each with why."""
    private = {name for node in tree.body for name in _private_imports(node, users)}
    search = _Search(private, users, is_distributed)
    helpers: dict[str, str] = {}
    functions = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))]
    for node in functions:
        why = None if node.name.startswith("test") else search.why(node)
        if why is not None:
            helpers[node.name] = why
    # Constants of the module that use such names.
    for node in tree.body:
        if isinstance(node, ast.Assign):
            why = search.why(node)
            if why is not None:
                helpers.update((one.id, why) for one in node.targets if isinstance(one, ast.Name))
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test"):
            why = search.why(node) or _cluster_of(node)
            if why is None:
                called = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
                called |= {one.arg for one in node.args.args}
                why = next((helpers[name] for name in sorted(called & set(helpers))), None)
            if why is not None:
                found[node.name] = why
    # Tests that call other tests.
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test"):
            called = {
                one.func.id for one in ast.walk(node) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)
            }
            for name in sorted(called & set(found)):
                found.setdefault(node.name, found[name])
    return found


def _is_peer(module: str) -> bool:
    return module.split(".")[0] in ("dask", "distributed") and not module.startswith(_HARMLESS)


def _private_imports(node: ast.AST, users: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and node.module:
        yield from [one.asname or one.name for one in node.names if f"{node.module}.{one.name}" in _INTERNAL_NAMES]
    if isinstance(node, ast.ImportFrom) and node.module and _is_peer(node.module):
        for one in node.names:
            full = f"{node.module}.{one.name}"
            is_module = full in ("dask.array", "dask.config", "dask.dataframe", "dask.dataframe._compat", "dask.utils")
            if not is_module and full not in _HARMLESS_NAMES and stand_of(node.module, one.name, users) is None:
                yield one.asname or one.name


class _Search:
    def __init__(self, private: set[str], users: frozenset[str], is_distributed: bool) -> None:
        self._private = private
        self._users = users
        self._is_distributed = is_distributed

    def why(self, root: ast.AST) -> str | None:
        """Return why a function looks inside the peer, or None."""
        decorators = getattr(root, "decorator_list", [])
        skipped = {id(one) for decorator in decorators if _is_gen_cluster(decorator) for one in ast.walk(decorator)}
        servers = _servers(root)
        for node in ast.walk(root):
            if id(node) in skipped:
                continue
            why = self._why_node(node, servers)
            if why is not None:
                return why
        return None

    def _why_node(self, node: ast.AST, servers: set[str]) -> str | None:
        if isinstance(node, ast.Name) and node.id in self._private:
            return f"uses {node.id}"
        for name in _private_imports(node, self._users):
            return f"uses {name}"
        if isinstance(node, ast.Attribute):
            name = node.attr
            if name.startswith("_") and not name.startswith("__") and name not in _FOREIGN:
                return f"uses the private name {name}"
            if name.startswith("__dask"):
                return f"uses {name}"
            if not self._is_distributed and name in _GRAPHS:
                return f"uses the attribute {name}"
            if self._is_distributed and name in _ROOMS:
                return f"uses the attribute {name}"
            if isinstance(node.value, ast.Name) and node.value.id in servers and name not in PUBLIC:
                return f"uses the attribute {name} of a server"
        if self._is_distributed:
            if isinstance(node, ast.arg) and node.arg in ("dask_scheduler", "dask_worker"):
                return f"takes {node.arg}"
            if isinstance(node, ast.Name) and node.id in _IN_PROCESS:
                return f"uses {node.id} in its own process"
            if _starts_program(node):
                return "starts the programs of distributed"
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("distributed."):
                return "sets or reads the configuration of distributed"
        return None


def _starts_program(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != "popen":
        return False
    return any(isinstance(one, ast.Constant) and one.value in _PROGRAMS for one in ast.walk(node))


def _is_gen_cluster(decorator: ast.AST) -> bool:
    return (
        isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "gen_cluster"
    )


def _gen_cluster(node: ast.AST) -> ast.Call | None:
    decorators = getattr(node, "decorator_list", [])
    return next((one for one in decorators if _is_gen_cluster(one)), None)


def _servers(node: ast.AST) -> set[str]:
    """Return the parameters of a test that are its scheduler and workers."""
    call = _gen_cluster(node)
    if call is None or not isinstance(node, ast.AsyncFunctionDef):
        return set()
    has_client = any(one.arg == "client" and getattr(one.value, "value", True) for one in call.keywords)
    names = [one.arg for one in node.args.args][1 if has_client else 0 :]
    # Whatever follows the workers are fixtures and parameters.
    shape = next((one.value for one in call.keywords if one.arg == "nthreads"), call.args[0] if call.args else None)
    workers = _length(shape)
    servers = set(names[: 1 + workers])
    if node.args.vararg is not None:
        servers.add(node.args.vararg.arg)
    assigned = {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    return servers - assigned


def _length(shape: ast.AST | None) -> int:
    if shape is None:
        return 2
    if isinstance(shape, ast.List):
        return len(shape.elts)
    if isinstance(shape, ast.BinOp) and isinstance(shape.right, ast.Constant):
        return int(shape.right.value)
    return 2


def _cluster_of(node: ast.AST) -> str | None:
    """Return why the cluster of a test cannot be had by a user, or None."""
    call = _gen_cluster(node)
    if call is None:
        return None
    for one in call.keywords:
        if one.arg in _OWN_CLUSTER:
            return f"needs a cluster with {one.arg}"
        if one.arg == "Worker" and getattr(one.value, "id", "") != "Nanny":
            return "needs workers of its own class"
        if one.arg == "config" and getattr(one.value, "id", "") != "NO_AMM":
            return "sets the configuration of distributed"
        if one.arg == "nthreads" and not _length(one.value):
            return "starts its workers in its own process"
    return None
