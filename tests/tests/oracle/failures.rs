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

/// What a single node would answer as if a clause were not there, or would refuse in words of its own, is refused
/// with the remedy.
#[test]
fn clauses_that_are_not_supported_are_refused() -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        oracle.on_cluster_only("create temporary table few as select id, txt from facts limit 3").await?;
        for (sql, part) in [
            ("select * from facts tablesample bernoulli (10)", "random() < 0.1"),
            ("select count(*) from facts f join events e", "add ON or USING"),
            ("select grp, count(*) from facts group by grp with rollup", "GROUP BY ROLLUP"),
            ("select * from read_csv('{dir}/dims.parquet')", "use read_parquet"),
            ("select sum(txt) from facts", "sum takes numbers, not strings"),
            ("select * from '{dir}/dims.parquet' join '{dir}/dims.parquet' on true", "alias"),
            ("select id + 1 as more from facts where more > 1", "HAVING"),
            ("select dayofyear(day) from facts", "date_part('doy', x)"),
            ("select id from facts where", "the statement ends here"),
            ("insert into few values (1, 'a')", "CREATE OR REPLACE TABLE few"),
            ("update few set id = 1", "CREATE OR REPLACE TABLE"),
            ("copy few to 'few.xlsx'", ".parquet"),
            (
                "select i from (values (0), (1)) t(i) where exists (select 1 from (select i as j) q where j > 0)",
                "write it as a join",
            ),
        ] {
            match oracle.cluster(sql).await {
                Ok(_) => anyhow::bail!("answered: {sql}"),
                Err(error) => {
                    let text = format!("{error:#}");
                    anyhow::ensure!(text.contains(part), "{part:?} is not in the error of {sql}:\n{text}");
                }
            }
        }
        for sql in [
            "select first_value(txt order by id, id) from facts",
            "select grp, array_agg(id order by k, id, k desc) from facts where id < 50 group by grp",
        ] {
            oracle.cluster(sql).await?;
        }
        Ok(())
    })
}
