"""Bags of Python objects: the replacement of ``dask.bag``."""

from __future__ import annotations

from ..base import compute
from . import random
from ._avro import read_avro
from ._bag import Bag
from ._create import bag_range, from_delayed, from_sequence, from_url
from ._item import Item
from ._many import bag_map, bag_zip, concat, map_partitions
from ._repartition import total_size
from ._text import read_text, to_textfiles

__all__ = [
    "Bag",
    "Item",
    "compute",
    "concat",
    "from_delayed",
    "from_sequence",
    "from_url",
    "map",
    "map_partitions",
    "random",
    "range",
    "read_avro",
    "read_text",
    "to_textfiles",
    "zip",
]

map = bag_map
range = bag_range
zip = bag_zip
total_mem_usage = total_size
