//! Queries without an answer.

use crate::fixture::fixture;
use anyhow::Result;
use partita_tests::oracle::Sameness;

/// What a single node refuses, or fails with, the cluster does too, and says what is wrong; and
/// the next query of the session is answered.
#[test]
fn errors_are_the_same() -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        for (sql, part) in [
            ("select nosuch from facts", "nosuch"),
            ("select * from nosuch", "nosuch"),
            ("select * from '{dir}/nosuch.parquet'", "nosuch.parquet"),
            ("selec 1", "selec"),
            ("select sum(txt) from facts", "sum"),
            ("select nosuch(id) from facts", "nosuch"),
            ("select id / (id - 5000) from facts", "ivide by zero"),
            ("select cast(txt as int) from facts", "row"),
            ("select sum(cast(grp as int)) from facts", "common"),
            ("select k, sum(1 / (id - 77)) from facts group by k order by k", "ivide by zero"),
            ("select id from facts where k = (select k from events)", "more than one row"),
            ("select (select label from tiny), id from facts", "more than one row"),
            ("select id from facts f join events e on f.k = 1 / (e.eid - 9)", "ivide by zero"),
            ("select a from (values (1), (2, 3)) as t (a)", ""),
        ] {
            let error = oracle.check_fails(sql).await?;
            assert!(error.contains(part), "{part:?} is not in the error of {sql}:\n{error}");
        }
        oracle.check("select count(*) from facts", Sameness::Rows).await.map(|_| ())
    })
}
