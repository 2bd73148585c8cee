//! What tests of plans share.

use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::error::Result;
use datafusion::prelude::SessionContext;

/// The rows of a query as text without spaces, with `;` between them.
pub(crate) async fn answer(context: &SessionContext, sql: &str) -> Result<String> {
    let rows = context.sql(sql).await?.collect().await?;
    let text = pretty_format_batches(&rows)?.to_string();
    let lines = text.lines().skip(3).filter(|line| line.starts_with('|'));
    Ok(lines.map(|line| line.replace(['|', ' '], "")).collect::<Vec<_>>().join(";"))
}
