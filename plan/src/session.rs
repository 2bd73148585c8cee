//! The settings on which planning and running must agree.

use crate::conditions::ConditionsRule;
use crate::depth::PARSER_CALLS_MAX;
use crate::guards;
use crate::guards::membership::MembershipRule;
use crate::guards::one_nan::OneNanRule;
use crate::guards::zeros::ZerosRule;
use crate::interrupt;
use crate::intervals::IntervalPlanner;
use crate::orders::OrdersRule;
use crate::overflow::OverflowPlanner;
use crate::ranged::{JoinsRule, SplitsRule, WindowsRule};
use crate::single::SingleValueRule;
use crate::windows::IgnoreNullsRule;
use crate::zones;
use datafusion::config::{ConfigNonZeroUsize, TableOptions};
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::prelude::{SessionConfig, SessionContext};
use partita_files::{FileOptions, LISTING_LIFETIME, ScanCheck, Stores};
use partita_operators::functions::arithmetic::arithmetic;
use partita_operators::functions::checked::checked;
use partita_operators::functions::extreme::extremes;
use partita_operators::functions::intervals::{one_interval, times_interval};
use partita_operators::functions::missing::{fill_null, nan_as_null};
use partita_operators::functions::one_nan::one_nan;
use partita_operators::functions::present::present_values;
use partita_operators::functions::product::product;
use partita_operators::functions::single::single_value;
use partita_operators::functions::sums::checked_sum;
use partita_operators::sliding::rolling;
use std::sync::Arc;

/// Bytes that are read from the end of a Parquet file before the length of its footer is known.
/// DataFusion reads half a megabyte: for a thousand small files that is most of their content.
const FOOTER_BYTES: usize = 64 << 10;
/// Bytes of rows that are sorted at once. Larger inputs are merged, row by row, from pieces of this
/// size. With DataFusion's default of one megabyte the merge takes longer than the sorting.
const SORTED_AT_ONCE_BYTES: usize = 16 << 20;

/// The settings under which a query is planned for `partitions` tasks a step.
///
/// Some of DataFusion's optimisations make the partitions of one plan talk to each other while
/// they run. Here the partitions of a plan run in several processes, each with a copy of the plan,
/// so those are switched off: dynamic filters wait for the build sides of all partitions, scans
/// steal files from each other, and uncorrelated subqueries hand their value over in memory.
pub fn planning_config(partitions: usize) -> SessionConfig {
    let mut config = running_config()
        .with_target_partitions(partitions.max(1))
        .with_information_schema(true)
        .with_option_extension(FileOptions::default())
        .with_extension(Arc::new(ScanCheck(interrupt::check)))
        .with_create_default_catalog_and_schema(true)
        .with_default_catalog_and_schema("partita", "public");
    let options = config.options_mut();
    options.optimizer.enable_round_robin_repartition = false;
    options.optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    options.optimizer.prefer_existing_sort = false;
    options.execution.listing_table_ignore_subdirectory = false;
    options.execution.time_zone = Some(zones::ZONE.to_string());
    // Those that it collects itself, for external tables, are wrong for NaN and for columns with another type than in the file;
    // `files` collects others.
    options.execution.collect_statistics = false;
    // A limit counts on the order of the query that it stands around: `select * from (.. order by x) limit 3`.
    options.sql_parser.enable_subquery_sort_elimination = false;
    // It loses a computed column with the name of its input beside a field of a struct (apache/datafusion#25414).
    options.optimizer.enable_leaf_expression_pushdown = false;
    // The physical plan takes `IS NOT DISTINCT FROM` for nullable and the logical one does not, which the check
    // reports as an internal error (apache/datafusion#24096).
    options.execution.skip_physical_aggregate_schema_check = true;
    if let Ok(calls) = ConfigNonZeroUsize::try_new(PARSER_CALLS_MAX) {
        options.sql_parser.recursion_limit = calls;
    }
    config
}

/// The settings under which fragments run.
pub fn running_config() -> SessionConfig {
    let mut config = SessionConfig::new();
    let options = config.options_mut();
    options.optimizer.enable_dynamic_filter_pushdown = false;
    options.optimizer.enable_topk_dynamic_filter_pushdown = false;
    options.optimizer.enable_join_dynamic_filter_pushdown = false;
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    options.execution.enable_file_stream_work_stealing = false;
    options.execution.parquet.metadata_size_hint = Some(FOOTER_BYTES);
    options.execution.sort_in_place_threshold_bytes = SORTED_AT_ONCE_BYTES;
    // A write task makes one file.
    if let (Ok(one), Ok(all)) =
        (ConfigNonZeroUsize::try_new(1), ConfigNonZeroUsize::try_new(usize::MAX))
    {
        options.execution.minimum_parallel_output_files = one;
        options.execution.soft_max_rows_per_output_file = all;
    }
    config
}

