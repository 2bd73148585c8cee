//! Columns of every type through every exchange.

use crate::fixture::{check, check_with};
use anyhow::Result;

const TYPES: &[&str] = &[
    "select * from facts",
    "select * from nested",
    "select * from sparse",
    "select st, count(*) from nested group by st",
    "select li, count(*) from nested group by li",
    "select id, st['x'], st['y'], li[1], array_length(li), mp['b'] from nested",
    "select id, unnest(li) as item from nested",
    "select item, count(*) from (select unnest(li) as item from nested) group by item",
    "select id, unnest(st) from nested",
    "select unnest(make_array(1, 2, null)) as n, k from tiny",
    "select a.id, b.li, a.mp from nested a join nested b on a.id = b.id + 60",
    "select a.id, b.st from nested a join nested b on a.st = b.st and a.id < b.id",
    "select id, st, li, mp from nested order by id desc limit 9",
    "select mp, id from nested where map_extract(mp, 'a')[1] < 10",
    "select distinct st from nested",
    "select c000, c050, c199 from wide where c001 > 500",
    "select * from wide order by c000, c001, c002, c003 limit 30",
    "select a.*, b.* from wide a join wide b on a.c000 = b.c001 and a.c002 = b.c005",
    "select c000 % 10 as m, sum(c100), min(c150), max(c199) from wide group by m",
    "select rare, never, word, late, count(*) from sparse group by rare, never, word, late",
    "select a.rare, b.word from sparse a left join sparse b on a.rare = b.id",
    "select a.id, b.id from sparse a full join sparse b on a.rare = b.rare",
    "select a.id from sparse a join sparse b on a.never = b.never",
    "select count(never), count(rare), min(never), max(word) from sparse",
    "select id, length(txt), md5(txt) from long_texts",
    "select * from long_texts order by id desc",
    "select txt, count(*) from long_texts group by txt",
    "select a.id, length(b.txt) from long_texts a join long_texts b on a.txt = b.txt",
    "select dict, id from facts where dict in ('d1', 'd3') order by id limit 100",
    "select dict, flag, count(*) from facts group by dict, flag",
    "select f.dict, g.id from facts f join facts g on f.id = g.id and f.dict = g.dict",
    "select price, price * 2, price + 0.005, price / 7, round(price, 1) from facts",
    "select sum(price), avg(price), min(price), max(price) from facts group by flag",
    "select at, date_trunc('day', at), at + interval '1 month', cast(at as date) as d from facts",
    "select to_char(at, '%Y-%m-%d %H:%M'), extract(epoch from at) from facts where id < 200",
    "select day, day + interval '1 day', date_part('week', day) from facts where id < 200",
    "select id, flag, not flag, flag and k > 3, flag or v is null, coalesce(flag, false) from facts",
    "select id, nullif(k, 5), coalesce(k, -1), case when k > 50 then 'h' when k > 20 then 'm' end
        from facts",
    "select id, substr(txt, 5), upper(grp), txt like '%7%', txt ~ '^row [0-9]+1$', concat(txt, k)
        from facts",
    "select id, cast(v as int), cast(k as varchar), cast(price as double), try_cast(txt as int)
        from facts",
    "select arrow_cast(k, 'Int8'), arrow_cast(k, 'UInt64'), arrow_cast(v, 'Float32') from facts",
    "select arrow_cast(txt, 'LargeUtf8') as a, arrow_cast(txt, 'Utf8View') as b,
        arrow_cast(txt, 'Binary') as c, count(*) from facts where id < 300 group by a, b, c",
    "select at - lag(at) over (order by id) as gap, id from facts where id < 300",
    "select cast(concat(k, ' days') as interval) as i, count(*) from facts where k < 9 group by i",
    "select arrow_cast(id, 'Duration(Second)') as d, id from facts order by d desc limit 9",
    "select cast('nan' as double) as x, cast('-inf' as double) as y, -0.0 as z, k from tiny",
    "select arrow_typeof(k), arrow_typeof(dict), arrow_typeof(at), arrow_typeof(price) from facts
        where id = 1",
];

/// Rows keep their types and values on their way through the workers.
#[test]
fn types() -> Result<()> {
    check(TYPES)
}

/// The same where both sides of every join, and every group, are split by key.
#[test]
fn types_by_partition() -> Result<()> {
    let settings = [
        "datafusion.optimizer.hash_join_single_partition_threshold = 0",
        "datafusion.optimizer.hash_join_single_partition_threshold_rows = 0",
        "datafusion.optimizer.repartition_file_min_size = 1",
    ];
    check_with(&settings, TYPES)
}
