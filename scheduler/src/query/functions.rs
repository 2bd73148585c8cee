//! Functions of other systems, and what to use instead.

/// The names, and the expression with the same value.
const TRANSLATIONS: [(&[&str], &str); 29] = [
    (&["first", "any"], "first_value(x ORDER BY y)"),
    (&["last"], "last_value(x ORDER BY y)"),
    (&["arg_min", "argmin", "min_by"], "first_value(x ORDER BY y)"),
    (&["arg_max", "argmax", "max_by"], "last_value(x ORDER BY y)"),
    (&["if", "iff", "iif"], "CASE WHEN condition THEN x ELSE y END"),
    (&["mode"], "SELECT x, count(*) FROM .. GROUP BY x ORDER BY 2 DESC LIMIT 1"),
    (&["list", "collect_list", "groupArray"], "array_agg(x)"),
    (&["group_concat", "listagg"], "string_agg(x, ',')"),
    (&["count_if", "countif"], "count(*) FILTER (WHERE condition)"),
    (&["sum_if", "sumif"], "sum(x) FILTER (WHERE condition)"),
    (&["approx_quantile"], "approx_percentile_cont(x, 0.5)"),
    (&["dayofmonth"], "date_part('day', x)"),
    (&["dayofweek", "weekday"], "date_part('dow', x)"),
    (&["dayofyear"], "date_part('doy', x)"),
    (&["epoch", "unix_timestamp"], "date_part('epoch', x)"),
    (&["strftime", "monthname", "dayname"], "to_char(x, '%Y-%m-%d')"),
    (&["strptime", "str_to_date", "try_strptime"], "to_timestamp(x, '%Y-%m-%d %H:%M:%S')"),
    (&["date_diff", "datediff", "age"], "x - y"),
    (&["date_add", "dateadd", "date_sub"], "x + interval '1 day'"),
    (&["len", "strlen"], "length(x) for strings, or array_length(x) for lists"),
    (&["string_split", "str_split", "split"], "string_to_array(x, ',')"),
    (&["regexp_matches", "regexp_full_match", "rlike"], "regexp_like(x, pattern)"),
    (&["regexp_extract", "regexp_substr"], "regexp_match(x, pattern)[1]"),
    (&["typeof", "pg_typeof"], "arrow_typeof(x)"),
    (&["xor"], "(a | b) - (a & b)"),
    (&["time_bucket"], "date_bin(interval '15 minutes', x)"),
    (&["hex"], "to_hex(x) for integers, or encode(x, 'hex')"),
    (&["format", "printf"], "concat(x, y)"),
    (&["struct_pack"], "named_struct('a', x)"),
];

/// What to say of a function that does not exist, if it is one of another system.
pub(super) fn remedy(name: &str) -> Option<String> {
    let is_named = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    let (_, instead) = TRANSLATIONS.iter().find(|(names, _)| is_named(names))?;
    Some(format!("the function {name} does not exist; use {instead}"))
}
