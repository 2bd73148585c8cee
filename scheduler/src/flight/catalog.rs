//! What there is: catalogs, schemas and tables of a session; and keys, of which there are none.

use crate::flight::{info, status};
use arrow_flight::sql::{Command, CommandGetCatalogs, CommandGetTableTypes, CommandGetTables};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::logical_expr::TableType;
use datafusion::prelude::SessionContext;
use std::sync::Arc;
use tonic::Status;

/// The schema that describes the others, which is not listed.
const INFORMATION_SCHEMA: &str = "information_schema";

/// The schema of the answer to a command that lists something; none for one that does not.
///
/// # Errors
/// If the lists of the server's own properties cannot be made.
pub(crate) fn schema(command: &Command) -> Result<Option<SchemaRef>, Status> {
    Ok(Some(match command {
        Command::CommandGetCatalogs(_) => CommandGetCatalogs {}.into_builder().schema(),
        Command::CommandGetDbSchemas(query) => query.clone().into_builder().schema(),
        Command::CommandGetTables(query) => query.clone().into_builder().schema(),
        Command::CommandGetTableTypes(_) => CommandGetTableTypes {}.into_builder().schema(),
        Command::CommandGetSqlInfo(_) => info::server()?.schema(),
        Command::CommandGetXdbcTypeInfo(_) => info::types()?.schema(),
        Command::CommandGetPrimaryKeys(_) => primary_keys(),
        Command::CommandGetExportedKeys(_)
        | Command::CommandGetImportedKeys(_)
        | Command::CommandGetCrossReference(_) => foreign_keys(),
        _ => return Ok(None),
    }))
}

/// Answers a command that lists something.
///
/// # Errors
/// If it does not, or the answer cannot be made.
pub(crate) async fn answer(
    context: &SessionContext,
    command: Command,
) -> Result<RecordBatch, Status> {
    let made = match command {
        Command::CommandGetCatalogs(query) => {
            let mut builder = query.into_builder();
            for name in context.catalog_names() {
                builder.append(name);
            }
            builder.build()
        }
        Command::CommandGetDbSchemas(query) => {
            let mut builder = query.into_builder();
            for (catalog, schema) in schemas(context) {
                builder.append(catalog, schema);
            }
            builder.build()
        }
        Command::CommandGetTables(query) => return tables(context, query).await,
        Command::CommandGetTableTypes(query) => {
            let mut builder = query.into_builder();
            for kind in [TableType::Base, TableType::View, TableType::Temporary] {
                builder.append(type_name(kind));
            }
            builder.build()
        }
        Command::CommandGetSqlInfo(query) => query.into_builder(info::server()?).build(),
        Command::CommandGetXdbcTypeInfo(query) => query.into_builder(info::types()?).build(),
        Command::CommandGetPrimaryKeys(_) => Ok(RecordBatch::new_empty(primary_keys())),
        Command::CommandGetExportedKeys(_)
        | Command::CommandGetImportedKeys(_)
        | Command::CommandGetCrossReference(_) => Ok(RecordBatch::new_empty(foreign_keys())),
        other => {
            return Err(Status::unimplemented(format!("{} is not supported", other.type_url())));
        }
    };
    made.map_err(|error| status::unanswerable(ArrowError::ExternalError(Box::new(error))))
}

/// Every schema, with its catalog.
fn schemas(context: &SessionContext) -> Vec<(String, String)> {
    let of = |name: String| {
        let schemas = context.catalog(&name).map(|catalog| catalog.schema_names());
        let listed = schemas.unwrap_or_default().into_iter().filter(|s| s != INFORMATION_SCHEMA);
        listed.map(|schema| (name.clone(), schema)).collect::<Vec<_>>()
    };
    context.catalog_names().into_iter().flat_map(of).collect()
}

async fn tables(context: &SessionContext, query: CommandGetTables) -> Result<RecordBatch, Status> {
    let failed = |error| status::unanswerable(ArrowError::ExternalError(error));
    let mut builder = query.into_builder();
    for (catalog, schema) in schemas(context) {
        let found = context.catalog(&catalog).and_then(|catalog| catalog.schema(&schema));
        let Some(provider) = found else { continue };
        for name in provider.table_names() {
            let table = provider.table(&name).await.map_err(|error| failed(Box::new(error)))?;
            // One that was dropped meanwhile is not there.
            let Some(table) = table else { continue };
            let kind = type_name(table.table_type());
            builder
                .append(&catalog, &schema, &name, kind, &table.schema())
                .map_err(|error| failed(Box::new(error)))?;
        }
    }
    builder.build().map_err(|error| failed(Box::new(error)))
}

/// The kinds of tables, as JDBC knows them.
fn type_name(kind: TableType) -> &'static str {
    match kind {
        TableType::Base => "TABLE",
        TableType::View => "VIEW",
        TableType::Temporary => "LOCAL TEMPORARY",
    }
}