/// What plans queries: DataFusion's functions and rules, as far as these are right.
pub fn planner(config: SessionConfig) -> SessionStateBuilder {
    let tables = table_options(&config);
    let mut rules = guards::repeated::rules();
    rules.push(Arc::new(interrupt::Logical(Arc::new(OrdersRule))));
    with_functions(SessionStateBuilder::new().with_config(config))
        .with_table_options(tables)
        .with_analyzer_rules(interrupt::analyzer_rules(vec![
            Arc::new(guards::lateral::RULE),
            Arc::new(ConditionsRule),
            Arc::new(MembershipRule),
            Arc::new(guards::lists::RULE),
            Arc::new(guards::branches::RULE),
            Arc::new(guards::copies::RULE),
            Arc::new(guards::aggregates::RULE),
            Arc::new(guards::filters::RULE),
            Arc::new(guards::intervals::RULE),
            Arc::new(ZerosRule),
            Arc::new(OneNanRule),
            Arc::new(SingleValueRule),
            Arc::new(IgnoreNullsRule),
        ]))
        .with_optimizer_rules(rules)
        .with_physical_optimizer_rules(physical_rules())
}

/// Adds DataFusion's functions and formats of files, with those functions bounded that make large values,
/// and the functions of ours that queries may call.
fn with_functions(builder: SessionStateBuilder) -> SessionStateBuilder {
    let mut builder = builder.with_default_features();
    let mut functions = builder.scalar_functions().take().unwrap_or_default();
    functions.extend(arithmetic().iter().cloned());
    functions.extend(checked().iter().cloned());
    functions.extend([nan_as_null(), fill_null(), one_nan(), one_interval(), times_interval()]);
    let aggregates = builder.aggregate_functions().get_or_insert_default();
    // The latter of two of one name counts.
    aggregates.extend([checked_sum(), product()]);
    aggregates.extend(rolling().iter().cloned());
    let planners = builder.expr_planners().get_or_insert_default();
    planners.insert(0, Arc::new(IntervalPlanner));
    planners.insert(1, Arc::new(OverflowPlanner));
    builder.with_scalar_functions(zones::unzoned(guards::sizes::bounded(functions)))
}

/// How files are written. The forms of dates and times are DataFusion's; they are said, because where they
/// are not, its wire form has an empty text, by which nothing would be written.
fn table_options(config: &SessionConfig) -> TableOptions {
    let mut tables = TableOptions::default_from_session_config(config.options());
    let form = |text: &str| Some(text.to_string());
    tables.csv.date_format = form("%Y-%m-%d");
    tables.csv.datetime_format = form("%Y-%m-%dT%H:%M:%S%.f");
    tables.csv.timestamp_format = form("%Y-%m-%dT%H:%M:%S%.f");
    tables.csv.timestamp_tz_format = form("%Y-%m-%dT%H:%M:%S%.f%:z");
    tables.csv.time_format = form("%H:%M:%S%.f");
    tables
}

/// DataFusion's rules for physical plans, and ours around the one that decides where rows are shuffled.
fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = guards::rules();
    let ensure = rules.iter().position(|rule| rule.name() == "EnsureRequirements");
    let ensure = ensure.unwrap_or_default();
    rules.insert(ensure + 1, Arc::new(interrupt::Physical(Arc::new(SplitsRule))));
    rules.insert(ensure, Arc::new(interrupt::Physical(Arc::new(JoinsRule))));
    rules.insert(0, Arc::new(interrupt::Physical(Arc::new(WindowsRule))));
    rules
}

/// A session in which queries are planned for one partition; [`planning_config`] says for more.
pub fn planning_context() -> SessionContext {
    let mut state = planner(planning_config(1));
    // Only with an unusable folder for temporary files it cannot be built, and this one writes none.
    if let Ok(runtime) =
        RuntimeEnvBuilder::new().with_object_store_registry(Stores::shared()).build_arc()
    {
        state = state.with_runtime_env(runtime);
    }
    let context = SessionContext::new_with_state(state.build());
    if let Some(listings) = context.runtime_env().cache_manager.get_list_files_cache() {
        // Otherwise the files of an external table are listed once, for as long as it is there.
        listings.update_cache_ttl(Some(LISTING_LIFETIME));
    }
    extremes().into_iter().for_each(|function| context.register_udaf(function));
    context
}

/// What a fragment is decoded and run in: every function that plans may call, this budget and
/// this scratch folder.
pub fn task_context(runtime: Arc<RuntimeEnv>, config: SessionConfig) -> Arc<TaskContext> {
    let builder = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime);
    let state = with_functions(builder).build();
    let context = SessionContext::new_with_state(state);
    context.register_udaf(single_value().as_ref().clone());
    extremes().into_iter().for_each(|function| context.register_udaf(function));
    for function in present_values() {
        context.register_udaf(function.as_ref().clone());
    }
    context.task_ctx()
}
