"""Methods of strings that take them apart and put them together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..plan import expr as px
from ..plan.expr import Expr, call
from . import _expressions as ex
from ._alignment import REINDEX
from ._columns import Lists
from ._matching import aligned, uploaded
from ._row_methods import PandasMethod, SplitText, call_method, matches_of
from ._sql import literal

if TYPE_CHECKING:
    from ._series import Series

__all__ = ["TextParts"]


class TextParts:
    """Methods of the accessor ``.str``."""

    _column: Series

    @property
    def _value(self) -> Expr:
        return self._column._expr

    def extract(self, pat: str, flags: int = 0, expand: bool = True) -> Any:
        """Extract the groups of a pattern, or missing values if the pattern does not match.

        The result is a frame with a column for each group. With ``expand=False`` and one group it is a column.
        """
        pattern = re.compile(pat)
        if expand or flags or pattern.groups != 1 or pattern.groupindex:
            # A column has the name of its group.
            function = PandasMethod("extract", (pat, flags, expand), accessor="str")
            return call_method(self._column, function, "extract")
        return self._column._like(call("element", call("regexp_match", self._value, literal(pat)), 1))

    def split(self, pat: str | None = None, *, n: int = -1, expand: bool = False, regex: bool | None = None) -> Any:
        """Split at a separator, by default whitespace, into lists.

        Parameters
        ----------
        pat : str, optional
            The separator. As in pandas, one of several characters is a regular expression unless ``regex=False``.
        n : int
            Maximum number of splits of each string; all by default.
        expand : bool
            Whether to return a frame with a column for each part. This requires `n`, since the columns must be known
            before the values are: there are always ``n + 1``.
        regex : bool, optional
            Whether `pat` is a regular expression.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> text = dd.from_pandas(pd.Series(["a-b-c", "d-e-f"]), npartitions=2)
        >>> text.str.split("-", n=1, expand=True)[1].compute().tolist()
        ['b-c', 'e-f']
        """
        is_plain = pat is not None and (regex is False or (not regex and (len(pat) == 1 or re.escape(pat) == pat)))
        if not is_plain or expand or n > 0:
            return self._split("split", pat, n, expand, regex)
        # The cluster splits an empty string into no strings, Python into one.
        is_empty, one = px.comparison("eq", self._value, ""), call("make_array", self._value)
        return self._column._like(
            px.case([(is_empty, one)], call("string_to_array", self._value, literal(pat))), origin=Lists()
        )

    def rsplit(self, pat: str | None = None, *, n: int = -1, expand: bool = False) -> Any:
        """Split at a separator from the right; see :meth:`split`."""
        return self._split("rsplit", pat, n, expand, None)

    def _split(self, name: str, pat: str | None, n: int, expand: bool, regex: bool | None) -> Any:
        if expand and n <= 0:
            raise NotImplementedError(
                f"str.{name}(expand=True) requires n=, the number of splits: the columns must be known before the values"
            )
        how = {"pat": pat, "n": n, **({} if regex is None else {"regex": regex})}
        function = SplitText(name, pat, n, regex) if expand else PandasMethod(name, (), how, "str")
        return call_method(self._column, function, name)

    def extractall(self, pat: str, flags: int = 0) -> Any:
        """Extract the groups of all matches of a pattern, as a frame with a row for each match.

        The index has the label of the row and the number of the match.
        """
        column = self._column
        if not column._index:
            raise NotImplementedError("str.extractall() requires an index; use set_index first")
        found = PandasMethod("extractall", (pat, flags), accessor="str")
        return column.map_partitions(found, meta=matches_of(column, found))

    def cat(self, others: Any = None, sep: str | None = None, na_rep: str | None = None) -> Any:
        """Concatenate all strings, or each string with those of other columns in the same row.

        Parameters
        ----------
        others : Series or list of Series, optional
            The columns; those of pandas are uploaded. Without them, the result is a single string.
        sep : str, optional
            The separator.
        na_rep : str, optional
            Replaces missing values. By default, a string with a missing part is missing; of all strings, missing ones are
            left out.
        """
        between, column, parts = sep or "", self._column, [self._value]
        if others is None:
            order = column._rows.over()["order"]
            value = self._value if na_rep is None else call("fill_null", self._value, na_rep)
            return self._column._reduced(ex.joined_strings(value, order, between))
        for one in others if isinstance(others, (list, tuple)) else [others]:
            one = uploaded(one, column)
            if not hasattr(one, "_expr"):
                raise TypeError(
                    f"str.cat() takes a column, or a list of columns, not {type(one).__name__}; use + for a single string"
                )
            # The strings so far are columns of the rows before.
            so_far = [aligned(column._like(part), one, REINDEX) for part in parts]
            parts = [part._expr for part, _ in so_far]
            column, one = so_far[0]
            parts.append(one._expr)
        if na_rep is not None:
            parts = [call("fill_null", part, na_rep) for part in parts]
        between_all = [one for part in parts for one in (literal(between), part)][1:]
        return column._like(call("concatenate", *between_all))