fn fields(list: &[(&str, DataType, bool)]) -> SchemaRef {
    let field = |(name, kind, nullable): &(&str, DataType, bool)| {
        Field::new(*name, kind.clone(), *nullable)
    };
    Arc::new(Schema::new(list.iter().map(field).collect::<Vec<_>>()))
}

fn primary_keys() -> SchemaRef {
    fields(&[
        ("catalog_name", DataType::Utf8, true),
        ("db_schema_name", DataType::Utf8, true),
        ("table_name", DataType::Utf8, false),
        ("column_name", DataType::Utf8, false),
        ("key_name", DataType::Utf8, true),
        ("key_sequence", DataType::Int32, false),
    ])
}

fn foreign_keys() -> SchemaRef {
    fields(&[
        ("pk_catalog_name", DataType::Utf8, true),
        ("pk_db_schema_name", DataType::Utf8, true),
        ("pk_table_name", DataType::Utf8, false),
        ("pk_column_name", DataType::Utf8, false),
        ("fk_catalog_name", DataType::Utf8, true),
        ("fk_db_schema_name", DataType::Utf8, true),
        ("fk_table_name", DataType::Utf8, false),
        ("fk_column_name", DataType::Utf8, false),
        ("key_sequence", DataType::Int32, false),
        ("fk_key_name", DataType::Utf8, true),
        ("pk_key_name", DataType::Utf8, true),
        ("update_rule", DataType::UInt8, false),
        ("delete_rule", DataType::UInt8, false),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_flight::sql::{
        CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys,
        CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetXdbcTypeInfo,
        CommandStatementQuery,
    };
    use datafusion::arrow::array::{AsArray, BinaryArray};
    use datafusion::prelude::SessionConfig;

    async fn session() -> SessionContext {
        let config = SessionConfig::new()
            .with_information_schema(true)
            .with_default_catalog_and_schema("partita", "public");
        let context = SessionContext::new_with_config(config);
        for statement in ["create table numbers as select 1 as n", "create view ones as select 1"] {
            context.sql(statement).await.unwrap().collect().await.unwrap();
        }
        context
    }

    fn texts(batch: &RecordBatch, column: usize) -> Vec<&str> {
        batch.column(column).as_string::<i32>().iter().flatten().collect()
    }

    /// Proves that tables and views are listed with their kinds and schemas, and that the
    /// information schema is not.
    #[tokio::test]
    async fn tables_are_listed() {
        let context = session().await;
        let query = CommandGetTables { include_schema: true, ..Default::default() };
        let batch = answer(&context, Command::CommandGetTables(query)).await.unwrap();
        assert_eq!(texts(&batch, 0), ["partita", "partita"]);
        assert_eq!(texts(&batch, 1), ["public", "public"]);
        assert_eq!(texts(&batch, 2), ["numbers", "ones"]);
        assert_eq!(texts(&batch, 3), ["TABLE", "VIEW"]);
        let schemas: &BinaryArray = batch.column(4).as_binary();
        assert!(schemas.iter().all(|bytes| bytes.is_some_and(|bytes| !bytes.is_empty())));
        let query = CommandGetTables {
            table_name_filter_pattern: Some("num%".to_string()),
            table_types: vec!["TABLE".to_string()],
            ..Default::default()
        };
        let batch = answer(&context, Command::CommandGetTables(query)).await.unwrap();
        assert_eq!(texts(&batch, 2), ["numbers"]);
    }

    /// Proves that every answer has the schema that was announced for it.
    #[tokio::test]
    async fn answers_have_their_schemas() {
        let context = session().await;
        let commands = [
            Command::CommandGetCatalogs(CommandGetCatalogs {}),
            Command::CommandGetDbSchemas(CommandGetDbSchemas::default()),
            Command::CommandGetTables(CommandGetTables::default()),
            Command::CommandGetTableTypes(CommandGetTableTypes {}),
            Command::CommandGetSqlInfo(CommandGetSqlInfo::default()),
            Command::CommandGetXdbcTypeInfo(CommandGetXdbcTypeInfo::default()),
            Command::CommandGetPrimaryKeys(CommandGetPrimaryKeys::default()),
            Command::CommandGetExportedKeys(CommandGetExportedKeys::default()),
            Command::CommandGetImportedKeys(CommandGetImportedKeys::default()),
            Command::CommandGetCrossReference(CommandGetCrossReference::default()),
        ];
        for command in commands {
            let announced = schema(&command).unwrap().unwrap();
            let name = command.type_url().to_string();
            let batch = answer(&context, command).await.unwrap();
            assert_eq!(batch.schema(), announced, "{name}");
            assert_eq!(batch.num_rows() == 0, name.contains("Key") || name.contains("Cross"));
        }
    }

    /// Proves that statements are not taken for lists.
    #[test]
    fn statements_are_no_lists() {
        let statement = Command::CommandStatementQuery(CommandStatementQuery::default());
        assert!(schema(&statement).unwrap().is_none());
    }
}
