//! Times with a zone.
//!
//! In DataFusion 55 a session has no zone at first, and `TIMESTAMPTZ`, `TIMESTAMP WITH TIME ZONE` and `now()` are then times without
//! one: `now() AT TIME ZONE 'Europe/Paris'` takes the time of day in UTC for one of Paris. Here the zone of sessions is [`ZONE`].
//! What reads times without a zone, `to_timestamp`, has none whatever the session has.

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature,
};
use std::sync::Arc;

/// The zone of sessions.
pub(crate) const ZONE: &str = "UTC";

/// The functions that are not changed by the zone of a session begin so.
const UNZONED: &str = "to_timestamp";

/// These functions, with those kept from the zone of the session that read times without one.
pub(crate) fn unzoned(functions: Vec<Arc<ScalarUDF>>) -> Vec<Arc<ScalarUDF>> {
    let keep = |function: Arc<ScalarUDF>| match function.name().starts_with(UNZONED) {
        true => Arc::new(ScalarUDF::new_from_impl(Unzoned(function))),
        false => function,
    };
    functions.into_iter().map(keep).collect()
}

/// A function that is not told of changes of the settings.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Unzoned(Arc<ScalarUDF>);

impl ScalarUDFImpl for Unzoned {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn aliases(&self) -> &[String] {
        self.0.aliases()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.0.return_type(types)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.0.return_field_from_args(arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.0.invoke_with_args(arguments)
    }

    fn simplify(
        &self,
        arguments: Vec<Expr>,
        context: &SimplifyContext,
    ) -> Result<ExprSimplifyResult> {
        self.0.simplify(arguments, context)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.0.coerce_types(types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.0.documentation()
    }
}

#[cfg(test)]
mod tests {
    use crate::session::planning_context;
    use crate::testing::answer;
    use datafusion::prelude::SessionContext;

    /// A time with a zone is the same moment in every zone, and has the time of day of the zone that is asked for.
    #[tokio::test]
    async fn moments_stay_in_other_zones() {
        let context = planning_context();
        for (sql, expected) in [
            (
                "timestamptz '2024-07-01 12:00:00+00' at time zone 'Europe/Paris'",
                "2024-07-01T14:00:00+02:00",
            ),
            (
                "extract(hour from timestamptz '2024-07-01 12:00:00+00' at time zone 'Europe/Paris')",
                "14",
            ),
            (
                "cast('2024-01-01 23:30:00-05:00' as timestamp with time zone)",
                "2024-01-02T04:30:00Z",
            ),
            (
                "timestamp '2024-07-01 12:00:00' at time zone 'Europe/Paris'",
                "2024-07-01T12:00:00+02:00",
            ),
            ("timestamptz '2024-07-01 12:00:00+02' = timestamp '2024-07-01 10:00:00'", "true"),
            ("date_part('hour', now()) = date_part('hour', now() at time zone 'UTC')", "true"),
            (
                "abs(date_part('epoch', now() at time zone 'Asia/Tokyo') - date_part('epoch', now())) < 1",
                "true",
            ),
            ("cast(timestamptz '2024-07-01 23:00:00+00' as date)", "2024-07-01"),
        ] {
            assert_eq!(
                answer(&context, &format!("select {sql}")).await.unwrap(),
                expected,
                "{sql}"
            );
        }
    }

    /// What is read without a zone has none, and can be compared with what has one.
    #[tokio::test]
    async fn other_times_have_no_zone() {
        let context = planning_context();
        for sql in [
            "to_timestamp('2024-01-05 10:00:00')",
            "to_timestamp_seconds(5)",
            "timestamp '2024-01-05 10:00:00'",
            "cast('2024-01-05' as timestamp)",
        ] {
            let kind = answer(&context, &format!("select arrow_typeof({sql})")).await.unwrap();
            assert!(kind == "Timestamp(ns)" || kind == "Timestamp(s)", "{sql}: {kind}");
            let earlier = answer(&context, &format!("select {sql} < now()")).await.unwrap();
            assert_eq!(earlier, "true", "{sql}");
        }
    }

    /// The setting can go when plain DataFusion keeps the moment.
    #[tokio::test]
    async fn plain_datafusion_takes_another_moment() {
        let sql = "select extract(hour from timestamptz '2024-07-01 12:00:00+00' at time zone 'Europe/Paris')";
        assert_eq!(answer(&SessionContext::new(), sql).await.unwrap(), "12");
    }
}
